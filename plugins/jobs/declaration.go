package jobs

import (
	"fmt"
	"time"

	"fleet/plugins/answers"
	"fleet/plugins/plugin"
)

const (
	usualList = 20
	maxList   = 200
	// maxData bounds the outputs that are sent again, in bytes as JSON: they have to fit into an answer together with the rest.
	maxData = 384 << 10
	// maxPiece bounds a piece of output, in bytes.
	maxPiece = 128 << 10
)

// Declaration is what the plugin "jobs" says of itself, on every host the same.
func Declaration() plugin.Declaration {
	id := plugin.Input{
		Name: "id", Prompt: "Job", Description: "the job's id, or that of a plan in several jobs, as a run prints it", Type: plugin.String, Positional: true,
		Pattern: "[0-9A-Z]{26}", MaxLength: 26,
	}
	return plugin.Declaration{
		Name:        "jobs",
		Description: "List, show and cancel the jobs of a host",
		Author:      "the fleet authors",
		Version:     "1.0.0",
		Timeout:     10 * time.Second,
		Actions: []plugin.Action{
			{
				Name: "list", Description: "List recent changes, newest first", Kind: plugin.Read,
				Inputs: []plugin.Input{{
					Name: "limit", Prompt: "Limit", Description: fmt.Sprintf("the newest so many, at most %d", maxList), Type: plugin.Integer, Default: int64(usualList),
				}},
				Outputs: answers.Outputs[answers.Jobs](),
			},
			{
				Name: "show", Description: "Show a job's state and result; skipped on hosts that do not know the job", Kind: plugin.Read,
				Inputs:    []plugin.Input{id},
				Outputs:   answers.Outputs[answers.Job](),
				Summaries: []plugin.Summary{{Output: "state", By: plugin.CountValues}},
			},
			{
				Name: "output", Description: "Return the output of a change in pieces; skipped on hosts that have none", Kind: plugin.Read,
				Inputs: []plugin.Input{id, {
					Name: "offset", Prompt: "Offset", Description: "where the piece begins, in bytes", Type: plugin.Integer, Default: int64(0),
				}},
				Outputs: answers.Outputs[answers.Output](),
			},
			{
				Name: "cancel", Description: "Stop a running job, and do not start it on hosts it has not reached yet", Kind: plugin.Change,
				Inputs: []plugin.Input{id},
			},
		},
	}
}
