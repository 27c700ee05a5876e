package report

import (
	"fmt"
	"strings"

	"fleet/client"
)

// Inventory is show everything about one host.
type Inventory struct {
	Outcome client.Outcome
	Exit    int
}

// Section is an output of the inventory under its heading.
type Section struct {
	Output, Head string
	As           As
	Note         string   // what to know about it, on the same line
	Columns      []string // of a list of maps: what to show of each
}

// As says how a single value is shown to people.
type As int

const (
	AsIs   As = iota
	AsSpan    // a number of seconds
	AsTime
	AsYesNo
)

// Render writes the inventory in the format. The sections come first and in their order, then whatever else is there.
func (x Inventory) Render(f Format, sections []Section) ([]byte, error) {
	o := x.Outcome
	if f != Table {
		doc := struct {
			Schema string         `json:"schema"` // fleet.inventory/v1
			Host   string         `json:"host"`
			Node   string         `json:"node,omitempty"`
			Data   map[string]any `json:"data"`
			Exit   int            `json:"exit"`
		}{"fleet.inventory/v1", o.Name, string(o.Node), portableData(o.Data), x.Exit}
		d := document{whole: doc, each: []any{doc}, header: []string{"name", "value"}, names: []string{o.Name}}
		for _, k := range sortedKeys(o.Data) {
			d.rows = append(d.rows, flattenValue(k, o.Data[k], maxDepth)...)
		}
		return d.encode(f)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Inventory of %s:\n", Sanitise(o.Name))
	done := map[string]bool{"name": o.Data["name"] == o.Name} // the head has it
	for _, s := range sections {
		done[s.Output] = true
		if v, ok := o.Data[s.Output]; ok && v != nil {
			s.write(&b, v)
		}
	}
	for _, k := range sortedKeys(o.Data) {
		if !done[k] && o.Data[k] != nil {
			Section{Output: k, Head: Sanitise(k)}.write(&b, o.Data[k])
		}
	}
	return []byte(b.String()), nil
}

func (s Section) write(b *strings.Builder, v any) {
	const indent = "      "
	switch v := v.(type) {
	case []any:
		fmt.Fprintf(b, "\n   %s:\n", s.Head)
		if len(v) == 0 {
			b.WriteString(indent + "none\n")
		}
		for _, e := range v {
			b.WriteString(indent + Sanitise(s.element(e)) + "\n")
		}
	case map[string]any:
		fmt.Fprintf(b, "\n   %s:\n", s.Head)
		if len(v) == 0 {
			b.WriteString(indent + "none\n")
		}
		for _, k := range sortedKeys(v) {
			eachLeaf(k, v[k], maxDepth, func(name string, v any) { assign(b, indent, name, v) })
		}
	default:
		text := readable(s.Output, v)
		switch s.As {
		case AsSpan:
			text = lasting(v)
		case AsTime:
			text = localTime(v)
		case AsYesNo:
			text = yesNo(v)
		}
		if s.Note != "" {
			text += " (" + s.Note + ")"
		}
		fmt.Fprintf(b, "   %s: %s\n", s.Head, Sanitise(text))
	}
}

// element is one of a list: its text, or the columns of a map.
func (s Section) element(e any) string {
	m, ok := e.(map[string]any)
	if !ok || len(s.Columns) == 0 {
		return valueText(e)
	}
	cells := make([]string, len(s.Columns))
	for i, c := range s.Columns {
		cells[i] = valueText(m[c])
	}
	return strings.Join(cells, ": ")
}

// flattenValue writes nested maps as dotted names, as filters take them.
func flattenValue(name string, v any, depth int) [][]string {
	m, ok := v.(map[string]any)
	if !ok || depth == 0 || len(m) == 0 {
		return [][]string{{name, valueText(v)}}
	}
	var rows [][]string
	for _, k := range sortedKeys(m) {
		rows = append(rows, flattenValue(name+"."+k, m[k], depth-1)...)
	}
	return rows
}
