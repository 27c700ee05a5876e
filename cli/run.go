package cli

import (
	"context"
	"io"
	"slices"
	"strings"

	"fleet/cli/report"
	"fleet/identity"
	"fleet/job/filter"
	"fleet/plugins"
	"fleet/plugins/plugin"

	ucli "github.com/urfave/cli/v2"
)

// Ways in which a command that asks hosts can end, for its help.
var askEndings = []ending{endNothing, endFailed, endSilent, endRefused, endInterrupted}

func runVerb(known []plugin.Declaration) verb {
	names := make([]string, len(known))
	for i, d := range known {
		names[i] = d.Name
	}
	return verb{
		name: "run", group: groupAsk, takes: "PLUGIN ACTION [ARGUMENT...]", atLeast: 1, atMost: -1,
		brief: "run a plugin's action on the hosts that match",
		about: []string{
			"A plugin's name works as a command too: `fleet service nginx status` is the same as `fleet run service status nginx`. Arguments " +
				"are NAME=VALUE, or bare words in the order shown by `fleet plugin doc PLUGIN`. Everything is checked here before anything is sent.",
			"A read-only action is sent at once. An action that can change hosts is planned first: fleet finds the matching hosts and shows them " +
				"before it sends the job to exactly these hosts. It asks first if there is no filter or every host matches. When there is no terminal, a change " +
				"without a filter needs --all, and a change whose filter matches every host needs -y.",
		},
		examples: []example{
			{"fleet run package openssl status", "which version each host has"},
			{"fleet run service nginx restart -W hagroup=c", "restart nginx on the hosts of one group"},
			{"fleet find -S 'osfamily=Debian and not webserver' | fleet run package update openssl", "update on the hosts that find printed"},
			{"fleet service nginx reload -I web[1-9] --batch 3 --batch-sleep 30", "three at a time"},
			{"fleet run service nginx status -j", "for a program"},
		},
		flags: runFlags(), endings: askEndings, choices: names,
		do: func(e *env, in *ucli.Context) error {
			name := in.Args().First()
			i := slices.IndexFunc(known, func(d plugin.Declaration) bool { return d.Name == name })
			if i < 0 {
				return usagef("there is no plugin %q", name).with(hintNearest(name, names), "to see all plugins: fleet plugin list")
			}
			return e.runPlugin(in, known[i], in.Args().Tail())
		},
	}
}

// runPluginVerb makes the plugin's own name a command.
func runPluginVerb(d plugin.Declaration) verb {
	v := verb{
		name: d.Name, group: groupPlugin, takes: "ACTION [ARGUMENT...]", atLeast: 0, atMost: -1,
		brief: lowerFirst(d.Description),
		about: []string{"The same as `fleet run " + d.Name + " ...`. See `fleet help run` for the common options, and `fleet plugin doc " +
			d.Name + "` for inputs and outputs."},
		flags: runFlags(), endings: askEndings,
		do: func(e *env, in *ucli.Context) error { return e.runPlugin(in, d, in.Args().Slice()) },
	}
	for _, a := range d.Actions {
		v.choices = append(v.choices, a.Name)
		line := "fleet " + d.Name + " " + a.Name
		for _, i := range a.Inputs {
			if i.Positional && !i.Optional {
				line += " " + upper(i.Name)
			}
		}
		v.examples = append(v.examples, example{line, lowerFirst(a.Description)})
	}
	return v
}

// runOptions is a checked command line of run.
type runOptions struct {
	plugin plugin.Declaration
	action plugin.Action
	args   plugin.Args
	secret plugin.Args // those that are marked secret; args has the others
	hosts  selection
	scope  scope
	print  printing
	view   report.View
	conn   connection
	yes    bool
	all    bool
	follow bool   // show what actions print, as they do
	reason string // why, as the job tells it
	// forApproval is the file to write the signed job to, instead of sending it.
	forApproval string
}

func (e *env) runPlugin(in *ucli.Context, d plugin.Declaration, words []string) error {
	o, err := e.parseRun(in, d, words)
	if err != nil {
		return err
	}
	return e.doRun(in.Context, o)
}

