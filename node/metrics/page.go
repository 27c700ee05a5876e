package metrics

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Page is one answer in the text exposition format, version 0.0.4
// (https://github.com/prometheus/docs/blob/main/docs/instrumenting/exposition_formats.md). Families come out in the order
// in which they are first named.
type Page struct {
	families []*family
	byName   map[string]*family
}

type family struct {
	name, help, kind string
	samples          strings.Builder
}

// Label is a name and a value; the name is ours, the value may be any text.
type Label struct{ Name, Value string }

// Counter adds a sample of something that only grows until the node ends. Its name should end in _total.
func (p *Page) Counter(name, help string, value int64, labels ...Label) {
	p.add(name, help, "counter", strconv.FormatInt(value, 10), labels)
}

// Gauge adds a sample of something that goes up and down.
func (p *Page) Gauge(name, help string, value float64, labels ...Label) {
	p.add(name, help, "gauge", number(value), labels)
}

func (p *Page) add(name, help, kind, value string, labels []Label) {
	f := p.byName[name]
	if f == nil {
		if p.byName == nil {
			p.byName = map[string]*family{}
		}
		f = &family{name: name, help: help, kind: kind}
		p.byName[name] = f
		p.families = append(p.families, f)
	}
	f.samples.WriteString(name)
	for i, l := range labels {
		f.samples.WriteString(string("{,"[min(i, 1)]))
		fmt.Fprintf(&f.samples, `%s="%s"`, l.Name, escape(l.Value, true))
	}
	if len(labels) > 0 {
		f.samples.WriteByte('}')
	}
	f.samples.WriteString(" " + value + "\n")
}

// Text is the whole page.
func (p *Page) Text() string {
	var b strings.Builder
	for _, f := range p.families {
		fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s %s\n%s", f.name, escape(f.help, false), f.name, f.kind, f.samples.String())
	}
	return b.String()
}

// escape keeps text on its line; in a label's value quotes would end it.
func escape(s string, quotes bool) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), `\`, `\\`)
	s = strings.ReplaceAll(s, "\n", `\n`)
	if quotes {
		s = strings.ReplaceAll(s, `"`, `\"`)
	}
	return s
}

func number(v float64) string {
	switch {
	case math.IsNaN(v):
		return "NaN"
	case math.IsInf(v, 1):
		return "+Inf"
	case math.IsInf(v, -1):
		return "-Inf"
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}
