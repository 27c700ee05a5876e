package cli

import (
	"context"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"fleet/cli/report"
	"fleet/client"
	"fleet/identity"
	"fleet/job"
	"fleet/job/filter"
	"fleet/plugins/plugin"

	ucli "github.com/urfave/cli/v2"
)

const (
	actionLabel = "label"
	inputLabels = "labels"
)

func labelVerb() verb {
	return verb{
		name: "label", brief: "change the labels of a host", takes: "HOST NAME=VALUE|NAME-...", atLeast: 2, atMost: -1,
		about: []string{
			"A host joins with the labels of its token. This changes them: NAME=VALUE sets a label, NAME- removes one, and the others stay. The new labels are signed with your admin key, and everybody who believed the old ones checks that: roles, filters and approvals go by them from then on.",
			"A rule for node.label must allow it to you for the host as it is, and as it will be. If you are removed as an admin, the labels that you gave go with you, unless they are kept (fleet admin remove).",
		},
		examples: []example{
			{"fleet node label web3 role=db rack-", "role is db from now on, and rack is gone"},
		},
		flags:   append(append([]ucli.Flag{reasonFlag()}, quietly("the host's line")...), connectionFlags()...),
		endings: []ending{endNothing, endFailed, endSilent, endRefused, endInterrupted},
		do:      func(e *env, in *ucli.Context) error { return e.labelNode(in.Context, in) },
	}
}

func (e *env) labelNode(ctx context.Context, in *ucli.Context) error {
	change, err := parseRelabel(in.Args().Slice()[1:])
	if err != nil {
		return err
	}
	o, err := e.parseActionOf(in, nodePlugin, actionLabel)
	if err != nil {
		return err
	}
	m, err := e.whichNode(ctx, o.conn, in.Args().First())
	if err != nil {
		return err
	}
	if m.Name == "" {
		return usagef("no broker knows the node %s", m.Node)
	}
	c, err := o.conn.config()
	if err != nil {
		return err
	}
	conn, err := client.Connect(ctx, c)
	if err != nil {
		return faultf("%w", err)
	}
	defer conn.Close()
	target := []client.Target{{Node: m.Node, Name: m.Name}}
	now, err := conn.Run(ctx, client.Request{Plugin: selfPlugin, Action: actionPing, Targets: target, Timeout: o.conn.wait(o.limit.Limit(o.action))}, nil)
	if err != nil {
		return faultf("%w", err)
	}
	r := report.Run{Plugin: o.limit.Name, Action: o.action, Reason: o.reason}
	show := func(run client.Run) error {
		r.Results.Add(run)
		return e.show(r, runOptions{print: o.print, view: o.view}, ctx.Err() != nil, filter.Filter{})
	}
	if len(now.Outcomes) != 1 || now.Outcomes[0].Identity.ID == "" {
		return show(now)
	}
	who := now.Outcomes[0].Identity
	labels := change(who.Labels)
	if maps.Equal(labels, who.Labels) {
		return usagef("%s has these labels already: %s", report.Sanitise(who.Name), words(labels))
	}
	signed, err := identity.SignLabels(c.Key, who.NextLabels(labels, time.Now()))
	if err != nil {
		return usagef("%w", err)
	}
	o.args = plugin.Args{inputLabels: base64.RawURLEncoding.EncodeToString(signed)}
	run, err := conn.Run(ctx, client.Request{Plugin: r.Plugin, Action: actionLabel, Args: o.args, Reason: o.reason, Targets: target,
		Timeout: o.conn.wait(o.limit.Limit(o.action))}, nil)
	if err == nil && len(run.Outcomes) == 1 && run.Outcomes[0].State == job.OK {
		e.note("%s now has the labels %s", report.Sanitise(who.Name), words(labels))
	}
	if err != nil && ctx.Err() == nil {
		return faultf("%w", err)
	}
	return show(run)
}

// parseRelabel reads NAME=VALUE and NAME- words. What it returns makes the new labels of the old ones.
func parseRelabel(list []string) (func(map[string]string) map[string]string, error) {
	set, drop := map[string]string{}, map[string]bool{}
	for _, w := range list {
		name, value, sets := strings.Cut(w, "=")
		removed, drops := strings.CutSuffix(w, "-")
		switch {
		case sets && name != "" && value != "":
			if _, twice := set[name]; twice {
				return nil, usagef("%s is given twice", name)
			}
			set[name] = value
		case !sets && drops && removed != "":
			drop[removed] = true
		default:
			return nil, usagef("%q is neither NAME=VALUE nor NAME-", w)
		}
	}
	for name := range drop {
		if _, both := set[name]; both {
			return nil, usagef("%s is both set and removed", name)
		}
	}
	return func(old map[string]string) map[string]string {
		labels := maps.Clone(old)
		if labels == nil {
			labels = map[string]string{}
		}
		maps.DeleteFunc(labels, func(name, _ string) bool { return drop[name] })
		maps.Copy(labels, set)
		return labels
	}, nil
}

// words are labels as they are typed.
func words(labels map[string]string) string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		list = append(list, fmt.Sprintf("%s=%s", name, report.Sanitise(labels[name])))
	}
	if len(list) == 0 {
		return "(none)"
	}
	return strings.Join(list, " ")
}
