package rpcutil

import (
	"time"

	"fleet/plugins/answers"
	"fleet/plugins/plugin"
)

// The longest lists of fact names taken, in bytes and in names.
const (
	maxFactName  = 256
	maxFactNames = 64
	maxFactList  = 2048
)

// refreshLimit leaves room for executable facts, which get 60 s all together.
const refreshLimit = 90 * time.Second

// Declaration is what the plugin "rpcutil" says of itself, on every host the same.
func Declaration() plugin.Declaration {
	return plugin.Declaration{
		Name:        "rpcutil",
		Description: "Report whether a host answers, its facts, plugins and statistics",
		Author:      "the fleet authors",
		Version:     "1.0.0",
		Timeout:     10 * time.Second,
		Actions: []plugin.Action{
			{
				Name: "ping", Description: "Answer", Kind: plugin.Read,
				Outputs: []plugin.Output{{Name: "time", Label: "Time", Description: "The host's clock, in milliseconds since 1970"}},
			},
			{
				Name: "inventory", Description: "Report everything about a host: facts, classes, labels, plugins, statistics", Kind: plugin.Read,
				Outputs: answers.Outputs[answers.Inventory](),
			},
			{
				Name: "get_fact", Description: "Report one fact; skipped where there is no such fact", Kind: plugin.Read,
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
				Name: "get_facts", Description: "Report several facts", Kind: plugin.Read,
				Inputs: []plugin.Input{{
					Name: "facts", Prompt: "Facts", Description: "their names, with commas between them",
					Type: plugin.String, Positional: true, MaxLength: maxFactList,
				}},
				Outputs: []plugin.Output{{Name: "values", Label: "Values", Description: "The values of those that exist, by name"}},
			},
			{
				Name: "facts", Description: "Report all facts", Kind: plugin.Read,
				Outputs: answers.Outputs[allFacts](),
			},
			{
				Name: "refresh_facts", Description: "Collect all facts again", Kind: plugin.Read, Timeout: refreshLimit,
				Outputs: answers.Outputs[refreshed](),
			},
			{
				Name: "agent_inventory", Description: "Report which plugins there are", Kind: plugin.Read,
				Outputs: []plugin.Output{{Name: "agents", Label: "Plugins", Description: "Name, version, description, time limit in seconds and actions of each"}},
			},
			{
				Name: "daemon_stats", Description: "Report what the node did since it started", Kind: plugin.Read,
				Outputs: answers.Outputs[answers.Statistics](),
			},
			{
				Name: "collective_info", Description: "Report which role the host has in the fleet (there are no collectives)", Kind: plugin.Read,
				Outputs:   answers.Outputs[answers.About](),
				Summaries: []plugin.Summary{{Output: "kind", By: plugin.CountValues}, {Output: "broker", By: plugin.CountValues}},
			},
			namesAction(),
		},
	}
}
