package cli

import (
	"context"
	"errors"
	"fmt"
	"os"

	"fleet/cli/report"
	"fleet/client"
	"fleet/job/filter"

	ucli "github.com/urfave/cli/v2"
)

func findVerb() verb {
	return verb{
		name: "find", group: groupAsk, brief: "print the names of matching hosts, one per line",
		about: []string{
			"Prints only names, so that the output can be piped. Hosts that did not answer, so that it is unknown whether they match, are named on standard error.",
			"With --inventory, no host is asked: the filter is applied to a JSON file {\"nodes\":[{\"name\",\"facts\",\"classes\",\"agents\"}]}, and standard input " +
				"is not read. Data functions such as service('nginx').status need the host itself and match nothing in a file.",
		},
		examples: []example{
			{"fleet find -W 'operatingsystem=Debian operatingsystemrelease=12.11'", "by facts"},
			{"fleet find -S \"service('nginx').status=stopped\"", "by the current state of a service"},
			{"fleet find -C webserver | fleet service nginx reload", "pipe the hosts into a command"},
			{"fleet find --inventory hosts.json -S 'not osfamily=Debian'", "offline"},
		},
		flags: append(append(hostFlags(),
			text(whichHosts, "inventory", "", "`FILE`: match the hosts in this JSON file; no host is asked"),
		), append(quietly("no more detail about hosts"), connectionFlags()...)...),
		endings: []ending{endNothing, endSilent, endRefused, endInterrupted},
		do: func(e *env, in *ucli.Context) error {
			o, err := e.parseLook(in, actionPing, nil)
			if err != nil {
				return err
			}
			if in.IsSet("inventory") {
				for _, name := range []string{flagTimeout, flagBroker, flagKey, flagHome} {
					if in.IsSet(name) {
						return usagef("--inventory asks no host, so %s has no effect", dashed(name))
					}
				}
				return e.findOffline(in.Context, o, in.String("inventory"))
			}
			return e.find(in.Context, o)
		},
	}
}

// find asks who would answer a ping, without anybody answering it.
func (e *env) find(ctx context.Context, o lookOptions) error {
	f, err := e.hosts(ctx, o.hosts)
	if err != nil {
		return err
	}
	conn, err := e.connect(ctx, o.conn)
	if err != nil {
		return err
	}
	defer conn.Close()
	var bar *report.Bar
	if o.print.progress {
		bar = report.NewBar(e.stderr, "find")
	}
	plan, err := conn.Plan(ctx, client.Request{
		Plugin: selfPlugin, Action: actionPing, Args: o.args, Filter: f, Timeout: o.conn.wait(o.limit.Limit(o.action)),
	}, func(p client.Progress) { bar.Update(p.Done, p.Total) })
	bar.Clear()
	if err != nil {
		// Half a list must not look like a whole one to what reads it.
		return err
	}
	found := report.Found{Others: append(plan.Silent, plan.Refused...)}
	for _, t := range plan.Targets {
		found.Names = append(found.Names, t.Name)
	}
	return e.found(found, o, f, hintsNoMatch(ctx, conn, o.conn, f, client.OfPlan(plan)))
}

func (e *env) findOffline(ctx context.Context, o lookOptions, file string) error {
	if len(o.hosts.nodes) == 0 {
		e = e.withoutStdin() // the file says where hosts come from
	}
	f, err := e.hosts(ctx, o.hosts)
	if err != nil {
		return err
	}
	matcher, err := filter.Compile(f)
	if err != nil {
		return usagef("%w", err)
	}
	r, err := os.Open(file)
	if err != nil {
		return usagef("--inventory: %w", err)
	}
	defer r.Close()
	list, err := filter.ReadInventory(r)
	if err != nil {
		return usagef("%s: %w", file, err)
	}
	var found report.Found
	undecided := map[string]int{}
	for _, h := range list {
		fits, err := matcher.Match(ctx, h)
		switch {
		case errors.Is(err, context.Canceled):
			return err
		case err != nil:
			undecided[err.Error()]++
		case fits:
			found.Names = append(found.Names, h.Name())
		}
	}
	for why, n := range undecided {
		e.note("cannot match %s in the file: %s", hosts(n), report.Sanitise(why))
	}
	return e.found(found, o, f, nil)
}

// withoutStdin is e for a command that has its hosts from elsewhere.
func (e *env) withoutStdin() *env {
	c := *e
	c.stdin = nil
	return &c
}

// found prints the names, and beside them who is not known.
func (e *env) found(x report.Found, o lookOptions, f filter.Filter, hints []string) error {
	end := endingOf(client.Results{Outcomes: x.Others})
	if len(x.Names) > 0 && end == endNothing {
		end = endFine
	}
	x.Exit = end.code()
	out, err := x.Render(o.print.format)
	if err != nil {
		return faultf("%w", err)
	}
	if err := e.print(string(out)); err != nil {
		return err
	}
	if !o.print.quiet {
		fmt.Fprint(e.stderr, report.Unheard("Unknown whether these match:", x.Others, false))
	}
	if end == endNothing && !f.IsZero() {
		return (&problem{ending: end, err: errors.New("no host matches"), hints: hints}).with("fleet filter explain " + f.String() + " says what was asked for")
	}
	if len(hints) > 0 && len(x.Names) == 0 {
		return &problem{ending: end, hints: hints}
	}
	return ended(end)
}
