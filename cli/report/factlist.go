package report

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"fleet/client"
	"fleet/internal/contrast"
	"fleet/internal/factpath"
	"fleet/job"
)

// inventories is what the hosts of a run of the inventory said that they have.
type inventories struct {
	names []string
	data  []map[string]any
	mute  []client.Outcome // gave no answer, or one without facts: they are not hosts that lack a fact
}

func readInventories(outcomes []client.Outcome, order Order) (in inventories) {
	for _, o := range ordered(outcomes, order) {
		whole, err := o.Whole()
		if _, ok := whole.Data["facts"].(map[string]any); o.State != job.OK || err != nil || !ok {
			in.mute = append(in.mute, o)
			continue
		}
		in.names, in.data = append(in.names, o.Name), append(in.data, whole.Data)
	}
	return in
}

// eachFact calls f for every fact of a host, dotted; a label stands in for the fact of its name, as it does in filters.
func eachFact(data map[string]any, f func(name string, v any)) {
	labels, _ := data["labels"].(map[string]any)
	for _, name := range sortedKeys(labels) {
		f(name, labels[name])
	}
	facts, _ := data["facts"].(map[string]any)
	for name, v := range facts {
		eachLeaf(name, v, maxDepth, func(name string, v any) {
			if _, is := labels[name]; !is && v != nil {
				f(name, v)
			}
		})
	}
}

// factOf is a fact, or a label of that name, by its dotted path.
func factOf(data map[string]any, path string) (any, bool) {
	labels, _ := data["labels"].(map[string]any)
	if v, ok := labels[path]; ok {
		return v, true
	}
	facts, _ := data["facts"].(map[string]any)
	v, ok := factpath.Find(facts, path)
	return v, ok && v != nil
}

// maxCompared bounds the text by which values are compared, in bytes.
const maxCompared = 1 << 10

func compared(v any) string {
	text := valueText(v)
	return text[:min(len(text), maxCompared)]
}

// properties are the facts and classes of a host, but for the fact itself and what is inside it.
func properties(data map[string]any, but string) contrast.Host {
	h := contrast.Host{}
	eachFact(data, func(name string, v any) {
		if name != but && !strings.HasPrefix(name, but+".") {
			h[contrast.Key{Name: name}] = compared(v)
		}
	})
	classes, _ := data["classes"].([]any)
	for _, c := range classes {
		h[contrast.Key{Class: true, Name: valueText(c)}] = ""
	}
	return h
}

// FactList is all facts there are, with how many hosts have each and how many values it has.
type FactList struct{ Run Run } // of the action that tells inventories

type (
	factListDocument struct {
		Schema string         `json:"schema"` // fleet.factlist/v1
		Hosts  int            `json:"hosts"`
		Facts  []factEntry    `json:"facts"`
		Silent []hostDocument `json:"no_answer"`
		Exit   int            `json:"exit"`
	}
	factEntry struct {
		Fact    string   `json:"fact"`
		Hosts   int      `json:"hosts"`
		Values  int      `json:"values"`
		Without []string `json:"without"`
	}
)

// Render writes the list in the format. For people, v.Verbose names the hosts that lack a fact.
func (x FactList) Render(f Format, v View) ([]byte, error) {
	in := readInventories(x.Run.Outcomes, v.Order)
	doc := factListDocument{Schema: "fleet.factlist/v1", Hosts: len(in.names), Facts: countFacts(in), Silent: []hostDocument{}, Exit: x.Run.Exit}
	for _, o := range in.mute {
		doc.Silent = append(doc.Silent, hostDoc(o))
	}
	if f == Table {
		return []byte(x.human(v, doc, in)), nil
	}
	d := document{whole: doc, header: []string{"fact", "hosts", "of", "values"}}
	for _, e := range doc.Facts {
		d.each = append(d.each, e)
		d.names = append(d.names, e.Fact)
		d.rows = append(d.rows, []string{e.Fact, strconv.Itoa(e.Hosts), strconv.Itoa(doc.Hosts), strconv.Itoa(e.Values)})
	}
	return d.encode(f)
}

func countFacts(in inventories) []factEntry {
	type column struct {
		hosts  []int
		values map[string]bool
	}
	columns := map[string]*column{}
	for i, data := range in.data {
		eachFact(data, func(name string, v any) {
			c := columns[name]
			if c == nil {
				c = &column{values: map[string]bool{}}
				columns[name] = c
			}
			c.hosts = append(c.hosts, i)
			c.values[compared(v)] = true
		})
	}
	list := []factEntry{}
	for _, name := range sortedKeys(columns) {
		c := columns[name]
		e := factEntry{Fact: name, Hosts: len(c.hosts), Values: len(c.values), Without: []string{}}
		for i, host := range in.names {
			if _, has := slices.BinarySearch(c.hosts, i); !has {
				e.Without = append(e.Without, host)
			}
		}
		list = append(list, e)
	}
	return list
}

func (x FactList) human(v View, doc factListDocument, in inventories) string {
	var b strings.Builder
	width := 0
	for _, e := range doc.Facts {
		if n := utf8.RuneCountInString(Sanitise(e.Fact)); n <= maxLabel {
			width = max(width, n)
		}
	}
	digits := len(strconv.Itoa(doc.Hosts))
	for _, e := range doc.Facts {
		if v.Quiet {
			break
		}
		name := Sanitise(e.Fact)
		line := fmt.Sprintf("%s%s  %*d of %s  %s", name, strings.Repeat(" ", max(0, width-utf8.RuneCountInString(name))), digits, e.Hosts, plural(doc.Hosts, "host"), plural(e.Values, "value"))
		if v.Verbose && len(e.Without) > 0 {
			line += "  without: " + Sanitise(joinNodes(e.Without))
		}
		b.WriteString(line + "\n")
	}
	x.Run.untold(&b, v, in.mute)
	return b.String()
}

// untold ends a report with the tally and who gave no facts.
func (r Run) untold(b *strings.Builder, v View, mute []client.Outcome) {
	if !v.Quiet || len(mute) > 0 {
		if b.Len() > 0 {
			b.WriteString("\n")
		}
		b.WriteString(r.tally() + "\n")
	}
	if len(mute) > 0 {
		b.WriteString("No facts from:\n")
		lines(b, mute, silence, painter(v.Colour))
	}
}
