package rpcutil

import (
	"context"
	"net/url"

	"fleet/plugins/plugin"
)

// can answers what would be decided about a job that nobody sent.
func (p *Plugin) can(ctx context.Context, args plugin.Args) plugin.Result {
	q := Question{Admin: args.String("admin"), Plugin: args.String("plugin"), Action: args.String("action"), Args: map[string]string{}}
	values, err := url.ParseQuery(args.String("arguments"))
	if err != nil {
		return plugin.Failf("arguments: %v", err)
	}
	for name, v := range values {
		if len(v) != 1 || name == "" {
			return plugin.Failf("arguments: %q is given twice or has no name", name)
		}
		q.Args[name] = v[0]
	}
	targets := args.Int("targets")
	if targets < 0 || targets > maxTargets {
		return plugin.Failf("targets: %d is not a number of hosts", targets)
	}
	q.Targets = int(targets)
	d := p.host.Can(ctx, q)
	message := "no: " + d.By
	switch {
	case d.Waits:
		message = "no, it waits for a second admin's signature: " + d.By
	case d.Allowed && d.But != "":
		message = "no: " + d.But + " (policy would allow it: " + d.By + ")"
	case d.Allowed:
		message = "yes: " + d.By
	}
	return ok(message, map[string]any{"allowed": d.Allowed && d.But == "", "waits": d.Waits, "by": d.By, "but": d.But})
}
