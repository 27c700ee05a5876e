package runner_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"fleet/client"
	"fleet/identity"
	"fleet/internal/bubble"
	"fleet/job"
	"fleet/job/filter"
)

// What must hold of every run, whatever the network and the hosts do. Each seed is one fleet with one story; a failure names
// its seed, and LOSSY_SEED=N runs it alone. LOSSY_SEEDS=N runs the first N instead of a handful.
func TestAccounting(t *testing.T) {
	var seeds []uint64
	upTo := func(n uint64) {
		for seed := range n {
			seeds = append(seeds, seed)
		}
	}
	upTo(20)
	seeds = append(seeds, 89, 818) // they once lost a host
	for _, e := range []struct {
		name string
		take func(uint64)
	}{{"LOSSY_SEED", func(n uint64) { seeds = []uint64{n} }}, {"LOSSY_SEEDS", func(n uint64) { seeds = nil; upTo(n) }}} {
		if text := os.Getenv(e.name); text != "" {
			n, err := strconv.ParseUint(text, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			e.take(n)
		}
	}
	for _, seed := range seeds {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) { tell(t, seed) })
		})
	}
}

const lossyTimeout = 150 * time.Second

// story is one run (or plan and run) in a lossy world.
type story struct {
	*lossyWorld
	r       *rand.Rand
	client  *client.Client
	ctx     context.Context
	request client.Request
	asked   func(*lossyHost) bool // whether the filter selects it
	names   bool                  // by names
}

func tell(t *testing.T, seed uint64) {
	w := newLossyWorld(t, seed)
	s := story{lossyWorld: w, r: w.rand("story"), client: w.client(), ctx: t.Context(), asked: func(*lossyHost) bool { return true }}
	s.request = client.Request{Plugin: "lossy", Action: []string{"look", "change"}[s.r.IntN(2)], Args: map[string]any{"round": "1"}, Timeout: lossyTimeout}
	if s.r.Float64() < 0.1 { // somebody presses Ctrl-C
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(s.r.Int64N(int64(40*time.Second))))
		defer cancel()
		s.ctx = ctx
	}
	time.Sleep(time.Duration(s.r.Int64N(int64(10 * time.Second)))) // some die before anything is asked
	var flags filter.Flags
	switch x := s.r.Float64(); {
	case x < 0.4:
		flags.Fact = []string{"group=a"}
		s.asked = func(h *lossyHost) bool { return h.group == "a" }
	case x < 0.6:
		s.names = true
		named := []string{"web1", "web3", "nosuch"}
		flags.Identity = named
		s.asked = func(h *lossyHost) bool { return slices.Contains(named, h.name) }
	}
	var err error
	if s.request.Filter, err = filter.Build(flags); err != nil {
		t.Fatal(err)
	}
	if s.request.Action == "change" && !s.plan() {
		return
	}
	begin := len(s.taken)
	run, err := s.client.Run(s.ctx, s.request, nil)
	s.check(run, err, job.Run, begin)
}

// plan asks who would, and goes on with those, or says that there is nobody.
func (s *story) plan() bool {
	begin := len(s.taken)
	q := s.request
	q.Timeout = 30 * time.Second
	p, err := s.client.Plan(s.ctx, q, nil)
	if err != nil {
		s.check(client.Run{}, err, job.Match, begin)
		return false
	}
	run := client.Run{Outcomes: slices.Concat(p.Silent, p.Refused), Expected: p.Fleet}
	for _, target := range p.Targets {
		run.Outcomes = append(run.Outcomes, client.Outcome{Node: target.Node, Name: target.Name, State: job.OK})
	}
	run.NoMatch = p.Fleet - len(run.Outcomes)
	s.check(run, nil, job.Match, begin)
	s.request.Targets = p.Targets
	if s.r.Float64() < 0.2 { // so many that all are asked with one message
		for i := range 101 {
			s.request.Targets = append(s.request.Targets, client.Target{Node: identity.NewKey[identity.Node]().Public().ID(), Name: fmt.Sprint("phantom", i)})
		}
	}
	return len(s.request.Targets) > 0
}

