package client

import (
	"cmp"
	"context"
	"slices"
	"time"

	"fleet/identity"
	"fleet/internal/wait"
	"fleet/job"
	"fleet/rollout"
)

// Send sends a change to one batch of its targets and gathers the ends: Client.Run, or what stands for it. It is called from several
// goroutines.
type Send func(ctx context.Context, r Request, progress func(Progress)) (Run, error)

// Rollout sends a change to the batches of a plan as package rollout decides, and adds what comes of it to known, which is what is known
// so far (OfPlan). answers are what the plan was built from. progress is told of all batches together, and may be nil. It blocks until every
// batch has ended; where ctx ends, a batch could not be sent, or hosts say that the change was cancelled, until those under way have. Then
// it returns what is known together with the error, and names in NotStarted whom nothing was sent to.
func Rollout(ctx context.Context, plan rollout.Plan, answers Plan, r Request, known Results, send Send, progress func(Progress)) (Results, error) {
	r.Fleet, r.pile = known.Expected, newPile()
	if progress == nil {
		progress = func(Progress) {}
	}
	d := driver{
		plan: plan, at: byNode(answers.Targets), portions: portionsOf(plan, r.Plan.ID), request: r, send: send, progress: progress,
		state: plan.Begin(), events: make(chan event), done: make([]int, len(plan.Batches)), runs: make([]Run, len(plan.Batches)), sent: make([]bool, len(plan.Batches)),
	}
	err := d.drive(ctx)
	for batch, run := range d.runs {
		if !d.sent[batch] {
			continue
		}
		run.NoMatch, run.Took = 0, 0 // a host that is no target is not one that does not match
		known.Add(run)
	}
	known.Took += d.took
	for _, t := range d.state.NotStarted() {
		known.NotStarted = append(known.NotStarted, t.Name)
	}
	if len(d.portions) > 1 {
		known.Plan = d.portions[0].ID
	}
	return known, err
}

// cancelledBy is how many hosts have to say that a change was cancelled until nothing more of it is sent: one alone may lie.
const cancelledBy = 3

// driver is a rollout under way. One goroutine owns it; the batches under way have one each, which only report events.
type driver struct {
	plan     rollout.Plan
	at       map[identity.ID]Target
	portions []job.Plan
	request  Request
	send     Send
	progress func(Progress)

	state     *rollout.State
	events    chan event
	done      []int // hosts that have ended, by batch
	runs      []Run // by batch
	sent      []bool
	cancelled int // hosts that said so
	under     int // batches
	began     time.Time
	longest   time.Duration // until the batches ended that are or were under way together
	took      time.Duration // of all, without pauses
}

// event is what became of a batch: some progress, or its end.
type event struct {
	batch    int
	progress Progress
	ended    bool
	run      Run
	err      error
	after    time.Duration // when it was sent, since the first of those under way was
}

func (d *driver) drive(ctx context.Context) (failed error) {
	for {
		if err := ctx.Err(); err != nil && failed == nil {
			failed = err
			d.state.Interrupted()
		}
		switch step := d.state.Next(); step.Do {
		case rollout.End:
			return failed
		case rollout.Sleep:
			if wait.For(ctx, step.Pause) == nil {
				d.state.Slept()
			}
		case rollout.Send:
			if d.under == 0 {
				d.began = time.Now()
			}
			d.under++
			d.state.Sending()
			go d.run(ctx, step, time.Since(d.began))
		case rollout.Wait:
			e := <-d.events
			if !e.ended {
				d.note(e)
				continue
			}
			d.end(e)
			if failed == nil {
				failed = e.err
			}
		}
	}
}

// run sends one batch and reports what becomes of it.
func (d *driver) run(ctx context.Context, step rollout.Step, after time.Duration) {
	r := d.request
	r.Targets, r.Plan = pick(d.at, step.Targets), d.portions[step.Batch]
	run, err := d.send(ctx, r, func(p Progress) { d.events <- event{batch: step.Batch, progress: p} })
	d.events <- event{batch: step.Batch, ended: true, run: run, err: err, after: after}
}

// note takes in how far a batch is.
func (d *driver) note(e event) {
	p := e.progress
	d.done[e.batch] = p.Done
	d.state.Owing(e.batch, max(0, len(d.plan.Batches[e.batch])-p.Done))
	if p.Last != nil && p.Last.Reason == job.ReasonCancelled {
		if d.cancelled++; d.cancelled == min(cancelledBy, len(d.plan.Targets)) {
			d.state.Interrupted()
		}
	}
	p.Done, p.Total = 0, len(d.plan.Targets)
	for _, n := range d.done {
		p.Done += n
	}
	d.progress(p)
}

// end takes in how a batch ended.
func (d *driver) end(e event) {
	d.runs[e.batch], d.sent[e.batch] = e.run, e.run.JobID != "" || e.err == nil
	if e.err == nil {
		d.state.Ended(e.batch)
	} else {
		d.state.Failed(e.batch, d.sent[e.batch])
	}
	d.longest = max(d.longest, e.after+e.run.Took)
	if d.under--; d.under == 0 {
		d.took, d.longest = d.took+d.longest, 0
	}
}

// portionsOf says for each batch of a plan, in the job that it is sent with, which portion of what it is. A plan of one batch needs
// no such words: the job is all of it. id is the plan's; "": a new one.
func portionsOf(plan rollout.Plan, id string) []job.Plan {
	portions := make([]job.Plan, len(plan.Batches))
	if len(portions) < 2 {
		return portions
	}
	ids := make([]identity.ID, len(plan.Targets))
	for i, t := range plan.Targets {
		ids[i] = t.Node
	}
	whole := job.Plan{ID: cmp.Or(id, job.NewID(time.Now())), Hash: job.HashOfPlan(ids), Total: uint32(len(ids)), Parts: uint32(len(portions))}
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
	all, err := Rollout(ctx, rollout.Build(rollout.Spec{}, p.Matched()), p, r, known, conn.Run, nil)
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
