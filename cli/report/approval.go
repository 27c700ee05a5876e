package report

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"fleet/client"
	"fleet/identity"
	"fleet/job"
	"fleet/job/filter"
	"fleet/plugins/plugin"
)

// Approval is a job that a second admin is asked to sign: all that the signature covers, and what the fleet says about it. The job is
// verified, and so is what hosts answered; Listed is what a broker says.
type Approval struct {
	Job      job.Job
	Fleet    string // its name in the roster
	Signer   identity.AdminEntry
	Approved []identity.AdminEntry // whose approvals it has
	Action   plugin.Action         // as this release knows it
	Known    bool                  // whether it does
	Answers  client.Run            // of the job's targets, to client.Review
	Listed   []job.Member
	Now      time.Time
}

// Text is the screen that the second admin reads. No text of the job can be mistaken for another part of it: each stands in quotes, on
// one line.
func (a Approval) Text() string {
	j := a.Job
	var b strings.Builder
	row := func(label string, values ...string) {
		for i, v := range values {
			if i > 0 {
				label = ""
			}
			b.WriteString(strings.TrimRight(fmt.Sprintf("  %-10s %s", label, Sanitise(v)), " ") + "\n")
		}
	}
	fmt.Fprintf(&b, "job %s asks for your signature:\n", Sanitise(j.ID))
	row("signed by", fmt.Sprintf("%s (key %s, roles: %s)", a.Signer.Name, j.Signer.ID(), strings.Join(a.Signer.Roles, ", ")))
	row("reason", orNone(j.Reason != "", Quoted(j.Reason)))
	row("action", fmt.Sprintf("%s %s (%s)", j.Plugin, j.Action, a.kind()))
	row("arguments", a.arguments()...)
	row("secrets", a.secrets()...)
	row("hosts", a.hosts()...)
	row("plan", a.plan()...)
	row("filter", filterWords(j.Filter)...)
	if j.Planned != 0 {
		row("admitted", "only hosts that were admitted by "+stampOf(time.UnixMilli(j.Planned)))
	}
	row("needs", a.needs()...)
	row("time", fmt.Sprintf("signed %s; must be started by %s, within %s from now", stampOf(j.IssuedAt()), stampOf(j.ExpiresAt()), j.ExpiresAt().Sub(a.Now).Round(time.Second)))
	row("approved", a.approved())
	row("replies", fmt.Sprintf("sealed to the key %x, which the signer has", j.SealTo))
	row("format", fmt.Sprintf("protocol %d, mode %s, fleet %s (%s)", j.Protocol, Quoted(string(j.Mode)), Quoted(a.Fleet), j.Fleet))
	return b.String()
}

func orNone(has bool, text string) string {
	if !has {
		return "none"
	}
	return text
}

// needs are the documents that a host must have before it judges the job.
func (a Approval) needs() (rows []string) {
	for _, w := range a.Job.Needs {
		rows = append(rows, fmt.Sprintf("%s %s version %d (hash %x), or a newer one, on each host", Quoted(w.Kind), Quoted(w.Name), w.Version, w.Hash))
	}
	if len(rows) == 0 {
		rows = []string{"no particular roster"}
	}
	return rows
}

// plan is the change that the job is a portion of.
func (a Approval) plan() []string {
	p := a.Job.Plan
	if p.IsZero() {
		return []string{"none; the job is the whole change"}
	}
	return []string{
		fmt.Sprintf("portion %d of %d of the plan %s, for %d hosts in all (hash %x)", p.Part+1, p.Parts, Quoted(p.ID), p.Total, p.Hash),
		fmt.Sprintf("%d hosts come before these", p.Position),
	}
}

func stampOf(t time.Time) string { return t.Local().Format(Stamp) }

// kind is what the job's signer took the action for; hosts that take it for another refuse the job.
func (a Approval) kind() string {
	text := "changes nothing"
	if a.Job.Declared.Change {
		text = "changes hosts"
	}
	meaning, err := a.Action.Meaning(a.Job.Args)
	switch here := (job.Declared{Change: a.Action.Kind == plugin.Change, Meaning: meaning}); {
	case !a.Known:
		return fmt.Sprintf("%s, says its signer; this release of fleet does not know the action (declaration %x)", text, a.Job.Declared.Meaning)
	case err != nil || a.Job.Declared != here:
		return fmt.Sprintf("%s, says its signer, whose release of fleet knows another declaration of it than yours (%x)", text, a.Job.Declared.Meaning)
	}
	return text
}

// arguments are in the action's order, and behind them those that it does not declare.
func (a Approval) arguments() (rows []string) {
	var declared []string
	for _, in := range a.Action.Inputs {
		declared = append(declared, in.Name)
		v, given := a.Job.Args[in.Name]
		switch {
		case given && in.Secret:
			rows = append(rows, in.Name+" is secret and came unsealed; hosts refuse it")
		case given:
			rows = append(rows, in.Name+"="+quotedValue(v))
		}
	}
	for _, name := range sortedKeys(a.Job.Args) {
		if slices.Contains(declared, name) {
			continue
		}
		row := quotedName(name) + "=" + quotedValue(a.Job.Args[name])
		if a.Known {
			row += " (not declared; hosts refuse it)"
		}
		rows = append(rows, row)
	}
	if len(rows) == 0 {
		rows = []string{"none"}
	}
	return rows
}

