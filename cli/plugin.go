package cli

import (
	"fmt"
	"slices"
	"strings"

	"fleet/plugins"
	"fleet/plugins/plugin"

	ucli "github.com/urfave/cli/v2"
)

func pluginVerb(known []plugin.Declaration) verb {
	names := make([]string, len(known))
	for i, d := range known {
		names[i] = d.Name
	}
	return verb{
		name: "plugin", group: groupLearn, brief: "list plugins and show what they can do",
		subverbs: []verb{
			{
				name: "list", brief: "list the plugins known on this machine and their actions",
				about: []string{"A star marks actions that can change a host."},
				do:    func(e *env, _ *ucli.Context) error { return e.print(pluginList(known)) },
			},
			{
				name: "doc", brief: "show a plugin's actions, inputs and outputs", takes: "PLUGIN", atLeast: 1, atMost: 1, choices: names,
				examples: []example{{"fleet plugin doc service", ""}},
				do: func(e *env, in *ucli.Context) error {
					name := in.Args().First()
					i := slices.IndexFunc(known, func(d plugin.Declaration) bool { return d.Name == name })
					if i < 0 {
						return usagef("there is no plugin %q", name).with(hintNearest(name, names), "to see all plugins: fleet plugin list")
					}
					return e.print(plugins.Document(known[i]))
				},
			},
		},
	}
}

func pluginList(known []plugin.Declaration) string {
	var b strings.Builder
	width := 0
	for _, d := range known {
		width = max(width, len(d.Name))
	}
	for _, d := range known {
		fmt.Fprintf(&b, "%-*s  %s\n", width, d.Name, d.Description)
		var actions []string
		for _, a := range d.Actions {
			name := a.Name
			if a.Kind == plugin.Change {
				name += "*"
			}
			actions = append(actions, name)
		}
		fmt.Fprintf(&b, "%-*s  %s\n", width, "", strings.Join(actions, ", "))
	}
	return b.String()
}
