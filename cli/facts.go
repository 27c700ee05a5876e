package cli

import (
	"cmp"

	"fleet/cli/report"
	"fleet/job"
	"fleet/plugins/answers"

	ucli "github.com/urfave/cli/v2"
)

const flagOutliers = "outliers"

func factsVerb() verb {
	return verb{
		name: "facts", group: groupAsk, takes: "[FACT]", atMost: 1, brief: "list facts, count hosts per value of a fact, explain outliers",
		about: []string{
			"Without a FACT it lists all facts, with how many hosts have each and how many values there are. With one it counts the hosts per value. " +
				"Use dots to reach into structured facts; `fleet inventory HOST` shows all facts of one host. A label counts as a fact.",
			"--outliers compares the hosts that do not have the most common value with all others, and names the facts and classes that set them apart.",
			"The list and --outliers fetch the whole inventory of each host, about 20 kB; in a large fleet, select hosts with a filter.",
		},
		examples: []example{
			{"fleet facts -C webserver", "all facts of the web servers"},
			{"fleet facts operatingsystemrelease", "hosts per operating system release"},
			{"fleet facts os.release.major -v", "and which ones"},
			{"fleet facts kernelrelease --outliers", "what hosts with another kernel have in common"},
			{"fleet facts kernelrelease -C webserver -o csv", "as CSV for a spreadsheet"},
		},
		flags: append(append(hostFlags(), toggle(whatToPrint, flagOutliers, "", "which other facts set the hosts apart that have another value than most")),
			append(quietly("the hosts of each value, or those without a fact"), connectionFlags()...)...),
		endings: askEndings,
		do: func(e *env, in *ucli.Context) error {
			name := in.Args().First()
			switch {
			case in.Bool(flagOutliers) && in.NArg() == 0:
				return usagef("--outliers needs a FACT").with("fleet facts lists all facts")
			case in.Bool(flagOutliers):
				return e.facts(in, actionInventory, nil, func(r report.Run) factsReport { return report.Outliers{Run: r, Name: name} })
			case in.NArg() == 0:
				return e.facts(in, actionInventory, nil, func(r report.Run) factsReport { return report.FactList{Run: r} })
			}
			return e.facts(in, actionFact, map[string]string{inputFact: name}, func(r report.Run) factsReport {
				return report.Fact{Run: r, Name: name, Output: outputValue}
			})
		},
	}
}

// factsReport is an answer about facts.
type factsReport interface {
	Render(report.Format, report.View) ([]byte, error)
}

// facts asks the hosts and prints what about makes of the answers.
func (e *env) facts(in *ucli.Context, action string, args map[string]string, about func(report.Run) factsReport) error {
	o, err := e.parseLook(in, action, args)
	if err != nil {
		return err
	}
	o.fact = args[inputFact]
	r, f, err := e.look(in.Context, o)
	if err != nil {
		return err
	}
	if action == actionInventory {
		failWithoutFacts(&r)
	}
	out, err := about(r).Render(o.print.format, o.view)
	return e.told(out, err, r, f)
}

// failWithoutFacts makes an inventory that cannot be read, or has no facts, a failure of its host: the list lacks it.
func failWithoutFacts(r *report.Run) {
	for i := range r.Outcomes {
		o := &r.Outcomes[i]
		if x, ok := report.Read[answers.Inventory](o); ok && x.Facts == nil {
			o.State, o.Message, o.Data = job.Failed, "no facts in its answer: "+cmp.Or(o.Message, "it may run another version of fleet"), nil
		}
	}
	if r.Exit != endInterrupted.code() {
		r.Exit = endingOf(r.Results).code()
	}
}
