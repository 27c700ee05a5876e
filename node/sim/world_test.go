package sim_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"fleet/client"
	"fleet/identity"
	"fleet/internal/fleettest"
	"fleet/job"
	"fleet/node/sim"
)

// stage is a real node with its broker, and simulated hosts.
type stage struct {
	fleet  *fleettest.Fleet
	world  *sim.World
	client *client.Client
	log    *counter
}

func newStage(t testing.TB, n int, r sim.Rates) *stage {
	t.Helper()
	s := &stage{fleet: fleettest.New(t), log: &counter{}}
	s.fleet.First().Start()
	m, err := s.fleet.First().Membership()
	must(t, err)
	s.client, err = client.Connect(t.Context(), client.Config{Root: m.Root, Key: s.fleet.Admin, Brokers: []string{s.fleet.Broker()}, Log: slog.New(s.log), Declared: s.fleet.Declared})
	must(t, err)
	t.Cleanup(s.client.Close)
	roster, err := s.client.Roster(t.Context())
	must(t, err)
	s.world, err = sim.New(sim.Config{Root: m.Authority, Token: s.fleet.Token(identity.Record{Role: identity.Member}), Issuer: identity.Issuer{Key: m.Issuing, Certificate: m.Chain.Issuing}, Roster: roster,
		Brokers: []string{s.fleet.Broker()}, Hosts: n, Rates: r, Seed: 7, Log: slog.New(slog.DiscardHandler)})
	must(t, err)
	t.Cleanup(s.world.Close)
	s.settle(t, n)
	return s
}

// settle connects who is not, and waits until the broker's node knows all.
func (s *stage) settle(t testing.TB, n int) {
	t.Helper()
	must(t, s.world.Connect(t.Context()))
	s.fleet.Await(s.client, n+1)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// counter counts what a client logs of replies that it rejects, as they come.
type counter struct {
	slog.Handler
	mu       sync.Mutex
	rejected int
	news     func(rejected int)
}

func (c *counter) Enabled(context.Context, slog.Level) bool { return true }

func (c *counter) Handle(_ context.Context, r slog.Record) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if strings.Contains(r.Message, "failed verification") {
		if c.rejected++; c.news != nil {
			c.news(c.rejected)
		}
	}
	return nil
}

// round asks every host and compares. It does not wait for the silent ones: it ends when so many have answered and so
// many replies were rejected.
func (s *stage) round(t testing.TB, r client.Request, answers, lies int) (client.Run, sim.Tally) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var mu sync.Mutex
	heard, rejected := 0, 0
	enough := func() {
		if heard == answers && rejected == lies {
			cancel()
		}
	}
	s.log.mu.Lock()
	s.log.rejected = 0
	s.log.news = func(n int) {
		mu.Lock()
		defer mu.Unlock()
		rejected = n
		enough()
	}
	s.log.mu.Unlock()
	run, err := s.client.Run(ctx, r, func(p client.Progress) {
		mu.Lock()
		defer mu.Unlock()
		heard = p.Done
		enough()
	})
	if err != nil && !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	told := map[string]string{}
	for _, o := range run.Outcomes {
		told[o.Name] = string(o.State)
	}
	tally, wrong := s.world.Compare(run.JobID, told, run.Rejected)
	for _, d := range wrong[:min(len(wrong), 5)] { // one is enough to fail, and thousands are not read
		t.Errorf("%s: %s, and the client says %s", d.Host, d.Did, d.Told)
	}
	if len(wrong) > 0 {
		t.Errorf("%d differences; the run took %s", len(wrong), run.Took)
	}
	s.world.Forget(run.JobID)
	return run, tally
}

func ask(plugin, action string, args map[string]any) client.Request {
	return client.Request{Plugin: plugin, Action: action, Args: args, Timeout: 2 * time.Minute}
}

// Every host is in one state, and it is the one that the host knows of itself: liars, mute ones, those that go, slow ones.
func TestTheClientsAccountIsWhatHostsDid(t *testing.T) {
	const hosts = 200
	s := newStage(t, hosts, sim.Rates{Lying: 0.05, Failing: 0.06, Lagging: 0.1, Lag: 20 * time.Millisecond})
	want := sim.Tally{Answered: 178, Silent: 12, Rejected: 10}
	for round, r := range []client.Request{
		ask("rpcutil", "ping", nil),
		ask("service", "status", map[string]any{"service": "nginx"}),
		ask("service", "restart", map[string]any{"service": "nginx"}), // nothing restarts: no plugin is behind it
	} {
		if r.Plugin == "service" {
			r.Targets = s.targets() // the real node has no such plugin
		}
		answers := want.Answered
		if r.Targets == nil {
			answers++ // the broker's node answers too
		}
		run, got := s.round(t, r, answers, want.Rejected)
		if got != want || run.Rejected != want.Rejected || len(run.Outcomes) != run.Expected || run.NoMatch != 0 {
			t.Errorf("round %d: %+v, want %+v; %d outcomes of %d, %d rejected", round, got, want, len(run.Outcomes), run.Expected, run.Rejected)
		}
		s.settle(t, hosts)
	}
}

func (s *stage) targets() []client.Target {
	var all []client.Target
	for id, name := range s.world.Members() {
		all = append(all, client.Target{Node: id, Name: name})
	}
	return all
}

// A difference between what hosts did and what is told of them is found.
func TestCompareFindsDifferences(t *testing.T) {
	s := newStage(t, 3, sim.Rates{Failing: 1. / 3})
	run, tally := s.round(t, ask("rpcutil", "ping", nil), 3, 0)
	if tally != (sim.Tally{Answered: 2, Silent: 1}) {
		t.Errorf("%+v", tally)
	}
	if _, wrong := s.world.Compare(run.JobID, nil, 1); len(wrong) != 4 { // nothing is told of any, and a lie that nobody told
		t.Errorf("%+v", wrong)
	}
}

func TestRates(t *testing.T) {
	for _, r := range []sim.Rates{
		{Lying: -0.1}, {Failing: 1.1}, {Lying: 0.6, Failing: 0.6}, {Lagging: 0.1}, {Lagging: 0.1, Lag: time.Hour}, {Lag: -1},
	} {
		if r.Check() == nil {
			t.Errorf("%+v is accepted", r)
		}
	}
	if err := (sim.Rates{Lying: 0.2, Failing: 0.3, Lagging: 0.5, Lag: time.Second}).Check(); err != nil {
		t.Error(err)
	}
}

func BenchmarkPing(b *testing.B) {
	for _, n := range []int{1000, 5000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := newStage(b, n, sim.Rates{})
			for b.Loop() {
				run, err := s.client.Run(b.Context(), ask("rpcutil", "ping", nil), nil)
				if err != nil || len(run.Outcomes) != n+1 || run.Outcomes[n].State != job.OK {
					b.Fatalf("%d outcomes, %v", len(run.Outcomes), err)
				}
				s.world.Forget(run.JobID)
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/float64(n), "us/host")
		})
	}
}
