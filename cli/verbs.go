package cli

import (
	"slices"

	"fleet/plugins/plugin"

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

// command is one entry of the table. Its verb is built when it is asked for: flags are many, and a line needs those of one.
type command struct {
	name  string
	build func() verb
}

// commands is the table of all commands. A plugin's name is a command too, unless a command has that name already.
func commands(e *env) []command {
	with := func(build func([]plugin.Declaration) verb) func() verb {
		return func() verb { return build(e.declarations) }
	}
	table := []command{
		{"status", statusVerb},
		{"ping", pingVerb},
		{"find", findVerb},
		{"run", with(runVerb)},
		{"facts", factsVerb},
		{"inventory", inventoryVerb},
		{"audit", auditVerb},
		{"job", jobVerb},
		{"approve", approveVerb},
		{"send", with(sendVerb)},

		{"init", initVerb},
		{"node", nodeVerb},
		{"admin", adminVerb},
		{"role", roleVerb},
		{"token", tokenVerb},
		{"rotate", rotateVerb},
		{"root", rootVerb},
		{"backup", backupVerb},
		{"restore", restoreVerb},
		{"forget", forgetVerb},
		{"demo", demoVerb},
		{"sim", simVerb},

		{"doctor", doctorVerb},
		{"whoami", whoamiVerb},
		{"can", canVerb},
		{"policy", policyVerb},
		{"filter", filterVerb},
		{"plugin", with(pluginVerb)},
		{"completion", completionVerb},
		{"man", manVerb},
		{"version", versionVerb},
	}
	for _, d := range e.declarations {
		if !slices.ContainsFunc(table, func(c command) bool { return c.name == d.Name }) {
			table = append(table, command{d.Name, func() verb { return runPluginVerb(d) }})
		}
	}
	return table
}

// commandFor reports whether the plugin's name is a command, for which the word run may be left out. The plugin node is
// none: `fleet node` runs the agent.
func commandFor(d plugin.Declaration) bool {
	return !slices.ContainsFunc(commands(&env{}), func(c command) bool { return c.name == d.Name })
}

// verbs builds all of them.
func verbs(e *env) []verb {
	var all []verb
	for _, c := range commands(e) {
		all = append(all, c.build())
	}
	return all
}

// verbNamed builds the one of that name, if there is one.
func verbNamed(e *env, name string) []verb {
	for _, c := range commands(e) {
		if c.name == name {
			return []verb{c.build()}
		}
	}
	return nil
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
