package cli

import (
	"fmt"
	"slices"
	"strings"

	"fleet/plugins/plugin"
	"fleet/policy"
)

// doubts are what looks like a slip in a rule's action, PLUGIN.ACTION with * on either side, and its arguments: names that
// no plugin known here has. Hosts may have other plugins, so they are only warnings.
func (e *env) doubts(action string, args []string) (list []string) {
	p, a, _ := strings.Cut(action, ".")
	if p == policy.TokenPlugin {
		return nil // see policy.CheckTokenRule
	}
	var inputs []plugin.Input
	var names, actions []string
	for _, d := range e.declarations {
		names = append(names, d.Name)
		for _, known := range d.Actions {
			if p == "*" || p == d.Name {
				actions = append(actions, known.Name)
				if a == "*" || a == known.Name {
					inputs = append(inputs, known.Inputs...)
				}
			}
		}
	}
	switch {
	case p != "*" && !slices.Contains(names, p):
		return []string{doubt(fmt.Sprintf("there is no built-in plugin %q", p), p, append(names, policy.TokenPlugin))}
	case a != "*" && !slices.Contains(actions, a):
		what := fmt.Sprintf("no built-in plugin has an action %q", a)
		if p != "*" {
			what = fmt.Sprintf("the built-in plugin %s has no action %q", p, a)
		}
		return []string{doubt(what, a, actions)}
	}
	for _, name := range args {
		var known []string
		for _, in := range inputs {
			known = append(known, in.Name)
		}
		if !slices.Contains(known, name) {
			list = append(list, fmt.Sprintf("%s has no argument %q, so the rule never matches%s", action, name, orNearest(name, known)))
		}
	}
	return list
}

func doubt(what, word string, known []string) string {
	return what + "; the rule has an effect only on hosts that have one" + orNearest(word, known)
}

func orNearest(word string, known []string) string {
	if near := hintNearest(word, known); near != "" {
		return "; " + near
	}
	return ""
}

// actionNames are the actions of each plugin known here.
func (e *env) actionNames() map[string][]string {
	known := map[string][]string{}
	for _, d := range e.declarations {
		for _, a := range d.Actions {
			known[d.Name] = append(known[d.Name], a.Name)
		}
	}
	return known
}
