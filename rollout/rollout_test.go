package rollout

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"fleet/identity"
	"fleet/job"
	"fleet/job/filter"
)

func limit(t testing.TB, s string) filter.Limit {
	t.Helper()
	if s == "" {
		return filter.Limit{}
	}
	l, err := filter.ParseLimit(s)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func hosts(n int) []Target {
	list := make([]Target, n)
	for i := range list {
		list[i] = Target{Node: identity.ID(fmt.Sprint("node", i)), Name: fmt.Sprint("web", i)}
	}
	return list
}

func sizes(p Plan) (list []int) {
	for _, b := range p.Batches {
		list = append(list, len(b))
	}
	return list
}

func TestBuild(t *testing.T) {
	for _, tt := range []struct {
		limit, batch string
		matching     int
		want         []int // the sizes of the batches
	}{
		{"", "", 0, nil},
		{"3", "20%", 0, nil},
		{"", "", 1, []int{1}},
		{"", "", job.MaxTargets, []int{job.MaxTargets}},
		{"", "", 2*job.MaxTargets + 1, []int{job.MaxTargets, job.MaxTargets, 1}},
		{"", "3", 8, []int{3, 3, 2}},
		{"", "100%", 8, []int{8}},
		{"", "20%", 9, []int{2, 2, 2, 2, 1}}, // rounded up
		{"", "1%", 9, []int{1, 1, 1, 1, 1, 1, 1, 1, 1}},
		{"", "9999", 1200, []int{500, 500, 200}}, // no job can name more
		{"4", "", 9, []int{4}},
		{"50%", "2", 9, []int{2, 2, 1}}, // a batch is of those chosen
		{"99", "", 9, []int{9}},
	} {
		p := Build(Spec{Limit: limit(t, tt.limit), Batch: limit(t, tt.batch), Seed: 7}, hosts(tt.matching))
		if got := sizes(p); !slices.Equal(got, tt.want) || p.Matching != tt.matching {
			t.Errorf("--limit %q --batch %q of %d: batches of %v, want %v (%d matching)", tt.limit, tt.batch, tt.matching, got, tt.want, p.Matching)
		}
	}
}

// The same seed chooses the same hosts from a list in another order, and from one that lacks a host that was not chosen.
func TestTheSeedChoosesAgain(t *testing.T) {
	spec := Spec{Limit: limit(t, "5"), Seed: 42}
	all := hosts(40)
	names := func(list []Target) map[string]bool {
		set := map[string]bool{}
		for _, c := range list {
			set[c.Name] = true
		}
		return set
	}
	want := names(Build(spec, all).Targets)
	turned := slices.Clone(all)
	slices.Reverse(turned)
	fewer := slices.DeleteFunc(slices.Clone(all), func(t Target) bool { return t.Name == "web0" && !want["web0"] })
	for _, list := range [][]Target{turned, fewer} {
		got := names(Build(spec, list).Targets)
		if len(got) != 5 {
			t.Errorf("chose %v", got)
		}
		for n := range got {
			if !want[n] {
				t.Errorf("chose %s, which is not among %v", n, want)
			}
		}
	}
	// Of three hosts with one name, as many as were drawn, and none twice.
	same := []Target{{"a", "web"}, {"b", "web"}, {"c", "web"}}
	if got := Build(Spec{Limit: limit(t, "2")}, same).Targets; len(got) != 2 || got[0].Node == got[1].Node {
		t.Errorf("of hosts with one name: %v", got)
	}
}

// The model: thousands of plans, driven by whatever can happen. What a driver sends and what is left are always the plan.
func TestWhateverHappens(t *testing.T) {
	for seed := range uint64(4000) {
		r := rand.New(rand.NewPCG(seed, 1))
		matching := hosts(r.IntN(1400) * r.IntN(2))
		if seed%3 > 0 {
			matching = hosts(r.IntN(20))
		}
		spec := Spec{Seed: r.Int64(), Sleep: time.Duration(r.IntN(2)) * time.Second}
		if r.IntN(2) == 0 {
			spec.Limit = limit(t, fmt.Sprint(1+r.IntN(30), []string{"", "%"}[r.IntN(2)]))
		}
		if r.IntN(2) == 0 {
			spec.Batch = limit(t, fmt.Sprint(1+r.IntN(30), []string{"", "%"}[r.IntN(2)]))
		}
		p := Build(spec, matching)
		drive(t, seed, r, spec, p)
	}
}

// drive plays a driver to which things happen at random, and checks each step.
func drive(t *testing.T, seed uint64, r *rand.Rand, spec Spec, p Plan) {
	t.Helper()
	s, sends, slept, over := p.Begin(), 0, true, false
	under, lost := map[int]int{}, map[int]bool{} // hosts that batches under way owe; batches that never left
	for range 8*len(p.Batches) + 8 {
		step := s.Next()
		if again := s.Next(); again.Do != step.Do || again.Batch != step.Batch {
			t.Fatalf("seed %d: %+v, and asked again %+v", seed, step, again)
		}
		at := 0
		for _, n := range under {
			at += n
		}
		switch step.Do {
		case Send:
			if over || !slept && spec.Sleep > 0 || step.Batch != sends || len(step.Targets) == 0 || len(step.Targets) > job.MaxTargets {
				t.Fatalf("seed %d: sends batch %d of %d hosts (over %t, slept %t, %d sent before)", seed, step.Batch, len(step.Targets), over, slept, sends)
			}
			if at+len(step.Targets) > p.Window || spec.Sleep > 0 && len(under) > 0 {
				t.Fatalf("seed %d: sends %d hosts beside %d that have not ended, with a window of %d", seed, len(step.Targets), at, p.Window)
			}
			under[sends] = len(step.Targets)
			slept = false
			sends++
			s.Sending()
		case Wait:
			if len(under) == 0 {
				t.Fatalf("seed %d: waits for nothing", seed)
			}
			if !over && spec.Sleep == 0 && sends < len(p.Batches) && at+len(p.Batches[sends]) <= p.Window {
				t.Fatalf("seed %d: waits although there is room", seed)
			}
			batch := slices.Sorted(maps.Keys(under))[r.IntN(len(under))]
			switch r.IntN(16) {
			case 0, 1, 2, 3, 4, 5:
				if under[batch] > 0 {
					under[batch] = r.IntN(under[batch])
					s.Owing(batch, under[batch])
					continue
				}
				s.Ended(batch)
			case 6: // never left
				lost[batch], over = true, true
				s.Failed(batch, false)
			case 7: // left, and then the network or the admin ended it
				over = true
				s.Failed(batch, true)
			case 8:
				over = true
				s.Interrupted()
				continue
			default:
				s.Ended(batch)
			}
			delete(under, batch)
		case Sleep:
			if over || slept || step.Pause != spec.Sleep || sends == 0 || sends == len(p.Batches) || len(under) > 0 {
				t.Fatalf("seed %d: sleeps %s after %d of %d batches, with %d under way", seed, step.Pause, sends, len(p.Batches), len(under))
			}
			if slept = true; r.IntN(8) == 0 {
				s.Interrupted()
				over = true
				continue
			}
			s.Slept()
		case End:
			if !over && sends != len(p.Batches) || len(under) > 0 {
				t.Fatalf("seed %d: ends after %d of %d batches, with %d under way", seed, sends, len(p.Batches), len(under))
			}
			var left []Target
			for i, batch := range p.Batches {
				if i >= sends || lost[i] {
					left = append(left, batch...)
				}
			}
			if !slices.Equal(left, s.NotStarted()) {
				t.Fatalf("seed %d: %d not started, and %d are told", seed, len(left), len(s.NotStarted()))
			}
			return
		}
	}
	t.Fatalf("seed %d: does not end", seed)
}

// One slow host holds up no other: the next portion goes as soon as there is room for it.
func TestTheWindowSlides(t *testing.T) {
	p := Build(Spec{}, hosts(10*job.MaxTargets))
	s := p.Begin()
	for range 4 {
		s.Sending()
	}
	if s.Next().Do != Wait {
		t.Fatalf("%+v beside %d hosts", s.Next(), p.Window)
	}
	for batch := range 3 {
		s.Owing(batch, 100)
	}
	if step := s.Next(); step.Do != Send || step.Batch != 4 {
		t.Errorf("%+v, with 700 hosts left of those under way", step)
	}
}

// An event that does not belong to the step would make the driver send a batch twice: it stops there.
func TestAWrongDriverIsStopped(t *testing.T) {
	p := Build(Spec{Batch: limit(t, "1"), Sleep: time.Second}, hosts(2))
	for name, wrong := range map[string]func(*State){
		"slept before anything was sent": func(s *State) { s.Slept() },
		"ended before it was sent":       func(s *State) { s.Ended(0) },
		"sent twice":                     func(s *State) { s.Sending(); s.Sending() },
		"ended twice":                    func(s *State) { s.Sending(); s.Ended(0); s.Ended(0) },
		"ended after a failure":          func(s *State) { s.Sending(); s.Failed(0, true); s.Ended(0) },
		"owes after it ended":            func(s *State) { s.Sending(); s.Ended(0); s.Owing(0, 1) },
		"sent after an interrupt":        func(s *State) { s.Interrupted(); s.Sending() },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: nothing stopped it", name)
				}
			}()
			wrong(p.Begin())
		}()
	}
}
