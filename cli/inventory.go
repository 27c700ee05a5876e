package cli

import (
	"fleet/cli/report"
	"fleet/job"
	"fleet/job/filter"

	ucli "github.com/urfave/cli/v2"
)

// sections are the parts of an inventory, in the order in which one wants to know.
var sections = [...]report.Section{
	{Output: "configured", Head: "Own name", Note: "from its host name or config, but the name it joined with counts; to change that, on the host: fleet node rename NAME"},
	{Output: "id", Head: "Node"}, {Output: "kind", Head: "Kind"}, {Output: "broker", Head: "Broker", As: report.AsYesNo}, {Output: "version", Head: "Version"},
	{Output: "started", Head: "Started", As: report.AsTime}, {Output: "uptime", Head: "Up", As: report.AsSpan}, {Output: "taken", Head: "Facts taken", As: report.AsTime},
	{Output: "labels", Head: "Labels, attested"}, {Output: "classes", Head: "Classes"}, {Output: "plugins", Head: "Plugins"},
	{Output: "facts", Head: "Facts"}, {Output: "problems", Head: "Problems with facts", Columns: []string{"file", "error"}}, {Output: "stats", Head: "Statistics"},
}

func inventoryVerb() verb {
	return verb{
		name: "inventory", group: groupAsk, takes: "HOST", atLeast: 1, atMost: 1, brief: "show everything about one host",
		about: []string{"Shows its plugins, classes, labels, facts and statistics. Standard input is not read. A rounded size or time is followed by the value that filters compare; -o json has all values as they are."},
		examples: []example{
			{"fleet inventory web1", "to read"},
			{"fleet inventory web1 -o json", "for a program"},
		},
		flags: append(printFlags("nothing more of the host"), connectionFlags()...), endings: []ending{endNothing, endFailed, endSilent, endRefused, endInterrupted},
		do: func(e *env, in *ucli.Context) error {
			o, err := e.parseLook(in, actionInventory, nil)
			if err != nil {
				return err
			}
			o.hosts.flags = filter.Flags{Identity: in.Args().Slice()}
			f, err := filter.Build(o.hosts.flags)
			if err != nil {
				return usagef("%w", err)
			}
			if names, exact := f.Names(); !exact || len(names) != 1 {
				return usagef("%q is not one host's name", in.Args().First()).with("fleet find -I '" + in.Args().First() + "' tells which hosts that are")
			}
			r, f, err := e.withoutStdin().look(in.Context, o)
			if err != nil {
				return err
			}
			if len(r.Outcomes) != 1 || r.Outcomes[0].State != job.OK {
				return e.show(r, runOptions{print: o.print, view: o.view}, r.Exit == endInterrupted.code(), f)
			}
			whole, err := r.Outcomes[0].Whole()
			if err != nil {
				return faultf("%w", err)
			}
			out, err := report.Inventory{Outcome: whole, Exit: r.Exit}.Render(o.print.format, sections[:])
			return e.told(out, err, r, f)
		},
	}
}
