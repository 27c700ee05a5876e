package client_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"fleet/client"
	"fleet/identity"
	"fleet/internal/bubble"
	"fleet/job"
	"fleet/job/filter"
	"fleet/rollout"
)

func answersOf(n int) client.Plan {
	p := client.Plan{Fleet: n + 1, Silent: []client.Outcome{{Node: "gone", Name: "gone", State: job.Silent}}}
	for i := range n {
		p.Targets = append(p.Targets, client.Target{Node: identity.ID(fmt.Sprint("node", i)), Name: fmt.Sprint("web", i), Seal: []byte{byte(i)}})
	}
	return p
}

func hashOf(p client.Plan) job.Hash {
	var ids []identity.ID
	for _, t := range p.Targets {
		ids = append(ids, t.Node)
	}
	return job.HashOfPlan(ids)
}

// What goes out in one job has no plan: the job alone says all.
func TestOneJobIsNoPlan(t *testing.T) {
	answers := answersOf(5)
	_, err := client.Rollout(t.Context(), rollout.Build(rollout.Spec{}, answers.Matched()), answers, client.Request{}, client.OfPlan(answers), func(_ context.Context, r client.Request, _ func(client.Progress)) (client.Run, error) {
		if !r.Plan.IsZero() || len(r.Targets) != 5 {
			t.Errorf("%+v", r)
		}
		return client.Run{JobID: "job"}, nil
	}, nil)
	if err != nil {
		t.Error(err)
	}
}

// Each batch is sent once and in order, with the pause between, to its targets with their keys; what becomes of all adds up,
// also when a batch fails on the way, never leaves, or the admin gives up in the pause.
func TestARolloutAddsUp(t *testing.T) {
	two, err := filter.ParseLimit("2")
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("no broker")
	for name, tt := range map[string]struct {
		failAt     int // batch; -1: none
		sent       bool
		cancelAt   int // after this batch; -1: never
		jobs       int
		notStarted []string
		err        error
	}{
		"all of it":        {failAt: -1, cancelAt: -1, jobs: 3},
		"fails on the way": {failAt: 1, sent: true, cancelAt: -1, jobs: 2, notStarted: []string{"web4"}, err: broken},
		"never leaves":     {failAt: 1, cancelAt: -1, jobs: 1, notStarted: []string{"web2", "web3", "web4"}, err: broken},
		"given up":         {failAt: -1, cancelAt: 0, jobs: 1, notStarted: []string{"web2", "web3", "web4"}, err: context.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				answers, began := answersOf(5), time.Now()
				plan := rollout.Build(rollout.Spec{Batch: two, Sleep: time.Hour}, answers.Matched())
				var order []string
				var whole job.Plan
				got, err := client.Rollout(ctx, plan, answers, client.Request{Plugin: "service"}, client.OfPlan(answers), func(_ context.Context, r client.Request, _ func(client.Progress)) (client.Run, error) {
					batch := int(r.Plan.Part)
					if at := time.Since(began); at != time.Duration(batch)*time.Hour || r.Fleet != 6 {
						t.Errorf("batch %d of a fleet of %d is sent after %s", batch, r.Fleet, at)
					}
					if batch == 0 {
						whole = r.Plan
					}
					want := job.Plan{ID: whole.ID, Hash: hashOf(answers), Total: 5, Part: uint32(batch), Parts: 3, Position: uint32(2 * batch)}
					if r.Plan != want || !job.ValidID(want.ID) {
						t.Errorf("batch %d is portion %+v, want %+v", batch, r.Plan, want)
					}
					run := client.Run{JobID: fmt.Sprint("job", batch), Expected: 6, NoMatch: 4}
					if batch == tt.failAt && !tt.sent {
						return client.Run{}, broken
					}
					for _, target := range r.Targets {
						if len(target.Seal) != 1 {
							t.Errorf("%s has lost its key", target.Name)
						}
						order = append(order, target.Name)
						run.Outcomes = append(run.Outcomes, client.Outcome{Node: target.Node, Name: target.Name, State: job.OK})
					}
					if batch == tt.cancelAt {
						cancel()
					}
					if batch == tt.failAt {
						return run, broken
					}
					return run, nil
				}, nil)
				if !errors.Is(err, tt.err) || len(got.Jobs) != tt.jobs || !slices.Equal(got.NotStarted, tt.notStarted) {
					t.Errorf("%d jobs, not started %v, %v", len(got.Jobs), got.NotStarted, err)
				}
				if whole := slices.Concat(order, got.NotStarted); !slices.Equal(whole, []string{"web0", "web1", "web2", "web3", "web4"}) {
					t.Errorf("sent to %v, not started %v", order, got.NotStarted)
				}
				if len(got.Outcomes) != 1+len(order) || got.NoMatch != 0 || got.Expected != 6 {
					t.Errorf("%+v", got)
				}
			})
		})
	}
}

