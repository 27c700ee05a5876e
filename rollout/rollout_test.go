package rollout

import (
	"fmt"
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
	s, sent, sends, slept, over := p.Begin(), []Target(nil), 0, true, false
	for range 3*len(p.Batches) + 2 {
		step := s.Next()
		if again := s.Next(); again.Do != step.Do || again.Batch != step.Batch {
			t.Fatalf("seed %d: %+v, and asked again %+v", seed, step, again)
		}
		switch step.Do {
		case Send:
			if over || !slept && spec.Sleep > 0 || step.Batch != sends || len(step.Targets) == 0 || len(step.Targets) > job.MaxTargets {
				t.Fatalf("seed %d: sends batch %d of %d hosts (over %t, slept %t, %d sent before)", seed, step.Batch, len(step.Targets), over, slept, sends)
			}
			slept = false
			sends++
			switch r.IntN(12) {
			case 0: // never left
				s.Failed(false)
				over = true
			case 1: // left, and then the network or the admin ended it
				sent, over = append(sent, step.Targets...), true
				s.Failed(true)
			default:
				sent = append(sent, step.Targets...)
				s.Ended()
			}
		case Sleep:
			if over || slept || step.Pause != spec.Sleep || sends == 0 || sends == len(p.Batches) {
				t.Fatalf("seed %d: sleeps %s after %d of %d batches", seed, step.Pause, sends, len(p.Batches))
			}
			if slept = true; r.IntN(8) == 0 {
				s.Interrupted()
				over = true
				continue
			}
			s.Slept()
		case End:
			if !over && sends != len(p.Batches) {
				t.Fatalf("seed %d: ends after %d of %d batches", seed, sends, len(p.Batches))
			}
			if whole := slices.Concat(sent, s.NotStarted()); !slices.Equal(whole, p.Targets) {
				t.Fatalf("seed %d: %d sent and %d not started are not the %d targets", seed, len(sent), len(s.NotStarted()), len(p.Targets))
			}
			return
		}
	}
	t.Fatalf("seed %d: does not end", seed)
}

// An event that does not belong to the step would make the driver send a batch twice: it stops there.
func TestAWrongDriverIsStopped(t *testing.T) {
	p := Build(Spec{Batch: limit(t, "1"), Sleep: time.Second}, hosts(2))
	for name, wrong := range map[string]func(*State){
		"slept before anything was sent": func(s *State) { s.Slept() },
		"ended twice":                    func(s *State) { s.Ended(); s.Ended() },
		"ended after a failure":          func(s *State) { s.Failed(true); s.Ended() },
		"sent after an interrupt":        func(s *State) { s.Interrupted(); s.Ended() },
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
