package report

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"fleet/client"
	"fleet/job"
	"fleet/plugins/answers"
	"fleet/plugins/plugin"
)

// Past is a job of before, as its hosts tell of it.
type Past struct {
	ID     string
	Known  bool // by a host that answered
	Signer string
	Came   time.Time // to the first of them
	Total  int       // how many hosts the job named; 0: none, or no host says
	Named  int       // how many of them the hosts that answered could name
	Parts  int       // of a plan: in how many jobs it goes out; Run.Jobs are those that came to a host that answered
	Run    Run       // as its own run would have been reported
}

// PastJob makes it of the answers to the action show of the plugin jobs; jobs[i] is that of Outcomes[i]. All of it is
// foreign text.
func PastJob(id string, asked Run, jobs []answers.Job, declarations []plugin.Declaration) Past {
	p := Past{ID: id, Run: Run{Results: client.Results{
		Jobs: []string{id}, Expected: asked.Expected, Rejected: asked.Rejected, Duplicates: asked.Duplicates, Took: asked.Took,
	}}}
	named := map[string]bool{}
	for i, o := range asked.Outcomes {
		if o.State == job.OK {
			p.learn(jobs[i], declarations)
			for _, t := range jobs[i].Targets {
				named[t] = true
			}
		}
	}
	p.Named = len(named)
	if p.Parts > 0 {
		p.Run.Plan, p.Run.Jobs = id, slices.Sorted(maps.Keys(portions(id, jobs)))
	}
	for i, o := range asked.Outcomes {
		target := named[string(o.Node)]
		switch o.State {
		case job.OK:
			if jobs[i].State == stateCancelled && !target && p.Total > 0 && p.Unnamed() == 0 {
				p.Run.NoMatch++ // it was told not to run what was never for it
				continue
			}
			p.Run.Outcomes = append(p.Run.Outcomes, pastOutcome(o, jobs[i]))
		case job.Skipped:
			if !target {
				p.Run.NoMatch++
				continue
			}
			o.State, o.Message, o.Data = job.Silent, "this host was a target but does not know the job: it never arrived, or was forgotten", nil
			p.Run.Outcomes = append(p.Run.Outcomes, o)
		default:
			if target || len(named) == 0 {
				o.State = silentOr(o.State)
				p.Run.Outcomes = append(p.Run.Outcomes, o)
			}
		}
	}
	return p
}

// portions are the jobs of a plan.
func portions(plan string, jobs []answers.Job) map[string]bool {
	ids := map[string]bool{}
	for _, j := range jobs {
		if j.Plan == plan && job.ValidID(j.ID) {
			ids[j.ID] = true
		}
	}
	return ids
}

// Missing is how many jobs of a plan have come to no host that answered: they may still be sent. Of one that was cancelled none will.
func (p Past) Missing() int {
	if slices.ContainsFunc(p.Run.Outcomes, func(o client.Outcome) bool { return o.Reason == job.ReasonCancelled }) {
		return 0
	}
	return max(0, p.Parts-len(p.Run.Jobs))
}

// silentOr keeps a refusal; whoever else did not tell is silent about this job.
func silentOr(s job.State) job.State {
	if s == job.Denied {
		return s
	}
	return job.Silent
}

// learn takes what the job was from the first host that says it.
func (p *Past) learn(j answers.Job, declarations []plugin.Declaration) {
	p.Known = true
	if !j.Came.IsZero() && (p.Came.IsZero() || j.Came.Before(p.Came)) {
		p.Came = j.Came.Time
	}
	p.Total = max(p.Total, int(j.Total))
	if j.Plan == p.ID {
		p.Parts = max(p.Parts, int(j.Parts))
	}
	if p.Run.Plugin != "" || j.Plugin == "" {
		return
	}
	p.Signer, p.Run.Reason, p.Run.Plugin, p.Run.Action.Name, p.Run.Args = j.Signer, j.Reason, j.Plugin, j.Action, j.Args
	if a, ok := plugin.Find(declarations, j.Plugin, j.Action); ok {
		p.Run.Action = a
	}
}

// stateCancelled is what a host says of what was cancelled before it came.
const stateCancelled = "cancelled"

func pastOutcome(o client.Outcome, j answers.Job) client.Outcome {
	past := client.Outcome{Node: o.Node, Name: o.Name, State: job.State(j.State), Message: j.Message, Data: j.Data}
	switch {
	case past.State == stateCancelled:
		past.State, past.Reason, past.Message = job.Denied, job.ReasonCancelled, "cancelled before it came"
	case past.State == job.Lost:
		past.Message = "the node stopped before the action ended; check what it left"
	case !past.State.Known():
		past.Message, past.State = fmt.Sprintf("an unknown state %q: %s", past.State, past.Message), job.Silent
	case !j.Kept && past.State != job.Running:
		past.Message = "its answer is no longer kept"
	}
	return past
}

// Said is what a host told while an action runs there: a line each, behind its name.
func Said(s client.Said) string {
	var b strings.Builder
	block(&b, Sanitise(s.Name)+": ", s.Text)
	return b.String()
}

// Lines is foreign text as a terminal may have it; the lines stay.
func Lines(text string) string {
	var b strings.Builder
	block(&b, "", text)
	if !strings.HasSuffix(text, "\n") {
		return strings.TrimSuffix(b.String(), "\n")
	}
	return b.String()
}

// Running is on how many hosts it still runs.
func (p Past) Running() int {
	n := 0
	for _, o := range p.Run.Outcomes {
		if o.State == job.Running {
			n++
		}
	}
	return n
}

// Unnamed is how many of its targets no host that answered could name. They did not answer.
func (p Past) Unnamed() int { return max(0, p.Total-p.Named) }

// Title is the job in one line. It may hold foreign text.
func (p Past) Title() string {
	if !p.Known {
		return "job " + p.ID + ", which no host that answered knows"
	}
	parts := []string{"job " + p.ID}
	if p.Parts > 0 {
		parts[0] = fmt.Sprintf("plan %s, in %d jobs", p.ID, p.Parts)
	}
	if n := p.Missing(); n > 0 {
		parts[0] += fmt.Sprintf(" (%d of them have come to no host that answered)", n)
	}
	if p.Run.Plugin != "" {
		parts = append(parts, p.Signer+": "+typed(p.Run.Plugin, p.Run.Action.Name, p.Run.Args)+withReason(p.Run.Reason))
	}
	if !p.Came.IsZero() {
		parts = append(parts, p.Came.Local().Format(Stamp))
	}
	if n := p.Unnamed(); n > 0 {
		parts = append(parts, fmt.Sprintf("%d of its %d targets are not known to any host that answered", n, p.Total))
	}
	return strings.Join(parts, ", ")
}

// typed is an action with its arguments, as it could be typed.
func typed(plugin, action string, args map[string]any) string {
	words := []string{plugin, action}
	for _, k := range sortedKeys(args) {
		words = append(words, fmt.Sprintf("%s=%v", k, args[k]))
	}
	return strings.Join(words, " ")
}

// withReason is the reason of a job behind what it does, as it could be typed.
func withReason(reason string) string {
	if reason == "" {
		return ""
	}
	return " --reason " + Quoted(reason)
}

// Write writes it as a run, for people under its title.
func (p Past) Write(w io.Writer, f Format, v View) error {
	if f == Table {
		if _, err := io.WriteString(w, Sanitise(p.Title())+"\n\n"); err != nil {
			return err
		}
	}
	return p.Run.Write(w, f, v)
}
