package jobs

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"fleet/plugins/answers"
	"fleet/plugins/plugin"
)

// Stop is what cancelling a job did.
type Stop int

// What cancelling a job can do.
const (
	Told   Stop = iota // it runs, and was told to end
	Barred             // it has not come, and will not run if it does
	Ended              // it had ended
)

// Host is what the plugin needs of its node. The methods may be called at once from several goroutines; they block for the
// disk. What they return is the caller's.
type Host interface {
	// Job returns what is known of a job, without Targets where there are none.
	Job(id string) (j answers.Job, known bool, err error)
	// Jobs returns the newest changes first, without Targets, Message and Data.
	Jobs(limit int) ([]answers.Job, error)
	// Cancel stops a job; how it stood is returned too.
	Cancel(id string) (Stop, answers.Job, error)
	// Output returns what an action printed from offset on, at most limit bytes; false where nothing is kept.
	Output(id string, offset int64, limit int) (answers.Output, bool, error)
}

// Plugin reports on the jobs of one host.
type Plugin struct{ host Host }

// New returns the plugin for a host. It asks the host nothing yet.
func New(host Host) Plugin { return Plugin{host} }

// Declaration is the same on every host; see the function of that name.
func (Plugin) Declaration() plugin.Declaration { return Declaration() }

// Run does one action. It blocks for the disk only.
func (p Plugin) Run(_ context.Context, call plugin.Call) plugin.Result {
	id := call.Args.String("id")
	switch call.Action {
	case "list":
		return p.list(int(call.Args.Int("limit")))
	case "show":
		return p.show(id)
	case "cancel":
		return p.cancel(id)
	case "output":
		return p.output(id, call.Args.Int("offset"))
	}
	return plugin.Failf("jobs has no action %q", call.Action)
}

func (p Plugin) list(limit int) plugin.Result {
	if limit < 1 || limit > maxList {
		return plugin.Failf("limit: %d is not a number of jobs from 1 to %d", limit, maxList)
	}
	jobs, err := p.host.Jobs(limit)
	if err != nil {
		return plugin.Failf("the journal cannot be read: %v", err)
	}
	var shown answers.Jobs
	size := 0
	for _, j := range jobs {
		if size += length(answers.Data(j)); size > maxData {
			break
		}
		shown.Jobs = append(shown.Jobs, j)
	}
	return answers.OK(fmt.Sprintf("%d changes", len(shown.Jobs)), shown)
}

func (p Plugin) show(id string) plugin.Result {
	j, known, err := p.host.Job(id)
	switch {
	case err != nil:
		return plugin.Failf("the journal cannot be read: %v", err)
	case !known:
		return plugin.Skipf("this job is not known here")
	}
	if length(j.Data) > maxData {
		j.Data, j.Message = nil, strings.TrimSpace(j.Message+" (its outputs are too long to be sent again)")
	}
	message := j.State
	if j.Message != "" {
		message += ": " + j.Message
	}
	return answers.OK(message, j)
}

// length is about how long data is in an answer: as JSON, which is rather longer. What cannot be written is too long.
func length(data map[string]any) int {
	raw, err := json.Marshal(data)
	if err != nil {
		return maxData + 1
	}
	return len(raw)
}

func (p Plugin) output(id string, offset int64) plugin.Result {
	o, known, err := p.host.Output(id, offset, maxPiece)
	switch {
	case err != nil:
		return plugin.Failf("the output cannot be read: %v", err)
	case !known:
		return plugin.Skipf("no output of this job is kept here")
	}
	return answers.OK(fmt.Sprintf("%d to %d of %d bytes", offset, o.Next, o.Size), o)
}

func (p Plugin) cancel(id string) plugin.Result {
	did, j, err := p.host.Cancel(id)
	if err != nil {
		return plugin.Failf("%v", err)
	}
	switch did {
	case Told:
		return plugin.Result{State: plugin.OK, Message: "told to stop; fleet job show says how it ended"}
	case Barred:
		return plugin.Result{State: plugin.OK, Message: "has not come here, and will not run if it does"}
	default:
		return plugin.Result{State: plugin.Unchanged, Message: "had ended: " + j.State}
	}
}
