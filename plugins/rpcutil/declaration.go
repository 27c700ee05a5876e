package rpcutil

import (
	"time"

	"fleet/plugins/plugin"
)

// The longest lists of fact names taken, in bytes and in names; and of what else is named.
const (
	maxFactName  = 256
	maxFactNames = 64
	maxFactList  = 2048
	maxArguments = 8192 // bytes of the arguments of an action that is asked about
	maxTargets   = 1_000_000
)

// refreshLimit leaves room for executable facts, which get 60 s all together.
const refreshLimit = 90 * time.Second

// Declaration is what the plugin "rpcutil" says of itself, on every host the same.
func Declaration() plugin.Declaration {
	return plugin.Declaration{
		Name:        "rpcutil",
		Description: "Tell of the node itself: whether it answers, its facts, plugins and statistics",
		Author:      "the fleet authors",
		Version:     "1.0.0",
		Timeout:     10 * time.Second,
		Actions: []plugin.Action{
			{
				Name: "ping", Description: "Answer", Kind: plugin.Read,
				Outputs: []plugin.Output{{Name: "time", Label: "Time", Description: "The host's clock, in milliseconds since 1970"}},
			},
			{
				Name: "inventory", Description: "Tell all there is to tell of a host", Kind: plugin.Read,
				Outputs: append(aboutOutputs(),
					plugin.Output{Name: "configured", Label: "Configured name", Description: "The name its config or the machine has for it, only if that is not its name in the fleet"},
					plugin.Output{Name: "facts", Label: "Facts", Description: "All facts"},
					factsTaken(),
					plugin.Output{Name: "problems", Label: "Problems", Description: "Custom facts that could not be had: file and error of each"},
					plugin.Output{Name: "classes", Label: "Classes", Description: "The classes configuration management gave it"},
					plugin.Output{Name: "labels", Label: "Labels", Description: "The labels of the token it joined with"},
					plugin.Output{Name: "plugins", Label: "Plugins", Description: "The names of its plugins"},
					plugin.Output{Name: "stats", Label: "Statistics", Description: "Counters since the node started"},
				),
			},
			{
				Name: "get_fact", Description: "Tell one fact; skipped where there is no such fact", Kind: plugin.Read,
				Inputs: []plugin.Input{{
					Name: "fact", Prompt: "Fact", Description: "its name; dots lead down into structured facts: os.release.major",
					Type: plugin.String, Positional: true, MaxLength: maxFactName,
				}},
				Outputs: []plugin.Output{
					{Name: "fact", Label: "Fact", Description: "The name that was asked for"},
					{Name: "value", Label: "Value", Description: "The fact's value"},
				},
				Summaries: []plugin.Summary{{Output: "value", By: plugin.CountValues}},
			},
			{
				Name: "get_facts", Description: "Tell several facts", Kind: plugin.Read,
				Inputs: []plugin.Input{{
					Name: "facts", Prompt: "Facts", Description: "their names, with commas between them",
					Type: plugin.String, Positional: true, MaxLength: maxFactList,
				}},
				Outputs: []plugin.Output{{Name: "values", Label: "Values", Description: "The values of those that are there, by name"}},
			},
			{
				Name: "facts", Description: "Tell all facts", Kind: plugin.Read,
				Outputs: []plugin.Output{{Name: "facts", Label: "Facts", Description: "All facts"}, factsTaken()},
			},
			{
				Name: "refresh_facts", Description: "Take all facts anew", Kind: plugin.Read, Timeout: refreshLimit,
				Outputs: []plugin.Output{
					{Name: "count", Label: "Facts", Description: "How many facts there are, counting outermost names"}, factsTaken(),
					{Name: "problems", Label: "Problems", Description: "Custom facts that could not be had: file and error of each"},
				},
			},
			{
				Name: "forget", Description: "Expect a host that is gone no longer; what fleet forget asks of every host", Kind: plugin.Change,
				Inputs: []plugin.Input{{
					Name: "node", Prompt: "Node", Description: "the id of the one to forget", Type: plugin.String, Positional: true,
					Pattern: `[a-z2-7]{26}`,
				}},
			},
			{
				Name: "agent_inventory", Description: "Tell which plugins there are", Kind: plugin.Read,
				Outputs: []plugin.Output{{Name: "agents", Label: "Plugins", Description: "Name, version, description, time limit in seconds and actions of each"}},
			},
			{
				Name: "daemon_stats", Description: "Tell what the node did since it started", Kind: plugin.Read,
				Outputs: append(aboutOutputs(), plugin.Output{Name: "stats", Label: "Statistics", Description: "Counters since the node started"}),
			},
			{
				Name: "collective_info", Description: "Tell which part the host has in the fleet (there are no collectives)", Kind: plugin.Read,
				Outputs:   aboutOutputs(),
				Summaries: []plugin.Summary{{Output: "kind", By: plugin.CountValues}, {Output: "broker", By: plugin.CountValues}},
			},
			namesAction(),
			canAction(),
			auditAction(),
			statusAction(),
			viewAction(),
		},
	}
}

// canAction answers in a message that begins with yes or no, and is OK either way: a no is an answer, not a failure.
func canAction() plugin.Action {
	word := func(name, prompt, description string, optional bool) plugin.Input {
		return plugin.Input{Name: name, Prompt: prompt, Description: description, Type: plugin.String, Positional: true, Optional: optional, MaxLength: maxArguments}
	}
	return plugin.Action{
		Name: "can", Description: "Tell whether an admin may run an action here, and which line decides", Kind: plugin.Read,
		Inputs: []plugin.Input{
			word("admin", "Admin", "the admin's name in the roster", false),
			word("plugin", "Plugin", "the plugin", false),
			word("action", "Action", "its action", false),
			word("arguments", "Arguments", "NAME=VALUE with & between them, escaped as in a URL; `fleet can` writes this for you", true),
			{Name: "targets", Prompt: "Targets", Description: "how many hosts the job would be for; left out: every one", Type: plugin.Integer, Optional: true},
		},
		Outputs: []plugin.Output{
			{Name: "allowed", Label: "Allowed", Description: "Whether it would run"},
			{Name: "waits", Label: "Waits", Description: "Whether it would wait for a second admin's signature"},
			{Name: "by", Label: "By", Description: "The line that decides: a rule of a role, or a line of the host's policy file"},
			{Name: "but", Label: "But", Description: "Why it would not run although policy allows it"},
		},
		Summaries: []plugin.Summary{{Output: "allowed", By: plugin.CountValues}},
	}
}

func aboutOutputs() []plugin.Output {
	return []plugin.Output{
		{Name: "name", Label: "Name", Description: "The host's name in the fleet"},
		{Name: "id", Label: "ID", Description: "The node's identity"},
		{Name: "version", Label: "Version", Description: "Of fleet"},
		{Name: "kind", Label: "Kind", Description: "peer or member"},
		{Name: "broker", Label: "Broker", Description: "Whether it carries a broker"},
		{Name: "started", Label: "Started", Description: "When the node started (RFC 3339, UTC)"},
		{Name: "uptime", Label: "Uptime", Description: "Seconds since then"},
	}
}

func factsTaken() plugin.Output {
	return plugin.Output{Name: "taken", Label: "Facts taken", Description: "When the facts were taken (RFC 3339, UTC)"}
}
