package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"fleet/internal/contrast"
)

// Outliers is the hosts that do not have the value of a fact that most have, and which other facts set them apart.
type Outliers struct {
	Run  Run    // of the action that tells inventories
	Name string // of the fact
}

// maxGroups bounds how many values are explained, the most common first.
const maxGroups = 8

type (
	outliersDocument struct {
		Schema   string         `json:"schema"` // fleet.outliers/v1
		Fact     string         `json:"fact"`
		Hosts    int            `json:"hosts"`
		Majority *factValue     `json:"majority"` // null if no value is the most common
		Groups   []outlierGroup `json:"groups"`
		More     int            `json:"more_values"` // that are not explained
		Silent   []hostDocument `json:"no_answer"`
		Exit     int            `json:"exit"`
	}
	// outlierGroup is hosts with one value, without the fact, or with any value but the majority's.
	outlierGroup struct {
		Which   string    `json:"which"` // value, without or all
		Value   any       `json:"value,omitempty"`
		Count   int       `json:"count"`
		Hosts   []string  `json:"hosts"`
		Reasons []because `json:"reasons"`
		members []int
		text    string
	}
	because struct {
		Kind   string   `json:"kind"` // fact or class
		Name   string   `json:"name"`
		Value  string   `json:"value,omitempty"`
		Any    bool     `json:"any_value,omitempty"`
		Here   int      `json:"here"`   // hosts of the group that have it
		Others int      `json:"others"` // of all other hosts
		Exact  bool     `json:"exact"`
		Also   []string `json:"also,omitempty"`
	}
)

const (
	groupValue   = "value"
	groupWithout = "without"
	groupAll     = "all"
)

// Render writes the outliers in the format.
func (x Outliers) Render(f Format, v View) ([]byte, error) {
	in := readInventories(x.Run.Outcomes, v.Order)
	doc := outliersDocument{Schema: "fleet.outliers/v1", Fact: x.Name, Hosts: len(in.names), Silent: []hostDocument{}, Exit: x.Run.Exit}
	for _, o := range in.mute {
		doc.Silent = append(doc.Silent, hostDoc(o))
	}
	doc.Majority, doc.Groups, doc.More = x.groups(in)
	x.explain(in, doc.Groups)
	if f == Table {
		return []byte(x.human(v, doc, in)), nil
	}
	d := document{whole: doc, header: []string{"host", x.Name}}
	for _, g := range doc.Groups {
		d.each = append(d.each, g)
		if g.Which == groupAll {
			continue
		}
		for _, host := range g.Hosts {
			d.names = append(d.names, host)
			d.rows = append(d.rows, []string{host, g.text})
		}
	}
	return d.encode(f)
}

// groups are the hosts by value, the most common first, without the majority: the value that more hosts have than any
// other, and at least two.
func (x Outliers) groups(in inventories) (majority *factValue, groups []outlierGroup, more int) {
	at := map[string]int{}
	without := outlierGroup{Which: groupWithout, Hosts: []string{}}
	for i, data := range in.data {
		v, ok := factOf(data, x.Name)
		if !ok {
			without.add(i, in.names[i])
			continue
		}
		text := compared(v)
		if _, known := at[text]; !known {
			at[text] = len(groups)
			groups = append(groups, outlierGroup{Which: groupValue, Value: portable(v, maxDepth), text: valueText(v)})
		}
		groups[at[text]].add(i, in.names[i])
	}
	slices.SortStableFunc(groups, func(a, b outlierGroup) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), compareNames(a.text, b.text))
	})
	if len(groups) > 0 && (len(groups) == 1 || groups[0].Count > groups[1].Count) {
		majority = &factValue{Value: groups[0].Value, Count: groups[0].Count, Hosts: groups[0].Hosts}
		groups = groups[1:]
	}
	if majority == nil && len(groups) > 0 && groups[0].Count == 1 { // every host has its own
		return nil, []outlierGroup{}, len(groups)
	}
	all := outlierGroup{Which: groupAll}
	if majority != nil && len(groups) > 1 {
		for _, g := range groups {
			for i, m := range g.members {
				all.add(m, g.Hosts[i])
			}
		}
	}
	more = max(0, len(groups)-maxGroups)
	groups = groups[:min(len(groups), maxGroups):min(len(groups), maxGroups)]
	if all.Count > 0 {
		groups = append([]outlierGroup{all}, groups...)
	}
	if without.Count > 0 && without.Count < len(in.names) {
		groups = append(groups, without)
	}
	return majority, groups, more
}

func (g *outlierGroup) add(i int, host string) {
	g.members, g.Hosts, g.Count = append(g.members, i), append(g.Hosts, host), g.Count+1
}

