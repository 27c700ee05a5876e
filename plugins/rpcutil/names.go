package rpcutil

import (
	"slices"
	"strings"

	"fleet/internal/nearest"
	"fleet/plugins/answers"
	"fleet/plugins/plugin"
)

// Bounds of one question about names: each that is missing is compared with all that are there.
const (
	maxNames      = 16   // of facts, and as many of classes
	maxCandidates = 5000 // that a missing one is compared with
	maxNear       = 3    // reported for each
)

func namesAction() plugin.Action {
	list := func(name, prompt, what string) plugin.Input {
		return plugin.Input{Name: name, Prompt: prompt, Description: "names of " + what + ", with commas between them", Type: plugin.String, Optional: true, MaxLength: maxFactList}
	}
	return plugin.Action{
		Name: "names", Description: "Report which of these facts and classes exist, and names similar to the missing ones", Kind: plugin.Read,
		Inputs:  []plugin.Input{list("facts", "Facts", "facts"), list("classes", "Classes", "classes")},
		Outputs: answers.Outputs[answers.Names](),
	}
}

// names answers for a filter that selected nobody: what it may have meant.
func (p Plugin) names(args plugin.Args) plugin.Result {
	facts, classes := listed(args.String("facts")), listed(args.String("classes"))
	if len(facts) > maxNames || len(classes) > maxNames {
		return plugin.Failf("at most %d names are looked up at once", maxNames)
	}
	c := p.facts.Collected()
	return answers.OK("", answers.Names{
		Facts:   lookUp(facts, p.factNames(c.Facts), func(name string) bool { _, has := p.facts.Fact(name); return has }),
		Classes: lookUp(classes, c.Classes, func(name string) bool { return slices.Contains(c.Classes, name) }),
	})
}

func listed(s string) []string { return strings.FieldsFunc(s, func(r rune) bool { return r == ',' }) }

// lookUp says of each name that it is there, by the name alone, or what is like it.
func lookUp(names, all []string, has func(string) bool) map[string][]string {
	out := map[string][]string{}
	for _, name := range names {
		if has(name) {
			out[name] = []string{name}
			continue
		}
		out[name] = nearest.Names(name, all[:min(len(all), maxCandidates)], maxNear)
	}
	return out
}

// factNames are the names of all facts and labels, those inside structured ones with dots.
func (p Plugin) factNames(facts map[string]any) []string {
	var names []string
	for name := range p.host.Labels() {
		names = append(names, name)
	}
	var walk func(prefix string, m map[string]any)
	walk = func(prefix string, m map[string]any) {
		for k, v := range m {
			if len(names) == maxCandidates {
				return
			}
			names = append(names, prefix+k)
			if inner, ok := v.(map[string]any); ok {
				walk(prefix+k+".", inner)
			}
		}
	}
	walk("", facts)
	return names
}
