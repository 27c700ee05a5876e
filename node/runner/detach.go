package runner

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
	"fleet/plugins/plugin"
)

// runDetached runs a change in a process of its own, and answers when it has ended. One that cannot be begun is refused.
func (r *Runner) runDetached(a *answer, limit time.Duration, pluginName string, call plugin.Call) {
	j := a.decision.Job
	err := r.config.Detached.Begin(r.acting, j.ID, a.signed, detached.Call{
		Plugin: pluginName, Action: call.Action, Args: call.Args, Limit: limit,
		Signer: a.decision.Signer.Name, Key: j.Signer.Bytes(), Came: a.start.UnixMilli(),
	})
	if err != nil {
		message := fmt.Sprintf("%v; nothing was changed", err)
		r.writeOutcome(a, job.Reply{State: job.Denied, Message: message})
		a.refuse(job.ReasonJournal, message)
		return
	}
	r.await(a, limit, 0)
}

// await waits for a detached action and answers, or leaves that to the next agent where the runner stops before. It tells the action
// to stop when somebody cancels it. What it had printed before the offset told was said by an earlier agent.
func (r *Runner) await(a *answer, limit time.Duration, told int64) {
	id := a.decision.Job.ID
	cancelled := r.running.begin(context.Background(), id)
	ctx, done := context.WithCancel(r.awaiting)
	defer done()
	context.AfterFunc(cancelled, func() {
		if errors.Is(context.Cause(cancelled), errCancelled) {
			if err := r.config.Detached.Stop(ctx, id); err != nil {
				a.log.Error("the action was not told to stop", logkey.Error, err)
			}
		}
	})
	printed := r.printed(id, told)
	stop := whileRunning(func() { a.acceptedWith(printed()) })
	end, err := r.config.Detached.Wait(ctx, id)
	stop()
	if lines := printed(); lines != "" {
		a.acceptedWith(lines)
	}
	switch {
	case err != nil && ctx.Err() != nil:
		r.running.end(id)
		return
	case errors.Is(err, detached.ErrCutOff):
		end.CutOff, end.Message = true, err.Error()
	case err != nil:
		end.Result = plugin.Failf("%v", err)
	}
	r.finish(a, limit, end)
	r.config.Detached.End(id)
}

// printed returns what an action has printed since the last call, from next on. Of more than can be said at once it is the end.
func (r *Runner) printed(id string, next int64) func() string {
	return func() string {
		o, known, err := r.config.Outputs.Output(id, next, maxLines)
		if err == nil && known && o.Size-next > maxLines {
			o, known, err = r.config.Outputs.Output(id, o.Size-maxLines, maxLines)
		}
		if err != nil || !known {
			return ""
		}
		lines := o.Text[:strings.LastIndexByte(o.Text, '\n')+1] // the rest of the last one is told with its end
		next = o.Next - int64(len(o.Text)-len(lines))
		return plugin.Readable(lines)
	}
}

// Resume takes up the detached actions that an earlier agent of this host began. It does not block; call it before jobs can come, so
// that a copy of one is told that it runs.
func (r *Runner) Resume(left []detached.Left) {
	for _, l := range left {
		a, err := r.answerToLeft(l)
		if err != nil {
			r.config.Log.Error("cannot resume an earlier action", logkey.Job, l.ID, logkey.Error, err)
			continue
		}
		r.config.Journal.Resume(l.ID)
		told, _, _ := r.config.Outputs.Output(l.ID, math.MaxInt64, 0)
		leave := func() {}
		if r.config.Resumed != nil {
			leave = r.config.Resumed(a.decision.Signer.Key.ID())
		}
		r.workers.Go(func() { defer leave(); r.await(a, l.Call.Limit, told.Size) })
	}
}

// answerToLeft is how the signer of such a job is answered. The gate let it pass when it came; that is not asked again.
func (r *Runner) answerToLeft(l detached.Left) (*answer, error) {
	u, err := job.Decode(l.Signed)
	if err != nil {
		return nil, err
	}
	key, err := identity.PublicKeyOf[identity.Admin](l.Call.Key)
	if err != nil {
		return nil, err
	}
	j, err := u.Verify(key)
	if err != nil {
		return nil, err
	}
	d := gate.Decision{Job: j, Hash: u.Hash(), Signer: identity.AdminEntry{Name: l.Call.Signer, Key: key}, Change: true}
	d.Claim.First, d.Claimed = true, true
	a := r.answerTo(d, l.Signed, time.UnixMilli(l.Call.Came))
	a.log.Info("job is resumed")
	return a, nil
}
