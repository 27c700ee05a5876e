package node

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"fleet/internal/logkey"
	"fleet/job"
	"fleet/node/detached"
	"fleet/node/gate"
	"fleet/plugins/plugin"
)

const (
	// maxAtOnce bounds jobs that are judged or run at one time. More are dropped unseen: whoever sent them sends again.
	maxAtOnce = 64
	// filterTime bounds how long a filter may ask its data functions.
	filterTime = 10 * time.Second
	// slowRead is when a read that still runs says that it was accepted. A quicker one has its end as its only reply.
	slowRead = time.Second
)

// tooMany is counted for messages beyond maxAtOnce.
const tooMany = "too many at once"

// listen subscribes to jobs.
func (n *Node) listen(nc *nats.Conn) error {
	for _, subject := range []string{job.AllSubject, job.NodeSubject(n.self.Load().ID)} {
		s, err := nc.Subscribe(subject, func(m *nats.Msg) { n.receive(m.Data) })
		if err != nil {
			return err
		}
		n.jobs = append(n.jobs, s)
	}
	return nil
}

// receive takes one message off the connection. It never blocks it.
func (n *Node) receive(signed []byte) {
	select {
	case n.slots <- struct{}{}:
	default:
		n.stats.overrun.Add(1)
		n.counts.add(droppedMessages, tooMany)
		n.log.Warn("job dropped, too many at once", "limit", maxAtOnce)
		return
	}
	free := func() { <-n.slots }
	if !n.working.Go(func() { defer free(); n.handle(signed) }) {
		free()
	}
}

// handle judges a job, runs it if it may, and answers its signer.
func (n *Node) handle(signed []byte) {
	start := time.Now()
	ctx, cancel := context.WithTimeout(n.acting, filterTime)
	d := n.gate.Judge(ctx, signed)
	cancel()
	if d.Verdict == gate.Drop {
		n.stats.dropped.Add(1)
		n.counts.add(droppedMessages, string(d.Dropped))
		n.log.Warn("job dropped", "error", d.Err)
		return
	}
	log := n.log.With(logkey.Job, d.Job.ID, logkey.Signer, d.Signer.Name, logkey.Plugin, d.Job.Plugin, logkey.Action, d.Job.Action)
	a := answer{n: n, decision: d, signed: signed, start: start, log: log}
	switch d.Verdict {
	case gate.Refuse:
		n.refuse(&a, d.Reason, d.Message)
	case gate.NoMatch:
		n.stats.unmatched.Add(1)
		a.end(job.Reply{Kind: job.NoMatch})
	case gate.WouldRun:
		a.end(job.Reply{Kind: job.Result, State: job.OK})
	case gate.Seen:
		n.stats.repeated.Add(1)
		a.again()
	case gate.Pass:
		n.run(&a, d.Passed)
	}
}

func (n *Node) refuse(a *answer, reason job.Reason, message string) {
	n.stats.refused.Add(1)
	a.log.Warn("job refused", "reason", reason, "message", message)
	a.end(job.Reply{Kind: job.Refused, State: job.Denied, Reason: reason, Message: message})
}

// run runs a job that passed the gate and answers with its result.
func (n *Node) run(a *answer, passed gate.Passed) {
	name, call := passed.Call()
	p, _ := n.plugins.Get(name)
	declaration := p.Declaration()
	action, _ := declaration.Action(call.Action)
	limit := declaration.Limit(action)
	if action.Kind == plugin.Change {
		a.log.Info("job runs", "args", a.decision.Shown)
		n.noteStart(a)
		a.accepted()
	} else {
		slow := time.AfterFunc(slowRead, a.accepted)
		defer slow.Stop()
	}
	if !action.Detached || n.config.Detached == nil {
		defer a.whileRunning(func() string { return "" })()
		n.finish(a, limit, n.runHere(a.decision.Job.ID, p, call, limit))
	} else if end, stays := n.runDetached(a, limit, name, call); stays {
		n.finish(a, limit, end)
		n.config.Detached.End(a.decision.Job.ID)
	}
}

// runHere runs an action in this process.
func (n *Node) runHere(id string, p plugin.Plugin, call plugin.Call, limit time.Duration) detached.End {
	ctx, cancel := context.WithTimeout(n.runs.begin(n.acting, id), limit)
	defer cancel()
	result := plugin.Safely(ctx, p, call)
	return detached.End{Result: result, TimedOut: errors.Is(ctx.Err(), context.DeadlineExceeded), Stopped: errors.Is(context.Cause(ctx), errCancelled)}
}

// finish answers with how an action ended.
func (n *Node) finish(a *answer, limit time.Duration, end detached.End) {
	n.stats.ran.Add(1)
	reply := replyOf(end.Result)
	switch failed := end.State == plugin.Failed; {
	case end.CutOff:
		reply.State, reply.Message = job.Lost, end.Message
	case failed && end.TimedOut:
		reply.State = job.TimedOut
		reply.Message = fmt.Sprintf("took longer than %s: %s", limit, reply.Message)
	case failed && end.Stopped:
		reply.Message = "told to stop: " + reply.Message
	}
	if a.decision.Change {
		a.log.Info("job ended", "state", reply.State, "message", reply.Message, "took", time.Since(a.start))
	}
	n.auditOutcome(a, reply)
	a.end(reply)
}

// stats count what happened to jobs since the node started.
type stats struct {
	ran, refused, dropped, unmatched, repeated, overrun atomic.Int64
}

func (s *stats) read() map[string]int64 {
	return map[string]int64{
		"jobs_ran": s.ran.Load(), "jobs_refused": s.refused.Load(), "jobs_dropped": s.dropped.Load(),
		"jobs_unmatched": s.unmatched.Load(), "jobs_repeated": s.repeated.Load(), "jobs_overrun": s.overrun.Load(),
	}
}
