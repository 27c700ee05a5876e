package broker

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func at(s int) time.Time { return time.Unix(1_700_000_000+int64(s), 0) }

func TestChoose(t *testing.T) {
	for _, tt := range []struct {
		name string
		live []Candidate
		want []string
	}{
		{"nobody", nil, nil},
		{"alone", []Candidate{{ID: "a", Started: at(0)}}, []string{"a"}},
		{"two", []Candidate{{ID: "a", Started: at(1)}, {ID: "b", Started: at(0)}}, []string{"b", "a"}},
		{"the longest there", []Candidate{{ID: "a", Started: at(3)}, {ID: "b", Started: at(1)}, {ID: "c", Started: at(2)}, {ID: "d", Started: at(0)}}, []string{"d", "b", "c"}},
		{"one that came back is the youngest", []Candidate{{ID: "a", Started: at(9)}, {ID: "b", Started: at(1)}, {ID: "c", Started: at(2)}, {ID: "d", Started: at(3)}}, []string{"b", "c", "d"}},
		{"booted together", []Candidate{{ID: "d"}, {ID: "b"}, {ID: "c"}, {ID: "a"}}, []string{"a", "b", "c"}},
		{"the pinned first", []Candidate{{ID: "a"}, {ID: "b"}, {ID: "c"}, {ID: "d", Pinned: true, Started: at(9)}}, []string{"d", "a", "b"}},
		{"more pinned than wanted", []Candidate{{ID: "a", Pinned: true}, {ID: "b", Pinned: true}, {ID: "c", Pinned: true}, {ID: "d", Pinned: true}, {ID: "e"}}, []string{"a", "b", "c"}},
		{"who has just come waits", []Candidate{{ID: "a", Runs: true}, {ID: "b"}, {ID: "c", Started: at(95)}}, []string{"a", "b"}},
		{"also if it is pinned", []Candidate{{ID: "a", Runs: true}, {ID: "b"}, {ID: "c", Pinned: true, Started: at(95)}}, []string{"a", "b"}},
		{"who runs one does not wait", []Candidate{{ID: "a", Runs: true}, {ID: "b"}, {ID: "c", Runs: true, Started: at(95)}}, []string{"a", "c", "b"}},
		{"hardly anybody is there", []Candidate{{ID: "b", Started: at(95)}, {ID: "a", Started: at(96)}, {ID: "c", Started: at(97)}}, []string{"b", "a"}},
		{"a clock that is ahead waits longer", []Candidate{{ID: "a", Runs: true}, {ID: "b"}, {ID: "c", Started: at(3600)}}, []string{"a", "b"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for range 20 { // each peer hears of the others in another order
				live := slices.Clone(tt.live)
				rand.Shuffle(len(live), func(i, j int) { live[i], live[j] = live[j], live[i] })
				before := slices.Clone(live)
				if got := Choose(live, 3, at(100), Settle); !slices.Equal(got, tt.want) {
					t.Fatalf("got %v, want %v", got, tt.want)
				}
				if !slices.Equal(live, before) {
					t.Fatal("it changed its argument")
				}
			}
		})
	}
}

func TestWanted(t *testing.T) {
	for _, tt := range []struct{ hosts, running, want int }{{0, 0, 3}, {3, 3, 3}, {799, 5, 3}, {800, 3, 3}, {800, 4, 3}, {800, 5, 5}, {999, 3, 3}, {1000, 3, 5}, {10_000, 5, 5}} {
		if got := Wanted(tt.hosts, tt.running); got != tt.want {
			t.Errorf("%d hosts with %d brokers want %d", tt.hosts, tt.running, got)
		}
	}
}

// A peer that comes and goes every ten seconds does not move the role every ten seconds: whether its node starts anew each
// time, or the network takes it away and gives it back. However long that goes on, the others have the role to themselves
// after the first time.
func TestAPeerThatComesAndGoes(t *testing.T) {
	for _, tt := range []struct {
		name     string
		peers    int
		restarts bool
		most     int // role changes in ten minutes, of it and the others
	}{
		{"restarts, among four", 4, true, 1},
		{"restarts, among three", 3, true, 0},
		{"is cut off, among four", 4, false, 1},
		{"is cut off, among three", 3, false, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := &roleWorld{started: map[string]time.Time{}, runs: map[string]bool{}, surplus: map[string]time.Time{}}
			for i := range tt.peers {
				w.started[fmt.Sprintf("p%d", i)] = at(0)
			}
			w.turn(at(100), "")
			if len(w.running()) != 3 {
				t.Fatalf("%v run a broker", w.running())
			}
			w.taken = 0
			for s := 100; s < 700; s++ {
				away := ""
				if s/10%2 == 1 {
					away = "p0"
				}
				if tt.restarts && s%20 == 0 {
					w.started["p0"], w.runs["p0"] = at(s), false
				}
				w.turn(at(s), away)
			}
			if w.taken > tt.most {
				t.Errorf("the role was taken %d times, by %v", w.taken, w.running())
			}
		})
	}
}

// roleWorld is peers that do as Choose says, and keep the role for Settle when they are too many, as package mesh has it.
type roleWorld struct {
	started map[string]time.Time
	runs    map[string]bool
	surplus map[string]time.Time
	taken   int
}

func (w *roleWorld) running() (ids []string) {
	for id, runs := range w.runs {
		if runs {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// turn lets each peer decide by what it sees. Who is away sees only itself.
func (w *roleWorld) turn(now time.Time, away string) {
	seen := func(by, id string) bool { return by == id || by != away && id != away }
	next := map[string]bool{}
	for by := range w.started {
		var live []Candidate
		for id, started := range w.started {
			if seen(by, id) {
				live = append(live, Candidate{ID: id, Runs: w.runs[id], Started: started})
			}
		}
		wanted := slices.Contains(Choose(live, 3, now, Settle), by)
		next[by] = wanted || w.runs[by]
		if wanted || !w.runs[by] {
			w.surplus[by] = time.Time{}
		} else if w.surplus[by].IsZero() {
			w.surplus[by] = now
		} else if now.Sub(w.surplus[by]) >= Settle {
			next[by] = false
		}
		if next[by] && !w.runs[by] && by != away { // alone it needs one of its own
			w.taken++
		}
	}
	w.runs = next
}
