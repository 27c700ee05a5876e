package runner

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"fleet/internal/logkey"
	"fleet/job"
	"fleet/node/audit"
	"fleet/node/detached"
	"fleet/node/gate"
	"fleet/node/journal"
	"fleet/plugins/plugin"
)

// run runs a job that passed the gate and answers with its result.
func (r *Runner) run(a *answer, passed gate.Passed) {
	name, call := passed.Call()
	p, _ := r.config.Plugins.Get(name)
	declaration := p.Declaration()
	action, _ := declaration.Action(call.Action)
	limit := declaration.Limit(action)
	if action.Kind == plugin.Change {
		a.log.Info("job runs", logkey.Args, a.decision.Shown, logkey.JobReason, a.decision.Job.Reason)
		r.noteStart(a)
		a.accepted()
	} else {
		slow := time.AfterFunc(slowRead, a.accepted)
		defer slow.Stop()
	}
	if action.Detached && r.config.Detached != nil {
		r.runDetached(a, limit, name, call)
		return
	}
	defer whileRunning(a.accepted)()
	r.finish(a, limit, r.runHere(a.decision.Job.ID, p, call, limit))
}

// noteStart keeps what a change is, for those who ask later.
func (r *Runner) noteStart(a *answer) {
	j := a.decision.Job
	e := journal.Entry{
		Signer: a.decision.Signer.Name, Reason: j.Reason, Plugin: j.Plugin, Action: j.Action, Args: a.decision.Shown, Came: a.start.UTC(),
		Targets: journal.Nearest(j.Targets, r.config.Node), Total: j.Hosts(),
		Plan: j.Plan.ID, Part: int(j.Plan.Part), Parts: int(j.Plan.Parts),
	}
	if err := r.config.Journal.Start(j.ID, e); err != nil {
		r.counts.add(JournalErrors, "")
		a.log.Error("the journal does not say what this job is, so nobody can ask for it later", logkey.Error, err)
	}
}

// runHere runs an action in this process.
func (r *Runner) runHere(id string, p plugin.Plugin, call plugin.Call, limit time.Duration) detached.End {
	ctx, cancel := context.WithTimeout(r.running.begin(r.acting, id), limit)
	defer cancel()
	result := plugin.Safely(ctx, p, call)
	return detached.End{Result: result, TimedOut: errors.Is(ctx.Err(), context.DeadlineExceeded), Stopped: errors.Is(context.Cause(ctx), errCancelled)}
}

// finish answers with how an action ended.
func (r *Runner) finish(a *answer, limit time.Duration, end detached.End) {
	reply := replyOf(end.Result)
	switch failed := end.State == plugin.Failed; {
	case end.CutOff:
		reply.State, reply.Message = job.Lost, end.Message
	case failed && end.TimedOut:
		reply.State = job.TimedOut
		reply.Message = fmt.Sprintf("took longer than %s: %s", limit, reply.Message)
	case failed && end.Stopped:
		reply.Reason, reply.Message = job.ReasonCancelled, "told to stop: "+reply.Message
	}
	if a.decision.Change {
		a.log.Info("job ended", logkey.State, reply.State, logkey.Message, reply.Message, logkey.Took, time.Since(a.start))
	}
	r.writeOutcome(a, reply)
	a.end(reply)
}

// writeOutcome writes into the audit how an action ended. A change's decision is there already; a read's line is both.
func (r *Runner) writeOutcome(a *answer, reply job.Reply) {
	e := a.decision.Entry(audit.Ended)
	e.State, e.Message, e.TookUS = string(reply.State), reply.Message, time.Since(a.start).Microseconds()
	if a.decision.Change {
		e.Args, e.Why, e.By, e.Second = nil, "", "", ""
		r.config.Audit.AddDurable(e)
		return
	}
	e.Decision = audit.Run
	r.config.Audit.Add(e)
}

// whileRunning calls tell every few seconds until stop is called. When stop returns, tell is not running and will not be called.
func whileRunning(tell func()) (stop func()) {
	var mu sync.Mutex
	var tick *time.Timer // nil: stopped
	mu.Lock()
	defer mu.Unlock()
	tick = time.AfterFunc(stillRuns, func() {
		mu.Lock()
		defer mu.Unlock()
		if tick != nil {
			tell()
			tick.Reset(stillRuns)
		}
	})
	return func() {
		mu.Lock()
		defer mu.Unlock()
		if tick != nil {
			tick.Stop()
			tick = nil
		}
	}
}
