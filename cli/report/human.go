package report

import (
	"fmt"
	"io"
	"slices"
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
func (r Run) human(w io.Writer, v View) error {
	if v.Quiet && len(r.NotStarted) == 0 && r.Rejected == 0 && !slices.ContainsFunc(r.Outcomes, func(o client.Outcome) bool { return o.State.Meaning().Trouble || o.LeftOut != "" }) {
		return nil
	}
	var said bool
	var heard, unheard folded
	paint, sums := painter(v.Colour), summaries(r.Action)
	err := r.everyHost(v.Order, func(o client.Outcome) (err error) {
		sums.add(o)
		switch {
		case !o.State.Meaning().Answered:
			unheard.add(o, silence(o))
		case !v.shows(o.State) && o.LeftOut == "":
		case v.Verbose:
			said = true
			_, err = io.WriteString(w, r.inFull(o, paint))
		default:
			said = true
			heard.add(o, r.lineOf(o))
		}
		return err
	})
	if err != nil {
		return err
	}
	var b strings.Builder
	heard.write(&b, paint)
	if !v.Quiet {
		b.WriteString(sums.String())
	}
	if said || b.Len() > 0 {
		b.WriteString("\n")
	}
	b.WriteString(r.tally() + "\n")
	if len(unheard.groups) > 0 {
		b.WriteString("No answer from:\n")
		unheard.write(&b, paint)
	}
	if len(r.NotStarted) > 0 {
		fmt.Fprintf(&b, "Not started: %s\n", Sanitise(filter.FoldNodes(r.NotStarted)))
	}
	if r.Rejected > 0 {
		fmt.Fprintf(&b, "%s failed verification and were ignored\n", replies(r.Rejected))
	}
	_, err = io.WriteString(w, b.String())
	return err
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

// folded is hosts with their lines, those with the same state and line together, in the order of the first. The zero value has none.
type folded struct {
	groups []group
	at     map[same]int
}

type same struct {
	state job.State
	text  string
}

func (f *folded) add(o client.Outcome, line string) {
	k := same{o.State, line}
	i, known := f.at[k]
	if !known {
		if f.at == nil {
			f.at = map[same]int{}
		}
		i = len(f.groups)
		f.at[k] = i
		f.groups = append(f.groups, group{state: o.State, text: line})
	}
	f.groups[i].names = append(f.groups[i].names, o.Name)
}

// write writes one line a group, the names right-aligned before a colon.
func (f folded) write(b *strings.Builder, paint painter) {
	width := 0
	for _, g := range f.groups {
		if n := utf8.RuneCountInString(g.label()); n <= maxLabel {
			width = max(width, n)
		}
	}
	for _, g := range f.groups {
		fmt.Fprintf(b, "   %s: %s\n", pad(g.label(), width), paint.state(g.state, g.text))
	}
}

// lines writes the hosts folded by what line makes of them.
func lines(b *strings.Builder, outcomes []client.Outcome, line func(client.Outcome) string, paint painter) {
	var f folded
	for _, o := range outcomes {
		f.add(o, line(o))
	}
	f.write(b, paint)
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
	return joinState(o, withLeftOut(message, o))
}

// withLeftOut says behind a host's message that there was more.
func withLeftOut(message string, o client.Outcome) string {
	if o.LeftOut == "" {
		return message
	}
	return strings.TrimLeft(message+" (the rest of its answer was left out)", " ")
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

// inFull is every output of a host.
func (r Run) inFull(o client.Outcome, paint painter) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s (round trip %s, on the host %s)\n", Sanitise(o.Name),
		paint.state(o.State, string(o.State)), Duration(o.RTT), Duration(o.Took))
	if o.Reason != "" {
		fmt.Fprintf(&b, "   reason: %s\n", Sanitise(string(o.Reason)))
	}
	block(&b, "   ", o.Message)
	if o.LeftOut != "" {
		fmt.Fprintf(&b, "   the rest of its answer was left out: %s\n", Sanitise(o.LeftOut))
	}
	known := map[string]bool{}
	for _, out := range r.Action.Outputs {
		known[out.Name] = true
		if v := outputOf(out, o); v != nil {
			field(&b, labelOf(out), v)
		}
	}
	for _, k := range sortedKeys(o.Data) {
		if !known[k] && o.Data[k] != nil {
			field(&b, Sanitise(k), o.Data[k])
		}
	}
	return b.String()
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