// explain finds the reasons of each group.
func (x Outliers) explain(in inventories, groups []outlierGroup) {
	if len(groups) == 0 {
		return
	}
	hosts, about := make([]contrast.Host, len(in.data)), make([]string, len(in.data))
	for i, data := range in.data {
		hosts[i] = properties(data, x.Name)
		if v, ok := factOf(data, x.Name); ok {
			about[i] = compared(v)
		}
	}
	index := contrast.New(hosts, about)
	for i := range groups {
		g := &groups[i]
		in := make([]bool, len(hosts))
		for _, m := range g.members {
			in[m] = true
		}
		g.Reasons = []because{}
		for _, r := range index.Explain(in) {
			kind := "fact"
			if r.Key.Class {
				kind = "class"
			}
			g.Reasons = append(g.Reasons, because{kind, r.Key.Name, r.Value, r.Any, r.Few, r.Many, r.Exact(g.Count, len(hosts)-g.Count), r.Also})
		}
	}
}

func (x Outliers) human(v View, doc outliersDocument, in inventories) string {
	var b strings.Builder
	name := Sanitise(x.Name)
	switch {
	case v.Quiet:
	case len(in.names) == 0:
	case doc.Majority != nil:
		fmt.Fprintf(&b, "%s: %d of %s %s %s\n", name, doc.Majority.Count, plural(doc.Hosts, "host"), map[bool]string{true: "has", false: "have"}[doc.Majority.Count == 1], shortly(valueText(doc.Majority.Value)))
	case len(doc.Groups) > 0 && doc.Groups[0].Which == groupValue:
		fmt.Fprintf(&b, "%s: no value is the most common, so each is compared with all others\n", name)
	case doc.More > 0:
		fmt.Fprintf(&b, "%s: each of %s has a value of its own, so there are no outliers\n", name, plural(doc.Hosts, "host"))
	default:
		fmt.Fprintf(&b, "%s: no host has this fact\n", name)
	}
	if !v.Quiet && doc.Majority != nil && len(doc.Groups) == 0 {
		b.WriteString("   there are no outliers\n")
	}
	for _, g := range doc.Groups {
		if v.Quiet {
			break
		}
		fmt.Fprintf(&b, "\n%s: %s\n", g.head(name), clip(Sanitise(joinNodes(g.Hosts)), maxLine))
		if len(g.Reasons) == 0 {
			b.WriteString("   no other fact or class sets " + them(g.Count) + " apart\n")
		}
		for _, r := range g.Reasons {
			b.WriteString("   " + r.sentence(g.Count, doc.Hosts-g.Count) + "\n")
		}
	}
	if !v.Quiet && doc.More > 0 && len(doc.Groups) > 0 {
		fmt.Fprintf(&b, "\n%s more, on fewer hosts: fleet facts %s\n", plural(doc.More, "value"), name)
	}
	x.Run.untold(&b, v, in.mute)
	return b.String()
}

// head says which hosts the group is.
func (g outlierGroup) head(name string) string {
	switch g.Which {
	case groupAll:
		return plural(g.Count, "host") + " with another value"
	case groupWithout:
		return plural(g.Count, "host") + " without " + name
	}
	return plural(g.Count, "host") + " with " + shortly(g.text)
}

func them(n int) string {
	if n == 1 {
		return "it"
	}
	return "them"
}

// shortly is a value inside a sentence.
func shortly(text string) string {
	const limit = 60
	if runes := []rune(text); len(runes) > limit {
		text = string(runes[:limit]) + "…"
	}
	return Sanitise(text)
}

// sentence says who has what: "all 3 have rack=3, and no other host does".
func (r because) sentence(few, many int) string {
	what := Sanitise(r.Name) + "=" + shortly(r.Value)
	if r.Any {
		what = "the " + r.Kind + " " + Sanitise(r.Name)
	}
	if n := len(r.Also); n > 0 {
		const shown = 3
		what += " (also " + Sanitise(strings.Join(r.Also[:min(n, shown)], ", "))
		if n > shown {
			what += fmt.Sprintf(" and %d more", n-shown)
		}
		what += ")"
	}
	return who(r.Here, few) + " " + what + ", and " + others(r.Others, many)
}

func who(has, of int) string {
	switch {
	case of == 1 && has == 0:
		return "it does not have"
	case of == 1:
		return "it has"
	case has == 0:
		return fmt.Sprintf("none of the %d has", of)
	case has == of:
		return fmt.Sprintf("all %d have", of)
	case has == 1:
		return fmt.Sprintf("1 of the %d has", of)
	}
	return fmt.Sprintf("%d of the %d have", has, of)
}

func others(have, of int) string {
	switch {
	case have == 0:
		return "no other host does"
	case of == 1:
		return "the other host does"
	case have == of:
		return fmt.Sprintf("all %d others do", of)
	case have == 1:
		return fmt.Sprintf("1 of the %d others does", of)
	}
	return fmt.Sprintf("%d of the %d others do", have, of)
}
