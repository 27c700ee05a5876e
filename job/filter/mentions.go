package filter

import "slices"

// Mentions returns the facts and classes that the filter names, each once. Those of regular expressions are not names. A
// filter that does not compile names none.
func (f Filter) Mentions() (facts, classes []string) {
	m, err := Compile(f)
	if err != nil {
		return nil, nil
	}
	var n mentions
	for _, t := range m.facts {
		n.of(t)
	}
	for _, c := range m.classes {
		n.of(classTerm{c})
	}
	for _, e := range m.selects {
		n.of(e)
	}
	return n.facts, n.classes
}

type mentions struct{ facts, classes []string }

func (n *mentions) of(e expr) {
	switch e := e.(type) {
	case allOf:
		for _, sub := range e {
			n.of(sub)
		}
	case anyOf:
		for _, sub := range e {
			n.of(sub)
		}
	case notExpr:
		n.of(e.of)
	case factTerm:
		n.facts = once(n.facts, e.name)
	case classTerm:
		if e.re == nil {
			n.classes = once(n.classes, e.text)
		}
	}
}

func once(list []string, name string) []string {
	if slices.Contains(list, name) {
		return list
	}
	return append(list, name)
}