func (s *story) check(run client.Run, err error, mode job.Mode, begin int) {
	t, end := s.t, time.Now()
	t.Helper()
	synctest.Wait()
	for _, h := range s.hosts {
		h.mu.Lock()
		if n := h.effects["1"]; n > 1 {
			t.Errorf("seed %d: on %s it ran %d times", s.seed, h.name, n)
		}
		h.mu.Unlock()
	}
	if err != nil {
		if !errors.Is(err, context.DeadlineExceeded) && !strings.Contains(err.Error(), "no broker") {
			t.Errorf("seed %d: %v", s.seed, err)
		}
		if run.JobID == "" {
			return
		}
	}
	if run.Took > s.request.Timeout+time.Second {
		t.Errorf("seed %d: it took %s", s.seed, run.Took)
	}
	if run.Rejected > 0 {
		t.Errorf("seed %d: %d replies did not hold", s.seed, run.Rejected)
	}
	if len(run.Outcomes)+run.NoMatch != run.Expected {
		t.Errorf("seed %d: %d outcomes and %d that do not match are not the %d expected", s.seed, len(run.Outcomes), run.NoMatch, run.Expected)
	}
	of := map[identity.ID]client.Outcome{}
	for _, o := range run.Outcomes {
		if _, twice := of[o.Node]; twice && o.Node != "" || o.State == "" {
			t.Errorf("seed %d: %s is there twice or in no state: %+v", s.seed, o.Name, o)
		}
		if (o.State == job.Silent || o.State == job.Lost) && o.Message == "" && mode == job.Run {
			t.Errorf("seed %d: nothing is said about %s, which is %s", s.seed, o.Name, o.State)
		}
		of[o.Node] = o
	}
	for _, h := range s.hosts {
		o, told := of[h.id()]
		if told {
			s.checkOutcome(h, o, run, err, mode, end)
		} else if why := s.missed(h, mode, begin, end); why != "" {
			t.Errorf("seed %d: %s is not in the run: %s; %s", s.seed, h.name, why, h.story())
		}
	}
}

// missed says why a host that is not in the run should be, or "".
func (s *story) missed(h *lossyHost, mode job.Mode, begin int, end time.Time) string {
	if mode == job.Run && s.request.Targets != nil {
		if slices.ContainsFunc(s.request.Targets, func(t client.Target) bool { return t.Node == h.id() }) {
			return "it is a target"
		}
		return ""
	}
	if !s.asked(h) {
		return ""
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	listed := false
	for i, l := range s.taken[begin:] {
		for _, m := range l.members {
			switch {
			case m.Node != h.id() || l.at.After(end) || s.names && i > 0:
			case m.Presence == job.Left:
				listed = false
			case l.at.Before(end): // one that came in the last moment may have been looked at or not
				listed = true
			}
		}
	}
	if listed {
		return "the brokers named it"
	}
	return ""
}

func (s *story) checkOutcome(h *lossyHost, o client.Outcome, run client.Run, err error, mode job.Mode, end time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	ran, claimed, came := h.effects["1"], h.claims[run.JobID], h.came[run.JobID]
	wrong := func(format string, args ...any) {
		s.t.Helper()
		s.t.Errorf("seed %d: %s: %s\n%s %s %q\nran %d, claimed %d, came %v, end %v; %+v", s.seed, h.name, fmt.Sprintf(format, args...), o.State, o.Reason, o.Message,
			ran, claimed, came, end, h.story())
	}
	ends := job.State(h.ends)
	switch {
	case mode == job.Match:
		if o.State == job.OK && !s.asked(h) {
			wrong("it does not match")
		}
		ends = job.OK
	case o.State == job.Skipped && strings.Contains(o.Message, "match"):
		if ran > 0 {
			wrong("it does not match and ran")
		}
	case o.State == job.Denied:
		if ran > 0 && o.Reason != job.ReasonSeen {
			wrong("it refused and ran")
		}
	case o.State == job.Lost:
		if claimed == 0 || len(came) == 0 {
			wrong("it is lost and has never begun")
		}
	case o.State == job.Silent:
	case o.State != ends || ran != 1:
		wrong("it did not end so")
	}
	if o.State == job.Silent && len(came) > 0 && came[0].Before(end) {
		wrong("it is silent and something came from it")
	}
	waited := strings.Contains(o.Message, "no answer within")
	if waited && h.cut && h.died && end.Sub(h.since) > 40*time.Second && mode == job.Run {
		wrong("it was waited for until the time limit, and has given no sign of life since %s", h.since)
	}
	lives := h.dies == nowhere && h.later == 0 && h.leaves == 0 && h.history[0].is == job.Alive
	if lives && strings.Contains(o.Message, "does not answer") {
		wrong("it is alive, however slow")
	}
	if h.sound() && err == nil && o.State != ends {
		wrong("nothing befell it, and yet it did not end as it should")
	}
}

// story is what befalls the host, for who has to read a failure.
func (h *lossyHost) story() string {
	return fmt.Sprintf("loss %.2f, skew %s, lasts %s, dies %d in %s, at %s, back after %s, reboots %t, leaves %s, unheard %t", h.loss, h.skew, h.lasts, h.dies, h.diesIn, h.later, h.back, h.reboots, h.leaves, h.unheard)
}
