package cli

import (
	"fleet/cli/report"

	ucli "github.com/urfave/cli/v2"
)

func factsVerb() verb {
	return verb{
		name: "facts", group: groupAsk, takes: "FACT", atLeast: 1, atMost: 1, brief: "count hosts per value of a fact",
		about: []string{"Use dots to reach into structured facts. -v names the hosts of each value; `fleet inventory HOST` shows all facts of one host."},
		examples: []example{
			{"fleet facts operatingsystemrelease", "hosts per operating system release"},
			{"fleet facts os.release.major -v", "and which ones"},
			{"fleet facts kernelrelease -C webserver -o csv", "as CSV for a spreadsheet"},
		},
		flags:   append(hostFlags(), append(quietly("the hosts of each value"), connectionFlags()...)...),
		endings: askEndings,
		do: func(e *env, in *ucli.Context) error {
			name := in.Args().First()
			o, err := e.parseLook(in, actionFact, map[string]string{inputFact: name})
			if err != nil {
				return err
			}
			r, f, err := e.look(in.Context, o)
			if err != nil {
				return err
			}
			out, err := report.Fact{Run: r, Name: name, Output: outputValue}.Render(o.print.format, o.view)
			return e.told(out, err, r, f)
		},
	}
}
