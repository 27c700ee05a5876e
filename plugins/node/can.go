package node

import (
	"context"
	"net/url"

	"fleet/plugins/answers"
	"fleet/plugins/plugin"
)

const (
	maxArguments = 8192 // bytes of the arguments of an action that is asked about
	maxTargets   = 1_000_000
)

// canAction answers in a message that begins with yes or no, and is OK either way: a no is an answer, not a failure.
func canAction() plugin.Action {
	word := func(name, prompt, description string, optional bool) plugin.Input {
		return plugin.Input{Name: name, Prompt: prompt, Description: description, Type: plugin.String, Positional: true, Optional: optional, MaxLength: maxArguments}
	}
	return plugin.Action{
		Name: "can", Description: "Report whether an admin may run an action here, and which line decides", Kind: plugin.Read,
		Inputs: []plugin.Input{
			word("admin", "Admin", "the admin's name in the roster", false),
			word("plugin", "Plugin", "the plugin", false),
			word("action", "Action", "its action", false),
			word("arguments", "Arguments", "NAME=VALUE with & between them, escaped as in a URL; `fleet can` writes this for you", true),
			{Name: "targets", Prompt: "Targets", Description: "how many hosts the job would be for (default: all)", Type: plugin.Integer, Optional: true},
		},
		Outputs:   answers.Outputs[answers.Decision](),
		Summaries: []plugin.Summary{{Output: "allowed", By: plugin.CountValues}},
	}
}

// can answers what would be decided about a job that nobody sent.
func (p Plugin) can(ctx context.Context, args plugin.Args) plugin.Result {
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
	d.Allowed = d.Allowed && d.But == ""
	return answers.OK(message, d)
}
