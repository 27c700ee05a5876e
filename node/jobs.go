package node

import (
	"context"
	"errors"
	"sync"
	"time"

	"fleet/internal/logkey"
	"fleet/job"
	"fleet/node/journal"
	"fleet/plugins/jobs"
)

// The states of a job, beside those that it can end in.
const (
	stateRunning   = "running"
	stateCancelled = "cancelled"
)

// errCancelled is the cause where an action's context ends because an admin cancelled the job.
var errCancelled = errors.New("cancelled")

// runs knows the jobs that are judged or run at this moment, so that they can be stopped.
type runs struct {
	mu   sync.Mutex
	stop map[string]context.CancelCauseFunc // nil: it is to stop before it has begun
}

// begin returns the context to run a job under. End it with end.
func (r *runs) begin(ctx context.Context, id string) context.Context {
	ctx, stop := context.WithCancelCause(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, cancelled := r.stop[id]; cancelled {
		stop(errCancelled)
	}
	if r.stop == nil {
		r.stop = map[string]context.CancelCauseFunc{}
	}
	r.stop[id] = stop
	return ctx
}

func (r *runs) end(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if stop := r.stop[id]; stop != nil {
		stop(nil)
	}
	delete(r.stop, id)
}

// cancel stops a job that runs, and reports whether one does.
func (r *runs) cancel(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	stop := r.stop[id]
	if stop != nil {
		stop(errCancelled)
	}
	return stop != nil
}

// cancelEarly stops a job that is claimed as soon as it begins.
func (r *runs) cancelEarly(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if stop := r.stop[id]; stop != nil {
		stop(errCancelled)
		return
	}
	if r.stop == nil {
		r.stop = map[string]context.CancelCauseFunc{}
	}
	r.stop[id] = nil
}

// noteStart keeps what a change is, for those who ask later.
func (n *Node) noteStart(a *answer) {
	j := a.decision.Job
	e := journal.Entry{
		Signer: a.decision.Signer.Name, Plugin: j.Plugin, Action: j.Action, Args: a.decision.Shown, Came: a.start.UTC(),
	}
	for _, t := range j.Targets {
		e.Targets = append(e.Targets, string(t))
	}
	if err := n.journal.Start(j.ID, e); err != nil {
		n.counts.add(journalErrors, "")
		a.log.Error("what this job is will not be known to those who ask for it later", logkey.Error, err)
	}
}

// Jobs tells which changes came here.
func (h host) Jobs(limit int) ([]jobs.Job, error) {
	list, err := h.n.journal.Changes(limit)
	out := make([]jobs.Job, len(list))
	for i, k := range list {
		out[i] = jobOf(k)
		out[i].Targets = nil
	}
	return out, err
}

// Job tells of one job: of a change by the journal, of a read as long as its answer is in memory.
func (h host) Job(id string) (j jobs.Job, known bool, err error) {
	k, found, err := h.n.journal.Change(id)
	if err != nil {
		return j, false, err
	}
	if !found {
		k = journal.Known{ID: id, Running: h.n.runs.has(id), Result: h.n.recent.get(id)}
		if !k.Running && k.Result == nil {
			return j, false, nil
		}
	}
	j = jobOf(k)
	if k.Result == nil {
		return j, true, nil
	}
	r, err := job.OwnReply(k.Result)
	if err != nil || r.Kind == job.NoMatch {
		return j, false, err
	}
	j.State, j.Kept, j.Message, j.Data = string(r.State), true, r.Message, r.Data
	if j.Ended.IsZero() {
		j.Ended = r.SentAt()
	}
	return j, true, nil
}

// jobOf is what the journal alone tells.
func jobOf(k journal.Known) jobs.Job {
	j := jobs.Job{
		ID: k.ID, Signer: k.Signer, Plugin: k.Plugin, Action: k.Action, Args: k.Args, Targets: k.Targets, Came: k.Came, Ended: k.Ended, State: k.State,
	}
	switch {
	case k.Cancelled:
		j.State = stateCancelled
	case k.Running:
		j.State = stateRunning
	case k.State == "":
		j.State = string(job.Lost)
	}
	return j
}

// Cancel stops a job that runs, or sees to it that one that has not come never runs.
func (h host) Cancel(id string) (jobs.Stop, jobs.Job, error) {
	n, now := h.n, time.Now()
	if n.runs.cancel(id) {
		return jobs.Told, jobs.Job{}, nil
	}
	barred, err := n.journal.Cancel(id, now.Add(job.MaxLife+job.MaxSkew), now)
	if barred || err != nil {
		return jobs.Barred, jobs.Job{}, err
	}
	k, _, err := n.journal.Change(id)
	if err == nil && k.Running { // it is being judged
		n.runs.cancelEarly(id)
		return jobs.Told, jobs.Job{}, nil
	}
	return jobs.Ended, jobOf(k), err
}

func (r *runs) has(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stop[id] != nil
}
