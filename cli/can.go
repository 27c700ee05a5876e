package cli

import (
	"net/url"
	"slices"
	"strings"

	"fleet/client"
	"fleet/plugins"
	"fleet/plugins/answers"
	"fleet/plugins/plugin"
	"fleet/policy"

	ucli "github.com/urfave/cli/v2"
)

const actionCan = "can"

func canVerb() verb {
	return verb{
		name: "can", group: groupLearn, brief: "ask hosts whether an admin may run an action, and which rule decides", takes: "NAME PLUGIN ACTION [ARGUMENT...]", atLeast: 3, atMost: -1,
		about: []string{
			"Asks the matching hosts whether the admin NAME may run the action there; nothing is run. They decide as they would for the job itself: by the roster and their own " + policyPath + ". NAME must be exactly as in fleet admin list.",
			"With token as the plugin, its action is a role of hosts and the arguments are labels: the newest roster answers whether NAME may create such join tokens.",
			"Rules about shares of the fleet assume a job for all matching hosts. The exit code is 7 if a host would refuse.",
		},
		examples: []example{
			{"fleet can alice service restart service=nginx -I web1", "on one host"},
			{"fleet can alice package update openssl -W env=prod", "on all hosts that match"},
			{"fleet can alice token member env=dev", "create a join token for members with this label"},
		},
		flags:   append(hostFlags(), append(quietly("every output of every host"), connectionFlags()...)...),
		endings: askEndings,
		do:      func(e *env, in *ucli.Context) error { return e.can(in) },
	}
}

func (e *env) can(in *ucli.Context) error {
	words := in.Args().Slice()
	if words[1] == policy.TokenPlugin {
		return e.canCreate(in, words)
	}
	change, args, err := e.canArgs(words)
	if err != nil {
		return err
	}
	o, err := e.parseAsk(in, nodePlugin, actionCan, args)
	if err != nil {
		return err
	}
	if change {
		if err := e.countTargets(in, &o); err != nil {
			return err
		}
	}
	r, decisions, f, err := lookFor[answers.Decision](in.Context, e, o)
	if err != nil {
		return err
	}
	out, err := r.Render(o.print.format, o.view)
	if err == nil && endingOf(r.Results) == endFine && slices.ContainsFunc(decisions, func(d answers.Decision) bool { return !d.Allowed }) {
		return cmpEnding(e.told(out, nil, r, f), endRefused)
	}
	return e.told(out, err, r, f)
}

// cmpEnding is the error, or else the ending.
func cmpEnding(err error, end ending) error {
	if err != nil {
		return err
	}
	return ended(end)
}

// canArgs makes the arguments of the question. A plugin known here gets its words cast as run does it; of another one
// only NAME=VALUE is understood, and it is taken for one that changes hosts.
func (e *env) canArgs(words []string) (change bool, args map[string]string, err error) {
	admin, name, rest := words[0], words[1], words[2:]
	action, values, change := rest[0], map[string]string{}, true
	i := slices.IndexFunc(e.declarations, func(d plugin.Declaration) bool { return d.Name == name })
	if i >= 0 {
		d := e.declarations[i]
		if action, values, err = plugins.Words(d, rest); err != nil {
			return false, nil, usagef("%w", err).with("fleet plugin doc " + name + " tells what it can do")
		}
		a, _ := d.Action(action)
		change = a.Kind == plugin.Change
	} else {
		for _, w := range rest[1:] {
			k, v, ok := strings.Cut(w, "=")
			if _, twice := values[k]; !ok || k == "" || twice {
				return false, nil, usagef("%q is not NAME=VALUE, or is given twice; no plugin %q is known here, so nothing else can be understood", w, name)
			}
			values[k] = v
		}
	}
	args = map[string]string{"admin": admin, "plugin": name, "action": action}
	query := url.Values{}
	for k, v := range values {
		query.Set(k, v)
	}
	if len(query) > 0 {
		args["arguments"] = query.Encode()
	}
	return change, args, nil
}

// countTargets finds out for how many hosts the job would be, where a filter selects some.
func (e *env) countTargets(in *ucli.Context, o *lookOptions) error {
	f, err := e.hosts(in.Context, o.hosts)
	if err != nil || f.IsZero() {
		return err
	}
	conn, err := e.connect(in.Context, o.conn)
	if err != nil {
		return err
	}
	defer conn.Close()
	plan, err := conn.Plan(in.Context, client.Request{
		Plugin: nodePlugin, Action: actionCan, Args: o.args, Filter: f, Timeout: o.conn.wait(o.limit.Limit(o.action)),
	}, nil)
	if err != nil {
		return err
	}
	o.args["targets"] = int64(max(len(plan.Targets), 1))
	return nil
}
