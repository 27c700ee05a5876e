package report

import (
	"slices"
	"strings"

	"fleet/client"
)

// Found is who matched a filter.
type Found struct {
	Names  []string
	Others []client.Outcome // silent or refused: nobody knows whether they match
	Exit   int
}

// Render writes the names. For people that is the same as Name; who did not answer is for Unheard.
func (x Found) Render(f Format) ([]byte, error) {
	names := slices.Clone(x.Names)
	slices.SortFunc(names, compareNames)
	doc := struct {
		Schema string         `json:"schema"` // fleet.find/v1
		Hosts  []string       `json:"hosts"`
		Silent []hostDocument `json:"no_answer"`
		Exit   int            `json:"exit"`
	}{Schema: "fleet.find/v1", Hosts: append([]string{}, names...), Silent: []hostDocument{}, Exit: x.Exit}
	for _, o := range x.Others {
		doc.Silent = append(doc.Silent, hostDoc(o))
	}
	d := document{whole: doc, header: []string{"host"}, names: names}
	for _, n := range names {
		d.each = append(d.each, map[string]string{"schema": "fleet.found/v1", "host": n})
		d.rows = append(d.rows, []string{n})
	}
	if f == Table {
		f = Name
	}
	return d.encode(f)
}

// Unheard lists hosts that did not answer, for a place beside the answer; "" where all did.
func Unheard(head string, outcomes []client.Outcome, colour bool) string {
	if len(outcomes) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString(head + "\n")
	lines(&b, ordered(outcomes, ByName), silence, painter(colour))
	return b.String()
}
