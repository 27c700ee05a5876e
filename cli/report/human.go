package report

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"fleet/client"
	"fleet/job"
	"fleet/job/filter"
	"fleet/plugins/plugin"
)

const (
	maxLine  = 300 // characters of a host's own line, unless -v
	maxLabel = 40  // longer names of hosts do not push the others to the right
)

// human is the run for people: a line per host or per hosts that say the same, counts, the tally, the silent.
func (r Run) human(v View) string {
	var b strings.Builder
	list := ordered(r.Outcomes, v.Order)
	var heard, unheard []client.Outcome
	problems := len(r.NotStarted) > 0 || r.Rejected > 0
	for _, o := range list {
		problems = problems || o.State.Meaning().Trouble
		switch {
		case !o.State.Meaning().Answered:
			unheard = append(unheard, o)
		case v.shows(o.State):
			heard = append(heard, o)
		}
	}
	if v.Quiet && !problems {
		return ""
	}
	paint := painter(v.Colour)
	if v.Verbose {
		r.inFull(&b, heard, paint)
	} else {
		lines(&b, heard, r.lineOf, paint)
	}
	if !v.Quiet {
		for _, s := range r.Action.Summaries {
			b.WriteString(summary(r.Action, s, list))
		}
	}
	if b.Len() > 0 {
		b.WriteString("\n")
	}
	b.WriteString(r.tally() + "\n")
	if len(unheard) > 0 {
		b.WriteString("No answer from:\n")
		lines(&b, unheard, silence, paint)
	}
	if len(r.NotStarted) > 0 {
		fmt.Fprintf(&b, "Not started: %s\n", Sanitise(filter.FoldNodes(r.NotStarted)))
	}
	if r.Rejected > 0 {
		fmt.Fprintf(&b, "%s failed verification and were ignored\n", replies(r.Rejected))
	}
	return b.String()
}

func replies(n int) string {
	if n == 1 {
		return "1 reply"
	}
	return fmt.Sprintf("%d replies", n)
}

// group is hosts that say the same.
type group struct {
	state job.State
	text  string
	names []string
}

func (g group) label() string {
	label := Sanitise(filter.FoldNodes(g.names))
	if len(g.names) > 1 {
		label += fmt.Sprintf(" (%d)", len(g.names))
	}
	return label
}

// fold puts hosts with the same state and line together, in the order of the first.
func fold(outcomes []client.Outcome, line func(client.Outcome) string) []group {
	type same struct {
		state job.State
		text  string
	}
	at := map[same]int{}
	var groups []group
	for _, o := range outcomes {
		k := same{o.State, line(o)}
		i, ok := at[k]
		if !ok {
			i = len(groups)
			at[k] = i
			groups = append(groups, group{state: o.State, text: k.text})
		}
		groups[i].names = append(groups[i].names, o.Name)
	}
	return groups
}

// lines writes one line a group, the names right-aligned before a colon.
func lines(b *strings.Builder, outcomes []client.Outcome, line func(client.Outcome) string, paint painter) {
	groups := fold(outcomes, line)
	width := 0
	for _, g := range groups {
		if n := utf8.RuneCountInString(g.label()); n <= maxLabel {
			width = max(width, n)
		}
	}
	for _, g := range groups {
		fmt.Fprintf(b, "   %s: %s\n", pad(g.label(), width), paint.state(g.state, g.text))
	}
}

func pad(s string, width int) string {
	return strings.Repeat(" ", max(0, width-utf8.RuneCountInString(s))) + s
}

// lineOf is the one line that a host has: its message, after the state where that is not simply ok.
func (r Run) lineOf(o client.Outcome) string {
	message := clip(Sanitise(o.Message), maxLine)
	if message == "" {
		message = clip(r.outputsLine(o), maxLine)
	}
	return joinState(o, message)
}

func joinState(o client.Outcome, message string) string {
	state := string(o.State)
	if o.Reason != "" {
		state += " (" + Sanitise(string(o.Reason)) + ")"
	}
	switch {
	case message == "":
		return state
	case o.State == job.OK:
		return message
	}
	return state + ": " + message
}

// silence says what is known of a host that did not answer.
func silence(o client.Outcome) string { return joinState(o, clip(Sanitise(o.Message), maxLine)) }

// outputsLine stands in for a message that a plugin did not give.
func (r Run) outputsLine(o client.Outcome) string {
	var parts []string
	for _, out := range r.Action.Outputs {
		if v := outputOf(out, o); v != nil {
			parts = append(parts, out.Name+"="+Sanitise(valueText(v)))
		}
	}
	return strings.Join(parts, " ")
}

// inFull writes every output of every host.
func (r Run) inFull(b *strings.Builder, outcomes []client.Outcome, paint painter) {
	for _, o := range outcomes {
		fmt.Fprintf(b, "%s: %s (round trip %s, on the host %s)\n", Sanitise(o.Name),
			paint.state(o.State, string(o.State)), Duration(o.RTT), Duration(o.Took))
		if o.Reason != "" {
			fmt.Fprintf(b, "   reason: %s\n", Sanitise(string(o.Reason)))
		}
		block(b, "   ", o.Message)
		known := map[string]bool{}
		for _, out := range r.Action.Outputs {
			known[out.Name] = true
			if v := outputOf(out, o); v != nil {
				field(b, labelOf(out), v)
			}
		}
		for _, k := range sortedKeys(o.Data) {
			if !known[k] && o.Data[k] != nil {
				field(b, Sanitise(k), o.Data[k])
			}
		}
	}
}

// field writes one output; text of several lines goes below its label.
func field(b *strings.Builder, label string, v any) {
	text := strings.TrimRight(valueText(v), "\n")
	if strings.Contains(text, "\n") {
		fmt.Fprintf(b, "   %s:\n", label)
		block(b, "      ", text)
		return
	}
	fmt.Fprintf(b, "   %s: %s\n", label, Sanitise(text))
}

// block writes text of any number of lines, indented.
func block(b *strings.Builder, indent, text string) {
	for l := range strings.Lines(text) {
		fmt.Fprintf(b, "%s%s\n", indent, Sanitise(strings.TrimRight(l, "\r\n")))
	}
}

func labelOf(out plugin.Output) string {
	if out.Label != "" {
		return out.Label
	}
	return out.Name
}

// tally is the one line to read if there is time for one.
func (r Run) tally() string {
	count := map[job.State]int{}
	for _, o := range r.Outcomes {
		count[o.State]++
	}
	var parts []string
	for _, m := range job.States() {
		if n := count[m.State]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, m.State))
		}
	}
	if n := len(r.NotStarted); n > 0 {
		parts = append(parts, fmt.Sprintf("%d not started", n))
	}
	total := len(r.Outcomes) + len(r.NotStarted)
	if total == 0 {
		return fmt.Sprintf("No host matched (%d answered)", r.NoMatch)
	}
	line := plural(total, "host") + ": " + strings.Join(parts, ", ")
	if r.Took > 0 {
		line += ", in " + Duration(r.Took)
	}
	return line
}

// painter colours states, where the view wants colour.
type painter bool

func (p painter) state(s job.State, text string) string {
	m := s.Meaning()
	if !bool(p) || m.Fine {
		return text
	}
	colour := "33" // yellow: look at it
	if m.Alarm {
		colour = "31" // red
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}
