package cli

import (
	"strings"

	"fleet/cli/report"
	"fleet/job/filter"

	ucli "github.com/urfave/cli/v2"
)

func filterVerb() verb {
	return verb{
		name: "filter", group: groupLearn, brief: "what a filter means",
		subverbs: []verb{{
			name: "explain", brief: "say in English what a filter selects", takes: "", atMost: 0,
			about: []string{"Asks nobody. What `fleet help filters` tells in general, this tells of one filter: how it was understood, and what is easily overlooked."},
			examples: []example{
				{"fleet filter explain -S 'osfamily=Debian and not webserver'", ""},
				{"fleet filter explain -W \"operatingsystem=Debian hagroup=c\" -I 'web*'", ""},
			},
			flags: filterFlags(),
			do: func(e *env, in *ucli.Context) error {
				f, err := filter.Build(filterFlagsOf(in))
				if err != nil {
					return usagef("%w", err).with(hintFilters)
				}
				var b strings.Builder
				for _, l := range f.Explain() {
					b.WriteString(report.Sanitise(l) + "\n")
				}
				return e.print(b.String())
			},
		}},
	}
}
