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
type Section struct{ Output, Head string }

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
	done := map[string]bool{}
	for _, s := range sections {
		done[s.Output] = true
		if v, ok := o.Data[s.Output]; ok && v != nil {
			section(&b, s.Head, v)
		}
	}
	for _, k := range sortedKeys(o.Data) {
		if !done[k] && o.Data[k] != nil {
			section(&b, Sanitise(k), o.Data[k])
		}
	}
	return []byte(b.String()), nil
}

func section(b *strings.Builder, head string, v any) {
	switch v := v.(type) {
	case []any:
		fmt.Fprintf(b, "\n   %s:\n", head)
		if len(v) == 0 {
			b.WriteString("      none\n")
		}
		for _, e := range v {
			fmt.Fprintf(b, "      %s\n", Sanitise(valueText(e)))
		}
	case map[string]any:
		fmt.Fprintf(b, "\n   %s:\n", head)
		if len(v) == 0 {
			b.WriteString("      none\n")
		}
		for _, k := range sortedKeys(v) {
			for _, row := range flattenValue(k, v[k], maxDepth) {
				fmt.Fprintf(b, "      %s = %s\n", Sanitise(row[0]), Sanitise(row[1]))
			}
		}
	default:
		fmt.Fprintf(b, "   %s: %s\n", head, Sanitise(valueText(v)))
	}
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
