package node

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"fleet/identity"
	"fleet/internal/logkey"
	"fleet/job"
	"fleet/node/detached"
	"fleet/node/gate"
	"fleet/plugins/jobs"
	"fleet/plugins/plugin"
)

// runDetached runs a change in a process of its own and waits for it. It reports false where there is nothing more to answer: it could not be
// begun, and that was said; or the node stops before the action has ended, and the next agent answers.
func (n *Node) runDetached(a *answer, limit time.Duration, pluginName string, call plugin.Call) (end detached.End, stays bool) {
	j := a.decision.Job
	err := n.config.Detached.Begin(n.acting, j.ID, a.signed, detached.Call{
		Plugin: pluginName, Action: call.Action, Args: call.Args, Limit: limit,
		Signer: a.decision.Signer.Name, Key: j.Signer.Bytes(), Came: a.start.UnixMilli(),
	})
	if err != nil {
		message := fmt.Sprintf("%v; nothing was changed", err)
		n.auditOutcome(a, job.Reply{State: job.Denied, Message: message})
		n.refuse(a, job.ReasonJournal, message)
		return detached.End{}, false
	}
	return n.await(a, 0)
}

// await waits for an action that runs detached, and tells it to stop when somebody cancels it.
// What it has printed before the offset told was said by an earlier agent.
func (n *Node) await(a *answer, told int64) (end detached.End, stays bool) {
	id := a.decision.Job.ID
	cancelled := n.runs.begin(context.Background(), id)
	ctx, done := context.WithCancel(n.staying)
	defer done()
	printed := n.printed(id, told)
	defer a.whileRunning(printed)()
	context.AfterFunc(cancelled, func() {
		if errors.Is(context.Cause(cancelled), errCancelled) {
			if err := n.config.Detached.Stop(ctx, id); err != nil {
				a.log.Error("the action was not told to stop", logkey.Error, err)
			}
		}
	})
	end, err := n.config.Detached.Wait(ctx, id)
	if lines := printed(); lines != "" {
		a.acceptedWith(lines)
	}
	switch {
	case err != nil && ctx.Err() != nil:
		n.runs.end(id)
		return end, false
	case errors.Is(err, detached.ErrCutOff):
		end.CutOff, end.Message = true, err.Error()
	case err != nil:
		end.Result = plugin.Failf("%v", err)
	}
	return end, true
}

// printed returns what an action has printed since the last call, from next on. Of more than can be said at once it is the end.
func (n *Node) printed(id string, next int64) func() string {
	return func() string {
		o, known, err := n.config.Detached.Output(id, next, maxLines)
		if err == nil && known && o.Size-next > maxLines {
			o, known, err = n.config.Detached.Output(id, o.Size-maxLines, maxLines)
		}
		if err != nil || !known {
			return ""
		}
		lines := o.Text[:strings.LastIndexByte(o.Text, '\n')+1] // the rest of the last one is told with its end
		next = o.Next - int64(len(o.Text)-len(lines))
		return plugin.Readable(lines)
	}
}

// Output is what an action printed, for who asks later.
func (h host) Output(id string, offset int64, limit int) (jobs.Output, bool, error) {
	if h.n.config.Detached == nil {
		return jobs.Output{}, false, nil
	}
	o, known, err := h.n.config.Detached.Output(id, offset, limit)
	return jobs.Output{Text: plugin.Readable(o.Text), Next: o.Next, Size: o.Size, Running: h.n.runs.has(id)}, known, err
}

// resume takes up what an earlier agent of this host began. It does not block; call it before jobs can come, so that a copy of one is
// told that it runs.
func (n *Node) resume() {
	if n.config.Detached == nil {
		return
	}
	for _, left := range n.config.Detached.Left() {
		a, limit, err := n.answerTo(left)
		if err != nil {
			n.log.Error("an action of before is not taken up", logkey.Job, left.ID, logkey.Error, err)
			continue
		}
		n.journal.Resume(left.ID)
		told, _, _ := n.config.Detached.Output(left.ID, math.MaxInt64, 0)
		n.working.Go(func() {
			if end, stays := n.await(a, told.Size); stays {
				n.finish(a, limit, end)
				n.config.Detached.End(left.ID)
			}
		})
	}
}

// answerTo is how the signer of such a job is answered. The gate let it pass when it came; that is not asked again.
func (n *Node) answerTo(left detached.Left) (*answer, time.Duration, error) {
	u, err := job.Decode(left.Signed)
	if err != nil {
		return nil, 0, err
	}
	key, err := identity.PublicKeyOf[identity.Admin](left.Call.Key)
	if err != nil {
		return nil, 0, err
	}
	j, err := u.Verify(key)
	if err != nil {
		return nil, 0, err
	}
	d := gate.Decision{Job: j, Hash: u.Hash(), Signer: identity.AdminEntry{Name: left.Call.Signer, Key: key}, Change: true}
	d.Claim.First = true
	log := n.log.With(logkey.Job, j.ID, logkey.Signer, d.Signer.Name, logkey.Plugin, j.Plugin, logkey.Action, j.Action)
	log.Info("job is taken up again")
	return &answer{n: n, decision: d, signed: left.Signed, start: time.UnixMilli(left.Call.Came), log: log}, left.Call.Limit, nil
}
