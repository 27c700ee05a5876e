package cli

import (
	"context"

	"fleet/cli/report"
	"fleet/client"
	"fleet/job/filter"
	"fleet/plugins/plugin"

	ucli "github.com/urfave/cli/v2"
)

// The plugins by which nodes report on themselves, as the verbs beside run use them.
const (
	selfPlugin      = "rpcutil"
	nodePlugin      = "node"
	actionPing      = "ping"
	actionFact      = "get_fact"
	inputFact       = "fact"
	outputValue     = "value"
	actionInventory = "inventory"
)

func pingVerb() verb {
	return verb{
		name: "ping", group: groupAsk, brief: "check which hosts answer, and how fast",
		about: []string{"Asks every matching host and ends when all live hosts have answered. Known hosts that do not answer are named, " +
			"with what is known about them. The time is the round trip of a signed job and its signed answer."},
		examples: []example{
			{"fleet ping", "everybody"},
			{"fleet ping -W hagroup=a --sort time", "one group, fastest first"},
			{"fleet ping --graph", "with a graph of answers over time"},
		},
		flags: append(append(hostFlags(),
			toggle(whatToPrint, "graph", "", "draw a graph of answers over time"),
			text(whatToPrint, flagSort, "", "`name|time|state`: how to sort hosts (default name)"),
		), append(quietly("no more detail about hosts"), connectionFlags()...)...),
		endings: askEndings,
		do: func(e *env, in *ucli.Context) error {
			o, err := e.parseLook(in, actionPing, nil)
			if err != nil {
				return err
			}
			graph := in.Bool("graph")
			r, f, err := e.look(in.Context, o)
			if err != nil {
				return err
			}
			out, err := r.Ping(o.print.format, o.view, graph)
			return e.told(out, err, r, f)
		},
	}
}

// lookOptions is a checked command line of a verb that only looks, with one action of the node's own plugin.
type lookOptions struct {
	action plugin.Action
	args   plugin.Args
	limit  plugin.Declaration
	hosts  selection
	print  printing
	view   report.View
	conn   connection
	reason string // why, as the job tells it
	fact   string // that each host is asked for; "" if it is not one
}

func (e *env) parseLook(in *ucli.Context, action string, args map[string]string) (lookOptions, error) {
	return e.parseAsk(in, selfPlugin, action, args)
}

// parseAsk is parseLook with an action of another plugin.
func (e *env) parseAsk(in *ucli.Context, plugin, action string, args map[string]string) (o lookOptions, err error) {
	if o, err = e.parseActionOf(in, plugin, action); err != nil {
		return o, err
	}
	if o.args, err = o.action.Parse(args); err != nil {
		return o, usagef("%w", err)
	}
	return o, nil
}

// parseActionOf is parseAsk where the arguments are not known yet.
func (e *env) parseActionOf(in *ucli.Context, plugin, action string) (o lookOptions, err error) {
	for _, d := range e.declarations {
		if d.Name == plugin {
			o.limit = d
			o.action, _ = d.Action(action)
		}
	}
	if o.reason, err = parseReason(in); err != nil {
		return o, err
	}
	c, err := e.parseCommon(in, &o.hosts, &o.print)
	if err != nil {
		return o, err
	}
	if o.conn, err = parseConnection(in, c, e); err != nil {
		return o, err
	}
	o.view = report.View{Verbose: o.print.verbose, Quiet: o.print.quiet, Colour: e.colour()}
	o.view.Order, err = parseSort(in)
	return o, err
}

// look asks the hosts and returns the report, with its exit code. An interrupted round is a report too.
func (e *env) look(ctx context.Context, o lookOptions) (report.Run, filter.Filter, error) {
	r := report.Run{Plugin: o.limit.Name, Action: o.action, Args: o.args}
	f, err := e.hosts(ctx, o.hosts)
	if err != nil {
		return r, f, err
	}
	conn, err := e.connect(ctx, o.conn)
	if err != nil {
		return r, f, err
	}
	defer conn.Close()
	var bar *report.Bar
	if o.print.progress {
		bar = report.NewBar(e.stderr, o.action.Name)
	}
	run, err := conn.Run(ctx, client.Request{
		Plugin: o.limit.Name, Action: o.action.Name, Args: o.args, Filter: f, Timeout: o.conn.wait(o.limit.Limit(o.action)),
	}, func(p client.Progress) { bar.Update(p.Done, p.Total) })
	bar.Clear()
	if err != nil && (run.JobID == "" || ctx.Err() == nil) {
		return r, f, err
	}
	r.Add(run)
	r.Exit = endingOf(r.Results).code()
	switch {
	case err != nil:
		r.Exit = endInterrupted.code()
	case o.fact != "" && len(r.Outcomes) > 0 && r.Exit == endNothing.code():
		r.Hints = hintsNobody(ctx, conn, o.conn, []string{o.fact}, nil)
	default:
		r.Hints = hintsNoMatch(ctx, conn, o.conn, f, r.Results)
	}
	return r, f, nil
}

// lookFor is look, with each host's answer read as a T: answers[i] is that of r.Outcomes[i], zero unless it is OK. An
// answer that cannot be read is a failure of its host.
func lookFor[T any](ctx context.Context, e *env, o lookOptions) (r report.Run, answers []T, f filter.Filter, err error) {
	r, f, err = e.look(ctx, o)
	answers = make([]T, len(r.Outcomes))
	for i := range r.Outcomes {
		answers[i], _ = report.Read[T](&r.Outcomes[i])
	}
	if err == nil && r.Exit != endInterrupted.code() {
		r.Exit = endingOf(r.Results).code()
	}
	return r, answers, f, err
}

// told prints a finished report and ends the command as the report says.
func (e *env) told(out []byte, err error, r report.Run, f filter.Filter) error {
	if err != nil {
		return faultf("%w", err)
	}
	if err := e.print(string(out)); err != nil {
		return err
	}
	e.warn(r.Duplicates)
	end := endingOf(r.Results)
	p := &problem{ending: end, hints: hintsFor(r, f)}
	if r.Exit == endInterrupted.code() {
		p.ending, p.err = endInterrupted, interruptedError(r.ID())
	}
	if p.ending == endFine {
		return nil
	}
	return p
}
