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
		name: "forget", group: groupBuild, brief: "do not expect a host that is gone for good any more", takes: "HOST|NODE-ID", atLeast: 1, atMost: 1,
		about: []string{
			"A host that failed is expected, and named as silent, until it is forgotten: one that came in with an ephemeral token after an hour, any other after three days. This forgets it now, on " +
				"every host that is up. It is for machines that are gone and said no goodbye; one that is alive is not forgotten.",
			"Its key stays good: if the machine comes back, it is in the next answer. To shut it out, use fleet node revoke. A host that is down meanwhile has not heard of it and may bring " +
				"the failed one back when it returns; then forget it again.",
		},
		examples: []example{
			{"fleet forget web4", "a machine that was thrown away"},
			{"fleet forget 6hkqzcxm3wgbnh2vkqhkzq5p4e", "this one of several that had the name"},
		},
		flags:   append(append([]ucli.Flag{toggle(foundFlags, flagYes, "y", "answer the question with yes")}, quietly("a line for each host")...), connectionFlags()...),
		endings: []ending{endNothing, endFailed, endSilent, endRefused, endInterrupted},
		do:      func(e *env, in *ucli.Context) error { return e.forget(in.Context, in) },
	}
}

func (e *env) forget(ctx context.Context, in *ucli.Context) error {
	o, err := e.parseAction(in, actionForget)
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
		return usagef("no broker knows the node %s: there is nothing to forget", m.Node)
	case m.Presence == job.Alive:
		return usagef("%s is alive, and what is alive is not forgotten", name).with("stop it first; or to shut it out: fleet node revoke " + name)
	}
	if err := e.sure(ctx, in, "not expect "+name+" ("+string(m.Node)+", "+string(m.Presence)+" since "+time.UnixMilli(m.Since).Format(time.DateTime)+") any more"); err != nil {
		return err
	}
	o.args = plugin.Args{inputNode: string(m.Node)}
	r, err := e.askAll(ctx, o, func(out client.Outcome) bool { return out.Node == m.Node })
	if err != nil {
		return err
	}
	return e.show(r, runOptions{print: o.print, view: o.view}, ctx.Err() != nil, filter.Filter{})
}
