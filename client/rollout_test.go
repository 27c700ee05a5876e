package client_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
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
	_, err := client.Rollout(t.Context(), rollout.Build(rollout.Spec{}, answers.Matched()), answers, client.Request{}, client.OfPlan(answers), func(_ context.Context, r client.Request, _ int) (client.Run, error) {
		if !r.Plan.IsZero() || len(r.Targets) != 5 {
			t.Errorf("%+v", r)
		}
		return client.Run{JobID: "job"}, nil
	})
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
				got, err := client.Rollout(ctx, plan, answers, client.Request{Plugin: "service"}, client.OfPlan(answers), func(_ context.Context, r client.Request, batch int) (client.Run, error) {
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
				})
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