// portions is a fleet that is sent a change in portions, and answers when the test says so.
type portions struct {
	mu   sync.Mutex
	sent []uint32
	more chan uint32 // which was sent
	end  map[uint32]chan struct{}
}

func (p *portions) send(hosts map[uint32]func(client.Target) client.Outcome) client.Send {
	return func(ctx context.Context, r client.Request, progress func(client.Progress)) (client.Run, error) {
		part := r.Plan.Part
		p.mu.Lock()
		p.sent = append(p.sent, part)
		end := p.end[part]
		p.mu.Unlock()
		run := client.Run{JobID: fmt.Sprint("job", part), Took: time.Second}
		for i, target := range r.Targets {
			o := client.Outcome{Node: target.Node, Name: target.Name, State: job.OK}
			if f := hosts[part]; f != nil {
				o = f(target)
			}
			if i+1 == len(r.Targets) && end != nil { // one slow host
				p.more <- part
				<-end
			}
			run.Outcomes = append(run.Outcomes, o)
			progress(client.Progress{Done: i + 1, Total: len(r.Targets), Last: &o})
		}
		return run, nil
	}
}

// A slow host of the first portions holds up none of the others, and all of them are one plan.
func TestPortionsDoNotWaitForTheSlowestHost(t *testing.T) {
	const parts = 20
	answers := answersOf(parts * job.MaxTargets)
	p := &portions{more: make(chan uint32), end: map[uint32]chan struct{}{0: make(chan struct{}), 1: make(chan struct{})}}
	var got client.Results
	var last client.Progress
	done := make(chan error, 1)
	go func() {
		var err error
		got, err = client.Rollout(t.Context(), rollout.Build(rollout.Spec{}, answers.Matched()), answers, client.Request{}, client.OfPlan(answers), p.send(nil), func(p client.Progress) { last = p })
		done <- err
	}()
	<-p.more
	<-p.more
	for sent := 0; sent < parts; { // all the others, while two hosts have not ended
		p.mu.Lock()
		sent = len(p.sent)
		p.mu.Unlock()
		time.Sleep(time.Millisecond)
	}
	close(p.end[0])
	close(p.end[1])
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if len(got.Jobs) != parts || got.Jobs[0] != "job0" || got.Jobs[parts-1] != fmt.Sprint("job", parts-1) || !job.ValidID(got.Plan) || got.ID() != got.Plan {
		t.Errorf("jobs %v of plan %q", got.Jobs, got.Plan)
	}
	if n := parts * job.MaxTargets; len(got.Outcomes) != n+1 || last.Done != n || last.Total != n {
		t.Errorf("%d outcomes, and at last %d of %d", len(got.Outcomes), last.Done, last.Total)
	}
}

// When hosts say that the change was cancelled nothing more of it is sent; what one host alone says stops nothing.
func TestACancelledPlanIsNotSentOn(t *testing.T) {
	for liars, want := range map[int]bool{1: false, 3: true} {
		answers := answersOf(6 * 10)
		ten, err := filter.ParseLimit("10")
		if err != nil {
			t.Fatal(err)
		}
		p, said := &portions{}, 0
		got, err := client.Rollout(t.Context(), rollout.Build(rollout.Spec{Batch: ten}, answers.Matched()), answers, client.Request{}, client.OfPlan(answers), p.send(map[uint32]func(client.Target) client.Outcome{
			2: func(target client.Target) client.Outcome {
				o := client.Outcome{Node: target.Node, Name: target.Name, State: job.OK}
				if said++; said <= liars {
					o.State, o.Reason = job.Denied, job.ReasonCancelled
				}
				return o
			},
		}), nil)
		if err != nil {
			t.Error(err)
		}
		if stopped := len(got.Jobs) == 3 && len(got.NotStarted) == 30; stopped != want || !stopped && len(got.Jobs) != 6 {
			t.Errorf("%d hosts say that it was cancelled: %d jobs, %d not started", liars, len(got.Jobs), len(got.NotStarted))
		}
	}
}
