package cli

import (
	"strings"

	"fleet/cli/report"
	"fleet/job/filter"

	ucli "github.com/urfave/cli/v2"
)

func filterVerb() verb {
	return verb{
		name: "filter", group: groupLearn, brief: "explain a filter",
		subverbs: []verb{{
			name: "explain", brief: "explain in plain English what a filter selects", takes: "", atMost: 0,
			about: []string{"No host is asked. Shows how fleet reads one filter and what is easy to miss; `fleet help filters` has the general rules."},
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
