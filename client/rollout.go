package client

import (
	"context"
	"slices"
	"time"

	"fleet/identity"
	"fleet/internal/wait"
	"fleet/job"
	"fleet/rollout"
)

// Send sends a change to one batch of its targets and gathers the ends, as Client.Run does; batch counts from 0.
type Send func(ctx context.Context, r Request, batch int) (Run, error)

// Rollout sends a change to the batches of a plan, one after another, as package rollout decides, and adds what comes of it
// to known, which is what is known so far (OfPlan). answers are what the plan was built from. It blocks until every batch has
// ended, ctx ends, or a batch could not be sent; then it returns what is known together with the error, and names in
// NotStarted whom nothing was sent to.
func Rollout(ctx context.Context, plan rollout.Plan, answers Plan, r Request, known Results, send Send) (Results, error) {
	r.Fleet = known.Expected
	at, portions, s := byNode(answers.Targets), portionsOf(plan), plan.Begin()
	var failed error
	for {
		step := s.Next()
		if step.Do == rollout.End {
			for _, t := range s.NotStarted() {
				known.NotStarted = append(known.NotStarted, t.Name)
			}
			return known, failed
		}
		if failed = ctx.Err(); failed != nil {
			s.Interrupted()
			continue
		}
		if step.Do == rollout.Sleep {
			if failed = wait.For(ctx, step.Pause); failed != nil {
				s.Interrupted()
			} else {
				s.Slept()
			}
			continue
		}
		r.Targets, r.Plan = pick(at, step.Targets), portions[step.Batch]
		var run Run
		run, failed = send(ctx, r, step.Batch)
		sent := run.JobID != "" || failed == nil
		if sent {
			run.NoMatch = 0 // a host that is no target is not one that does not match
			known.Add(run)
		}
		if failed != nil {
			s.Failed(sent)
		} else {
			s.Ended()
		}
	}
}

// portionsOf says for each batch of a plan, in the job that it is sent with, which portion of what it is. A plan of one batch needs
// no such words: the job is all of it.
func portionsOf(plan rollout.Plan) []job.Plan {
	portions := make([]job.Plan, len(plan.Batches))
	if len(portions) < 2 {
		return portions
	}
	ids := make([]identity.ID, len(plan.Targets))
	for i, t := range plan.Targets {
		ids[i] = t.Node
	}
	whole := job.Plan{ID: job.NewID(time.Now()), Hash: job.HashOfPlan(ids), Total: uint32(len(ids)), Parts: uint32(len(portions))}
	for i, batch := range plan.Batches {
		portions[i] = whole
		whole.Part++
		whole.Position += uint32(len(batch))
	}
	return portions
}

// Matched are the plan's targets as package rollout wants them.
func (p Plan) Matched() []rollout.Target {
	list := make([]rollout.Target, len(p.Targets))
	for i, t := range p.Targets {
		list[i] = rollout.Target{Node: t.Node, Name: t.Name}
	}
	return list
}

// Conn is what a change of the whole fleet needs of a connection; Client is one.
type Conn interface {
	Plan(ctx context.Context, r Request, progress func(Progress)) (Plan, error)
	Run(ctx context.Context, r Request, progress func(Progress)) (Run, error)
}

// Everywhere runs a change on every host that is there, by name, as all changes are. Hosts that did not answer are among
// the outcomes, but for those that expected says are not missed; nil misses all. It blocks as Rollout does; an interrupt
// returns what was sent so far without an error.
func Everywhere(ctx context.Context, conn Conn, r Request, expected func(Outcome) bool) (Results, error) {
	p, err := conn.Plan(ctx, r, nil)
	if err != nil {
		return Results{}, err
	}
	if expected != nil {
		p.Silent = slices.DeleteFunc(p.Silent, func(o Outcome) bool { return !expected(o) })
	}
	known := OfPlan(p)
	known.NoMatch = 0
	all, err := Rollout(ctx, rollout.Build(rollout.Spec{}, p.Matched()), p, r, known, func(ctx context.Context, r Request, _ int) (Run, error) {
		return conn.Run(ctx, r, nil)
	})
	if ctx.Err() != nil {
		err = nil
	}
	all.Expected = len(all.Outcomes) + len(all.NotStarted)
	return all, err
}

// Pick returns those of the plan's targets that were chosen, with their sealing keys, in the order of chosen.
func (p Plan) Pick(chosen []rollout.Target) []Target { return pick(byNode(p.Targets), chosen) }

func byNode(matched []Target) map[identity.ID]Target {
	at := make(map[identity.ID]Target, len(matched))
	for _, t := range matched {
		at[t.Node] = t
	}
	return at
}

func pick(at map[identity.ID]Target, chosen []rollout.Target) []Target {
	list := make([]Target, len(chosen))
	for i, t := range chosen {
		list[i] = at[t.Node]
	}
	return list
}
