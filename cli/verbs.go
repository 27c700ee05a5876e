package cli

import (
	"slices"

	ucli "github.com/urfave/cli/v2"
)

// verb is one command: what it takes, what it says of itself, what it does. Help, completion and the man page are made
// of it, and so cannot drift from it.
type verb struct {
	name     string
	group    string // its heading in the overview; "" keeps it out of there
	brief    string // one line, lower case, no full stop
	takes    string // the words after it, as in a synopsis: "PLUGIN ACTION [NAME=VALUE...]"
	atLeast  int    // of these words
	atMost   int    // -1: any number
	about    []string
	examples []example
	flags    []ucli.Flag
	endings  []ending // beside 0 and 2, which every command has
	choices  []string // what the first word may be, for completion
	subverbs []verb
	do       func(e *env, in *ucli.Context) error
}

// example is a line to type and what it is for.
type example struct{ line, why string }

// The headings of the overview, in this order.
const (
	groupAsk    = "Query and run on hosts"
	groupPlugin = "Plugins (the word run may be left out)"
	groupBuild  = "Set up the fleet"
	groupLearn  = "Help and tools"
)

var groups = [...]string{groupAsk, groupPlugin, groupBuild, groupLearn}

// verbs is the table of all commands. A plugin's name is a command too, unless a command has that name already.
func verbs(e *env) []verb {
	table := []verb{
		statusVerb(),
		pingVerb(),
		findVerb(),
		runVerb(e.declarations),
		factsVerb(),
		inventoryVerb(),
		auditVerb(),
		jobVerb(),
		approveVerb(),
		sendVerb(e.declarations),

		initVerb(),
		nodeVerb(),
		adminVerb(),
		roleVerb(),
		tokenVerb(),
		rotateVerb(),
		forgetVerb(),
		demoVerb(),
		simVerb(),

		doctorVerb(),
		whoamiVerb(),
		canVerb(),
		policyVerb(),
		filterVerb(),
		pluginVerb(e.declarations),
		completionVerb(),
		manVerb(),
		versionVerb(),
	}
	for _, d := range e.declarations {
		if !slices.Contains(verbNames(table), d.Name) {
			table = append(table, runPluginVerb(d))
		}
	}
	return table
}

// command is the verb as urfave calls it.
func (v verb) command(e *env) *ucli.Command {
	c := &ucli.Command{
		Name: v.name, Flags: v.flags, HideHelp: true, HideHelpCommand: true,
		OnUsageError: func(_ *ucli.Context, err error, _ bool) error { return flagError{err} },
	}
	if v.do != nil {
		c.Action = func(in *ucli.Context) error { return v.do(e, in) }
	}
	for _, sub := range v.subverbs {
		c.Subcommands = append(c.Subcommands, sub.command(e))
	}
	return c
}

// checkWords verifies how many words are left for the verb.
func (v verb) checkWords(l line) error {
	n := len(l.words)
	switch {
	case v.atMost == 0 && n > 0:
		return usagef("%s takes no arguments, but got %q", l.name(), l.words[0]).with(hintHelp(l.name()))
	case n < v.atLeast:
		return usagef("%s needs %s", l.name(), v.takes).with(hintHelp(l.name()))
	case v.atMost > 0 && n > v.atMost:
		return usagef("%s takes only %s, but also got %q", l.name(), v.takes, l.words[v.atMost]).with(hintHelp(l.name()))
	}
	return nil
}

// eachVerb calls f for every verb and subverb with the names that lead to it.
func eachVerb(table []verb, f func(path []string, v verb)) { walkVerbs(nil, table, f) }

func walkVerbs(path []string, table []verb, f func([]string, verb)) {
	for _, v := range table {
		here := append(slices.Clone(path), v.name)
		f(here, v)
		walkVerbs(here, v.subverbs, f)
	}
}

// findVerbAt returns the verb at the path.
func findVerbAt(table []verb, path []string) (found verb, ok bool) {
	eachVerb(table, func(at []string, v verb) {
		if slices.Equal(at, path) {
			found, ok = v, true
		}
	})
	return found, ok
}

func verbNames(table []verb) []string {
	names := make([]string, len(table))
	for i, v := range table {
		names[i] = v.name
	}
	return names
}
