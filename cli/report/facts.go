package report

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"fleet/client"
	"fleet/job"
)

// Fact is how many hosts have each value of one fact.
type Fact struct {
	Run  Run    // of the action that looked
	Name string // of the fact
	// Output is the output that holds the value; a host that has no such fact lacks it.
	Output string
}

type (
	factDocument struct {
		Schema  string         `json:"schema"` // fleet.facts/v1
		Fact    string         `json:"fact"`
		Values  []factValue    `json:"values"`
		Without []string       `json:"without"`
		Silent  []hostDocument `json:"no_answer"`
		Exit    int            `json:"exit"`
	}
	factValue struct {
		Value any      `json:"value"`
		Count int      `json:"count"`
		Hosts []string `json:"hosts"`
	}
)

// Render writes the fact in the format. For people, v.Verbose names the hosts.
func (x Fact) Render(f Format, v View) ([]byte, error) {
	doc := factDocument{Schema: "fleet.facts/v1", Fact: x.Name, Values: []factValue{}, Without: []string{}, Silent: []hostDocument{}, Exit: x.Run.Exit}
	d := document{header: []string{"host", x.Name}}
	count, names, at := map[string]int{}, map[string][]string{}, map[string]int{}
	var others []client.Outcome
	for _, o := range ordered(x.Run.Outcomes, v.Order) {
		whole, err := o.Whole()
		if err != nil || o.LeftOut != "" {
			return nil, fmt.Errorf("cannot tell the fact of %s: %w", o.Name, cmp.Or(err, errors.New(o.LeftOut)))
		}
		value, has := whole.Data[x.Output]
		switch {
		case o.State.Meaning().Trouble:
			others = append(others, o)
			doc.Silent = append(doc.Silent, hostDoc(o))
			continue
		case o.State == job.Skipped || !has || value == nil:
			doc.Without = append(doc.Without, o.Name)
			continue
		}
		text := valueText(value)
		if _, known := at[text]; !known {
			at[text] = len(doc.Values)
			doc.Values = append(doc.Values, factValue{Value: portable(value, maxDepth)})
		}
		entry := &doc.Values[at[text]]
		entry.Count++
		entry.Hosts = append(entry.Hosts, o.Name)
		count[text]++
		names[text] = append(names[text], o.Name)
		d.each = append(d.each, map[string]any{"schema": "fleet.fact/v1", "host": o.Name, "fact": x.Name, "value": portable(value, maxDepth)})
		d.rows = append(d.rows, []string{o.Name, text})
		d.names = append(d.names, o.Name)
	}
	d.whole = doc
	if f != Table {
		return d.encode(f)
	}
	return []byte(x.human(v, count, names, doc.Without, others)), nil
}

func (x Fact) human(v View, count map[string]int, names map[string][]string, without []string, others []client.Outcome) string {
	if !v.Verbose {
		names = nil
	}
	var b strings.Builder
	if !v.Quiet {
		b.WriteString(counts(x.Name, count, names))
	}
	if len(without) > 0 && !v.Quiet {
		fmt.Fprintf(&b, "Without the fact %s: %s", Sanitise(x.Name), plural(len(without), "host"))
		if v.Verbose {
			b.WriteString("  " + Sanitise(joinNodes(without)))
		}
		b.WriteString("\n")
	}
	if !v.Quiet || len(others) > 0 {
		if b.Len() > 0 {
			b.WriteString("\n")
		}
		b.WriteString(x.Run.tally() + "\n")
	}
	if len(others) > 0 {
		b.WriteString("No value from:\n")
		lines(&b, others, silence, painter(v.Colour))
	}
	return b.String()
}
