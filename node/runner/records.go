package runner

import (
	"time"

	"fleet/job"
	"fleet/node/journal"
	"fleet/plugins/answers"
	"fleet/plugins/jobs"
	"fleet/plugins/plugin"
)

// History is the journal as those need it who ask for jobs later.
type History interface {
	Change(id string) (k journal.Known, found bool, err error)
	Changes(limit int) ([]journal.Known, error)
	// Cancel sees to it that a change which has not come never runs; false where it is here already. Of a plan, it keeps what has not
	// come of it from running.
	Cancel(id string, now time.Time) (bool, error)
}

// Records tell of the jobs of this host, for the plugin jobs.
type Records struct {
	r       *Runner
	history History
}

// Records returns what can be told of this runner's jobs.
func (r *Runner) Records(h History) Records { return Records{r, h} }

// The states of a job, beside those that it can end in.
const (
	stateRunning   = "running"
	stateCancelled = "cancelled"
)

// Jobs tells which changes came here.
func (r Records) Jobs(limit int) ([]answers.Job, error) {
	list, err := r.history.Changes(limit)
	out := make([]answers.Job, len(list))
	for i, k := range list {
		out[i] = jobOf(k)
		out[i].Targets = nil
	}
	return out, err
}

// Job tells of one job: of a change by the journal, of a read as long as its answer is in memory.
func (r Records) Job(id string) (j answers.Job, known bool, err error) {
	k, found, err := r.history.Change(id)
	if err != nil {
		return j, false, err
	}
	if !found {
		k = journal.Known{ID: id, Running: r.r.running.has(id), Result: r.r.recent.get(id)}
		if !k.Running && k.Result == nil {
			return j, false, nil
		}
	}
	if j = jobOf(k); k.Result == nil {
		return j, true, nil
	}
	reply, err := job.KnownReply(k.Result)
	if err != nil || reply.Kind == job.NoMatch {
		return j, false, err
	}
	j.State, j.Kept, j.Message, j.Data = string(reply.State), true, reply.Message, reply.Data
	if j.Ended.IsZero() {
		j.Ended = answers.At(reply.SentAt())
	}
	return j, true, nil
}

// jobOf is what the journal alone tells.
func jobOf(k journal.Known) answers.Job {
	j := answers.Job{
		ID: k.ID, Plan: k.Plan, Part: int64(k.Part), Parts: int64(k.Parts), Signer: k.Signer, Reason: k.Reason, Plugin: k.Plugin, Action: k.Action, Args: k.Args, Targets: k.Targets, Total: int64(k.Total),
		Came: answers.At(k.Came), Ended: answers.At(k.Ended), State: k.State,
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

// Cancel stops a job that runs, or sees to it that one that has not come never runs. Of a plan it does both.
func (r Records) Cancel(id string) (jobs.Stop, answers.Job, error) {
	if r.r.running.cancel(id) {
		return jobs.Told, answers.Job{}, nil
	}
	barred, err := r.history.Cancel(id, time.Now())
	if err != nil {
		r.r.running.drop(id)
		return jobs.Barred, answers.Job{}, err
	}
	k, _, err := r.history.Change(id)
	if err == nil && k.ID != id { // a plan, of which a portion is here
		r.r.running.drop(id)
		return r.Cancel(k.ID)
	}
	if barred {
		r.r.running.drop(id)
		return jobs.Barred, answers.Job{}, err
	}
	if err == nil && k.Running { // it is being judged, and will end after this: that takes the entry out
		return jobs.Told, answers.Job{}, nil
	}
	r.r.running.drop(id)
	return jobs.Ended, jobOf(k), err
}

// Output is what an action printed, for who asks later.
func (r Records) Output(id string, offset int64, limit int) (answers.Output, bool, error) {
	if r.r.config.Outputs == nil {
		return answers.Output{}, false, nil
	}
	if k, found, err := r.history.Change(id); err == nil && found {
		id = k.ID // of a plan, its portion here
	}
	o, known, err := r.r.config.Outputs.Output(id, offset, limit)
	return answers.Output{Text: plugin.Readable(o.Text), Next: o.Next, Size: o.Size, Running: r.r.running.has(id)}, known, err
}
