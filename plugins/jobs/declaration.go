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
		Name: "id", Prompt: "Job", Description: "the job's id, as a run prints it", Type: plugin.String, Positional: true,
		Pattern: "[0-9A-Z]{26}", MaxLength: 26,
	}
	return plugin.Declaration{
		Name:        "jobs",
		Description: "Report the jobs that came to a host, and stop one",
		Author:      "the fleet authors",
		Version:     "1.0.0",
		Timeout:     10 * time.Second,
		Actions: []plugin.Action{
			{
				Name: "list", Description: "List the changes that came, newest first", Kind: plugin.Read,
				Inputs: []plugin.Input{{
					Name: "limit", Prompt: "Limit", Description: fmt.Sprintf("the newest so many, at most %d", maxList), Type: plugin.Integer, Default: int64(usualList),
				}},
				Outputs: answers.Outputs[answers.Jobs](),
			},
			{
				Name: "show", Description: "Report how a job is doing or ended here; skipped where it is not known", Kind: plugin.Read,
				Inputs:    []plugin.Input{id},
				Outputs:   answers.Outputs[answers.Job](),
				Summaries: []plugin.Summary{{Output: "state", By: plugin.CountValues}},
			},
			{
				Name: "output", Description: "Return what a change printed, a piece at a time; skipped where nothing is kept", Kind: plugin.Read,
				Inputs: []plugin.Input{id, {
					Name: "offset", Prompt: "Offset", Description: "where the piece begins, in bytes", Type: plugin.Integer, Default: int64(0),
				}},
				Outputs: answers.Outputs[answers.Output](),
			},
			{
				Name: "cancel", Description: "Stop a running job, and never start it where it has not arrived yet", Kind: plugin.Change,
				Inputs: []plugin.Input{id},
			},
		},
	}
}