func (a Approval) secrets() []string {
	j := a.Job
	if len(j.Secrets) == 0 {
		return []string{"none"}
	}
	rows := []string{fmt.Sprintf("sealed to %s, which alone can read their names and values", plural(len(j.Secrets), "host"))}
	for _, id := range j.Targets {
		if _, has := j.Secrets[id]; !has {
			rows = append(rows, "none for "+string(id))
		}
	}
	return rows
}

// hosts are the targets one by one, as they call themselves; those that did not answer as a broker calls them.
func (a Approval) hosts() []string {
	var rows []string
	unnamed := 0
	for _, id := range a.Job.Targets {
		i := slices.IndexFunc(a.Answers.Outcomes, func(o client.Outcome) bool { return o.Node == id && o.Identity.ID == id })
		if i < 0 {
			name, row := a.silent(id)
			if rows = append(rows, row); name == "" {
				unnamed++
			}
			continue
		}
		o := a.Answers.Outcomes[i]
		rows = append(rows, fmt.Sprintf("%s  %s  %s  %s", o.Identity.Name, id, labelWords(o.Identity.Labels), answered(o)))
	}
	slices.Sort(rows)
	head := "exactly " + plural(len(a.Job.Targets), "host")
	if unnamed > 0 {
		head += fmt.Sprintf("; nobody can name %d of them", unnamed)
	}
	return append([]string{head + ":"}, rows...)
}

// silent is a target that did not say who it is. Its labels nobody else knows.
func (a Approval) silent(id identity.ID) (name, row string) {
	why := "it did not answer"
	if i := slices.IndexFunc(a.Answers.Outcomes, func(o client.Outcome) bool { return o.Node == id }); i >= 0 {
		why += ": " + a.Answers.Outcomes[i].Message
	}
	if i := slices.IndexFunc(a.Listed, func(m job.Member) bool { return m.Node == id }); i >= 0 {
		name = a.Listed[i].Name
		return name, fmt.Sprintf("%s  %s  labels not known  (named by a broker, not by itself: %s)", name, id, why)
	}
	return "", fmt.Sprintf("(no name)  %s  labels not known  (%s)", id, why)
}

func answered(o client.Outcome) string {
	switch o.State {
	case job.OK:
		return "(your signature counts there)"
	case job.Denied:
		return "(would refuse it with your signature: " + Quoted(o.Message) + ")"
	}
	return "(would not run it: " + Quoted(o.Message) + ")"
}

func labelWords(labels map[string]string) string {
	if len(labels) == 0 {
		return "no labels"
	}
	var words []string
	for _, name := range sortedKeys(labels) {
		words = append(words, quotedName(name)+"="+Quoted(labels[name]))
	}
	return strings.Join(words, " ")
}

// filterWords are what each of the hosts has to match still, as it was typed.
func filterWords(f filter.Filter) (rows []string) {
	for _, part := range []struct {
		flag  string
		words []string
	}{{"-I", f.Identities}, {"-F", f.Facts}, {"-C", f.Classes}, {"-A", f.Agents}, {"-S", f.Selects}} {
		for _, w := range part.words {
			rows = append(rows, part.flag+" "+Quoted(w))
		}
	}
	if len(rows) == 0 {
		return []string{"none"}
	}
	return append([]string{"a host that does not match all of it skips the job:"}, rows...)
}

func (a Approval) approved() string {
	if len(a.Approved) == 0 {
		return "by nobody yet"
	}
	var names []string
	for _, e := range a.Approved {
		names = append(names, fmt.Sprintf("%s (key %s)", e.Name, e.Key.ID()))
	}
	return "by " + strings.Join(names, ", ")
}

// Quoted is foreign text in quotes, as Go writes it: what begins and ends is seen, and nothing in it can pass for the end.
func Quoted(text string) string { return Sanitise(strconv.Quote(text)) }

// quotedName leaves the usual names of arguments and labels as they are.
func quotedName(name string) string {
	if plugin.ValidName(name) {
		return name
	}
	return Quoted(name)
}

// quotedValue writes a value so that its type can be seen: text is in quotes and numbers are not.
func quotedValue(v any) string {
	switch v := v.(type) {
	case string:
		return Quoted(v)
	case nil, bool, int64, uint64, int:
		return fmt.Sprint(v)
	case float64:
		text := strconv.FormatFloat(v, 'g', -1, 64)
		if strings.Trim(text, "-0123456789") == "" {
			text += ".0"
		}
		return text
	}
	raw, err := json.Marshal(portable(v, maxDepth))
	if err != nil {
		return Quoted(fmt.Sprint(v))
	}
	return Sanitise(string(raw))
}
