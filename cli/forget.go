package cli

import (
	"context"
	"time"

	"fleet/cli/report"
	"fleet/client"
	"fleet/job"
	"fleet/job/filter"
	"fleet/plugins/plugin"

	ucli "github.com/urfave/cli/v2"
)

const (
	actionForget = "forget"
	inputNode    = "node"
)

func forgetVerb() verb {
	return verb{
		name: "forget", group: groupBuild, brief: "stop expecting a host that was removed for good", takes: "HOST|NODE-ID", atLeast: 1, atMost: 1,
		about: []string{
			"A failed host is still expected, and named as silent, until it is forgotten: after an hour if it joined with an ephemeral token, otherwise after three days. This command forgets it now, on " +
				"every running host. Use it for machines that are gone and did not shut down cleanly. A host that is alive cannot be forgotten.",
			"The host's key stays valid: if the machine comes back, it is in the next answer. To shut it out, use fleet node revoke. A host that is down now does not hear of this and may bring " +
				"the failed host back when it returns; then forget it again.",
		},
		examples: []example{
			{"fleet forget web4", "a machine that was deleted"},
			{"fleet forget 6hkqzcxm3wgbnh2vkqhkzq5p4e", "by node id, if several hosts had the name"},
		},
		flags:   append(append([]ucli.Flag{toggle(foundFlags, flagYes, "y", "answer yes to the question"), reasonFlag()}, quietly("a line for each host")...), connectionFlags()...),
		endings: []ending{endNothing, endFailed, endSilent, endRefused, endInterrupted},
		do:      func(e *env, in *ucli.Context) error { return e.forget(in.Context, in) },
	}
}

func (e *env) forget(ctx context.Context, in *ucli.Context) error {
	o, err := e.parseActionOf(in, nodePlugin, actionForget)
	if err != nil {
		return err
	}
	m, err := e.whichNode(ctx, o.conn, in.Args().First())
	if err != nil {
		return err
	}
	name := report.Sanitise(m.Name)
	switch {
	case m.Name == "":
		return usagef("no broker knows the node %s; there is nothing to forget", m.Node)
	case m.Presence == job.Alive:
		return usagef("%s is alive; a live host cannot be forgotten", name).with("stop it first, or shut it out: fleet node revoke " + name)
	}
	if err := e.sure(ctx, in, "not expect "+name+" ("+string(m.Node)+", "+string(m.Presence)+" since "+time.UnixMilli(m.Since).Format(report.Stamp)+") any more"); err != nil {
		return err
	}
	o.args = plugin.Args{inputNode: string(m.Node)}
	r, err := e.everywhere(ctx, o, func(out client.Outcome) bool { return out.Node != m.Node })
	if err != nil {
		return err
	}
	return e.show(r, runOptions{print: o.print, view: o.view}, ctx.Err() != nil, filter.Filter{})
}
