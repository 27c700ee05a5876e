package filter

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Explain says in English what the filter selects: lines for a person on call, indented so that one sees how it was
// parsed, and then what is easily overlooked. For a filter that does not compile it says why.
func (f Filter) Explain() []string {
	m, err := Compile(f)
	if err != nil {
		return []string{"this is not a filter: " + err.Error()}
	}
	if f.IsZero() {
		return []string{"every host"}
	}
	var ex explainer
	if m.identities != nil {
		ex.line(1, m.identities.explain())
	}
	for i := range m.facts {
		m.facts[i].explain(&ex, 1)
	}
	for _, c := range m.classes {
		classTerm{c}.explain(&ex, 1)
	}
	for _, a := range m.agents {
		if a.re != nil {
			ex.line(1, "it has a plugin whose name matches /"+a.text+"/")
		} else {
			ex.line(1, "it has the plugin "+a.text)
		}
	}
	for _, e := range m.selects {
		if list, ok := e.(allOf); ok { // the whole is an "all" already
			for _, sub := range list {
				sub.explain(&ex, 1)
			}
			continue
		}
		e.explain(&ex, 1)
	}
	head := "a host is selected if all of these are true:"
	if ex.outermost == 1 {
		head = "a host is selected if:"
	}
	return append(append([]string{head}, ex.lines...), ex.notes()...)
}

// explainer collects the lines, and what the notes at the end are about.
type explainer struct {
	lines     []string
	outermost int // lines at the first level
	nots      int // how many nots are around
	negated   []string
	functions []string
	ordered   bool
	unequal   bool
}

func (ex *explainer) line(indent int, text string) {
	if indent == 1 {
		ex.outermost++
	}
	ex.lines = append(ex.lines, strings.Repeat("  ", indent)+text)
}

func (ex *explainer) notes() []string {
	var notes []string
	for _, name := range ex.negated {
		notes = append(notes, fmt.Sprintf("note: a host without the fact %s can pass the NOT; to exclude it, add: and %s=/.*/", name, name))
	}
	for _, name := range ex.functions {
		notes = append(notes, fmt.Sprintf("note: a host is not selected if it lacks the data function %s or the function fails", name))
	}
	if ex.ordered {
		notes = append(notes, "note: numbers compare as numbers, and text that looks like versions as versions, in the order of the host's own package manager: 12.9 is less than 12.11")
	}
	if ex.unequal {
		notes = append(notes, "note: for a list, one element that differs is enough; to require that none is equal, write -S 'not FACT=VALUE'")
	}
	return notes
}

func (list allOf) explain(ex *explainer, indent int) {
	ex.line(indent, "all of these are true:")
	for _, e := range list {
		e.explain(ex, indent+1)
	}
}

func (list anyOf) explain(ex *explainer, indent int) {
	ex.line(indent, "at least one of these is true:")
	for _, e := range list {
		e.explain(ex, indent+1)
	}
}

func (n notExpr) explain(ex *explainer, indent int) {
	ex.line(indent, "this is NOT true:")
	ex.nots++
	n.of.explain(ex, indent+1)
	ex.nots--
}

func (c classTerm) explain(ex *explainer, indent int) {
	if c.re != nil {
		ex.line(indent, "it has a class whose name matches /"+c.text+"/")
	} else {
		ex.line(indent, "it has the class "+c.text)
	}
}

func (t factTerm) explain(ex *explainer, indent int) {
	name, subject := t.name, "its fact "+t.name
	if checkFactName(name) != nil {
		name = factFunction + "(" + quote(name) + ").value"
		subject = "its " + name
	}
	if ex.nots%2 == 1 && !slices.Contains(ex.negated, name) {
		ex.negated = append(ex.negated, name)
	}
	ex.line(indent, subject+" "+t.comparison.english(ex))
}

func (t dataTerm) explain(ex *explainer, indent int) {
	if t.function != agentFunction && !slices.Contains(ex.functions, t.function) {
		ex.functions = append(ex.functions, t.function)
	}
	ex.line(indent, "its "+t.call()+"."+t.output+" "+t.comparison.english(ex))
}

func (c *comparison) english(ex *explainer) string {
	value := c.text
	if !c.numeric && value != "true" && value != "false" {
		value = strconv.Quote(value)
	}
	switch c.op {
	case equal:
		return "is " + value
	case notEqual:
		ex.unequal = true
		return "is there and is not " + value
	case matches:
		return "matches /" + c.text + "/"
	case matchesNot:
		ex.unequal = true
		return "is there and does not match /" + c.text + "/"
	}
	ex.ordered = true
	if c.version {
		value = c.text
	}
	return "is " + [...]string{less: "less than ", greater: "more than ", lessOrEqual: "at most ", greaterOrEqual: "at least "}[c.op] + value
}

func (ids *identities) explain() string {
	const shown = 5
	var ways []string
	switch {
	case len(ids.names) > shown:
		ways = append(ways, fmt.Sprintf("its name is one of these %d: %s", len(ids.names), FoldNodes(ids.names)))
	case len(ids.names) > 0:
		ways = append(ways, "its name is "+strings.Join(ids.names, " or "))
	}
	for _, g := range ids.globs {
		ways = append(ways, "its name matches "+g)
	}
	for _, p := range ids.patterns {
		ways = append(ways, "its name matches /"+p.text+"/")
	}
	return strings.Join(ways, ", or ")
}
