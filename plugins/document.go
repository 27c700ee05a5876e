package plugins

import (
	"fmt"
	"strings"

	"fleet/plugins/plugin"
)

// Document is the page that `fleet plugin doc NAME` shows: plain text of lines below about 120 columns, ending in a
// newline, all of it from the declaration.
func Document(d plugin.Declaration) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", d.Name, d.Description)
	about := []string{"version " + d.Version, "by " + d.Author, "licence " + d.License, d.URL}
	have := []string{d.Version, d.Author, d.License, d.URL}
	var facts []string
	for i, text := range about {
		if have[i] != "" {
			facts = append(facts, text)
		}
	}
	facts = append(facts, fmt.Sprintf("time limit %s", d.Timeout))
	fmt.Fprintf(&b, "%s\n", strings.Join(facts, ", "))
	p := page{out: &b, told: map[string]string{}}
	for _, a := range d.Actions {
		p.action(d, a)
	}
	return b.String()
}

// page is a document being written.
type page struct {
	out  *strings.Builder
	told map[string]string // table -> the action it was told for first
}

func (p page) action(d plugin.Declaration, a plugin.Action) {
	kind := "reads only"
	if a.Kind == plugin.Change {
		kind = "can change the host"
	}
	if a.Timeout > 0 {
		kind += fmt.Sprintf(", time limit %s", a.Timeout)
	}
	fmt.Fprintf(p.out, "\n%s (%s)\n  %s\n  $ %s\n", a.Name, kind, a.Description, commandLine(d, a))

	var inputs, outputs, sums []row
	for _, in := range a.Inputs {
		inputs = append(inputs, inputRow(in))
	}
	for _, out := range a.Outputs {
		outputs = append(outputs, row{out.Name, []string{out.Description}})
	}
	for _, s := range a.Summaries {
		sums = append(sums, row{s.Output, []string{map[plugin.Aggregate]string{
			plugin.CountValues: "hosts per value", plugin.Average: "average over all hosts", plugin.Sum: "sum over all hosts",
		}[s.By]}})
	}
	p.table(a.Name, "inputs", inputs)
	p.table(a.Name, "outputs", outputs)
	p.table(a.Name, "summaries", sums)
}

// row is a name and the lines beside it.
type row struct {
	name  string
	lines []string
}

// table writes rows under a head, what stands beside the names in one column. A table that an earlier action had is
// only referred to.
func (p page) table(action, head string, rows []row) {
	if len(rows) == 0 {
		return
	}
	width := 0
	for _, r := range rows {
		width = max(width, len(r.name))
	}
	var b strings.Builder
	for _, r := range rows {
		name := r.name
		for _, line := range r.lines {
			fmt.Fprintf(&b, "    %s\n", strings.TrimRight(fmt.Sprintf("%-*s  %s", width, name, line), " "))
			name = ""
		}
	}
	text := b.String()
	if first, ok := p.told[text]; ok {
		fmt.Fprintf(p.out, "  %s: same as %s\n", head, first)
		return
	}
	p.told[text] = action
	fmt.Fprintf(p.out, "  %s:\n%s", head, text)
}

// commandLine shows what to type: positional inputs as bare words, the others as k=v, what may be left out in brackets.
func commandLine(d plugin.Declaration, a plugin.Action) string {
	words := []string{"fleet run", d.Name, a.Name}
	for _, in := range a.Inputs {
		word := strings.ToUpper(in.Name)
		if !in.Positional {
			word = in.Name + "=" + word
		}
		if in.Optional || in.Default != nil {
			word = "[" + word + "]"
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

// inputRow is an input's prompt and description, and below them its checks.
func inputRow(in plugin.Input) row {
	text := in.Prompt
	if in.Description != "" {
		text += ": " + in.Description
	}
	var checks []string
	switch in.Type {
	case plugin.String:
		limit := in.MaxLength
		if limit == 0 {
			limit = plugin.DefaultMaxLength
		}
		checks = append(checks, fmt.Sprintf("at most %d bytes", limit))
		if in.Pattern != "" {
			checks = append(checks, "matches "+in.Pattern)
		}
	case plugin.List:
		checks = append(checks, "one of "+strings.Join(in.Choices, ", "))
	case plugin.Boolean:
		checks = append(checks, "true or false")
	case plugin.Integer:
		checks = append(checks, "a whole number")
	case plugin.Float:
		checks = append(checks, "a number")
	}
	switch {
	case in.Default != nil:
		checks = append(checks, fmt.Sprintf("default %v", in.Default))
	case in.Optional:
		checks = append(checks, "optional")
	}
	return row{in.Name, []string{text, "(" + strings.Join(checks, "; ") + ")"}}
}
