package filter

// Could reports whether a host of this name and with these labels can be selected, whatever else is true of it. Labels are facts
// of the host that win over others of the same name. It asks no host, and so tells nothing of one.
func (m *Matcher) Could(name string, labels map[string]string) bool {
	if m.identities != nil && !m.identities.fits(name) {
		return false
	}
	for _, t := range m.facts {
		if yes, _ := could(t, labels); !yes {
			return false
		}
	}
	yes, _ := could(allOf(m.selects), labels)
	return yes
}

// could says whether an expression can be true and whether it can be false.
func could(e expr, labels map[string]string) (yes, no bool) {
	switch e := e.(type) {
	case allOf:
		yes = true
		for _, sub := range e {
			y, n := could(sub, labels)
			yes, no = yes && y, no || n
		}
		return yes, no
	case anyOf:
		no = true
		for _, sub := range e {
			y, n := could(sub, labels)
			yes, no = yes || y, no && n
		}
		return yes, no
	case notExpr:
		yes, no = could(e.of, labels)
		return no, yes
	case factTerm:
		label, known := labels[e.name]
		if !known {
			return true, true
		}
		ordered := false // by the host's package manager, which only a fact tells
		holds := e.comparison.holds(label, func(_, _ string) (int, bool) { ordered = true; return 0, false })
		return holds || ordered, !holds || ordered
	}
	return true, true
}