func (e *env) parseRun(in *ucli.Context, d plugin.Declaration, words []string) (o runOptions, err error) {
	o.plugin, o.yes, o.all, o.follow = d, in.Bool(flagYes), in.Bool(flagAll), in.Bool(flagFollow)
	name, args, err := plugins.Words(d, words)
	if err != nil {
		return o, usagef("%w", err).with("fleet plugin doc " + d.Name + " tells what it can do")
	}
	o.action, _ = d.Action(name)
	if err := readSecrets(o.action, args); err != nil {
		return o, err
	}
	if o.args, err = o.action.Parse(args); err != nil {
		return o, usagef("%s: %w", d.Name, err).with("fleet plugin doc " + d.Name + " tells what it takes")
	}
	o.args, o.secret = o.action.Public(o.args), o.action.Secrets(o.args)
	if o.scope, err = e.parseScope(in); err != nil {
		return o, err
	}
	if o.reason, err = parseReason(in); err != nil {
		return o, err
	}
	if o.forApproval = in.String(flagForApproval); in.IsSet(flagForApproval) && o.forApproval == "" {
		return o, usagef("--%s needs a file", flagForApproval)
	}
	if o.forApproval != "" && o.action.Kind == plugin.Read {
		return o, usagef("%s %s changes nothing and needs no second signature; leave out --%s", d.Name, name, flagForApproval)
	}
	c, err := e.parseCommon(in, &o.hosts, &o.print)
	if err != nil {
		return o, err
	}
	if o.conn, err = parseConnection(in, c, e); err != nil {
		return o, err
	}
	o.view = report.View{Verbose: o.print.verbose, Quiet: o.print.quiet, Colour: e.colour()}
	if o.view.Display, err = parseDisplay(in, o.action); err != nil {
		return o, err
	}
	if in.IsSet(flagDisplay) && o.print.format != report.Table && o.print.format != report.Name {
		return o, usagef("--display works with -o table and -o name; -o %s always has every host", o.print.format)
	}
	if o.print.format == report.Name && !in.IsSet(flagDisplay) {
		o.view.Display = plugin.DisplayOK
	}
	o.view.Order, err = parseSort(in)
	return o, err
}

// readSecrets replaces the file that stands for a secret argument (NAME=@FILE) by what it holds. A secret itself must not
// stand in the command line, where every user of the machine can read it.
func readSecrets(a plugin.Action, words map[string]string) error {
	for name, word := range words {
		if !a.IsSecret(name) {
			continue
		}
		file, ok := strings.CutPrefix(word, "@")
		if !ok {
			return usagef("%s is secret and must not be on the command line", name).with("put it into a file with mode 0600: " + name + "=@FILE")
		}
		text, err := identity.ReadSecretFile(file)
		if err != nil {
			return usagef("%s: %w", name, err)
		}
		words[name] = text
	}
	return nil
}

// parseCommon reads what all commands that ask hosts have, and the config.
func (e *env) parseCommon(in *ucli.Context, s *selection, p *printing) (c Config, err error) {
	if c, err = loadConfig(in.String(flagConfig), e.getenv); err != nil {
		return c, err
	}
	if *s, err = parseSelection(in); err != nil {
		return c, err
	}
	*p, err = e.parsePrinting(in, c)
	return c, err
}

// colour reports whether the answer may be coloured: on a terminal that does not mind. https://no-color.org
func (e *env) colour() bool {
	return e.stdoutTerminal && e.getenv("NO_COLOR") == "" && e.getenv("TERM") != "dumb"
}

// doRun sends the action and shows how it ended everywhere.
func (e *env) doRun(ctx context.Context, o runOptions) error {
	f, err := e.hosts(ctx, o.hosts)
	if err != nil {
		return err
	}
	if o.all && !f.IsZero() {
		return usagef("--all and a filter or host list exclude each other; nothing was sent").with("leave out one of them")
	}
	change := o.action.Kind != plugin.Read
	if change && f.IsZero() && !o.all && !e.canAsk {
		return usagef("%s %s would change every host, and there is no terminal to ask on; nothing was sent", o.plugin.Name, o.action.Name).with(hintAll)
	}
	conn, err := e.connect(ctx, o.conn)
	if err != nil {
		return err
	}
	defer conn.Close()
	w := work{env: e, conn: conn, o: o, filter: f}
	if change || o.scope.planned() || len(o.secret) > 0 { // secrets are sealed to each host, so the hosts have to be known
		return w.planned(ctx)
	}
	return w.atOnce(ctx)
}

// whole is a run's report with what belongs beside it.
func (e *env) show(r report.Run, o runOptions, interrupted bool, f filter.Filter) error {
	end := endingOf(r.Results)
	if interrupted {
		end = endInterrupted
	}
	r.Exit = end.code()
	e.warn(r.Duplicates)
	e.warnLeftOut(r.Outcomes)
	if err := e.write(func(w io.Writer) error { return r.Write(w, o.print.format, o.view) }); err != nil {
		return err
	}
	p := &problem{ending: end, hints: hintsFor(r, f)}
	if interrupted && len(r.Jobs) > 0 {
		p.err = interruptedError(r.ID())
		if r.Action.Kind == plugin.Change {
			p.hints = append(p.hints, hintGoesOn(r.ID()))
		}
	}
	if end == endFine && len(p.hints) == 0 {
		return nil
	}
	return p
}
