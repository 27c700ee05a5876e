package jobs

import (
	"fmt"
	"time"

	"fleet/plugins/plugin"
)

const (
	usualList = 20
	maxList   = 200
	// maxData bounds the outputs that are told again, in bytes as JSON: they have to fit into an answer together with the rest.
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
		Description: "Tell of jobs that came to the host, and stop one",
		Author:      "the fleet authors",
		Version:     "1.0.0",
		Timeout:     10 * time.Second,
		Actions: []plugin.Action{
			{
				Name: "list", Description: "Tell which changes came, the newest first", Kind: plugin.Read,
				Inputs: []plugin.Input{{
					Name: "limit", Prompt: "Limit", Description: fmt.Sprintf("the newest so many, at most %d", maxList), Type: plugin.Integer, Default: int64(usualList),
				}},
				Outputs: []plugin.Output{{Name: "jobs", Label: "Jobs", Description: "Each as show tells it, without message, data and targets"}},
			},
			{
				Name: "show", Description: "Tell how a job stands or ended here; skipped where it is not known", Kind: plugin.Read,
				Inputs: []plugin.Input{id},
				Outputs: []plugin.Output{
					{Name: "id", Label: "Job", Description: "The job's id"},
					{Name: "state", Label: "State", Description: "How it ended; running; lost, where the node ended before it did; cancelled, where it was stopped before it came"},
					{Name: "signer", Label: "Signer", Description: "Who signed it, by name; not known of reads"},
					{Name: "plugin", Label: "Plugin", Description: "What it asked for; not known of reads"},
					{Name: "action", Label: "Action", Description: "The same"},
					{Name: "args", Label: "Arguments", Description: "The same, without secrets"},
					{Name: "came", Label: "Came", Description: "When it came (RFC 3339, UTC)"},
					{Name: "ended", Label: "Ended", Description: "When it ended"},
					{Name: "message", Label: "Message", Description: "What it answered"},
					{Name: "data", Label: "Data", Description: "Its outputs"},
					{Name: "kept", Label: "Kept", Description: "Whether the answer is still there; how it ended is known for longer"},
					{Name: "targets", Label: "Targets", Description: "The ids of some of the hosts that the job names, others on each host; none where it was for whoever matched"},
					{Name: "total", Label: "Total", Description: "How many hosts the job names"},
				},
				Summaries: []plugin.Summary{{Output: "state", By: plugin.CountValues}},
			},
			{
				Name: "output", Description: "Tell what a change printed, a piece at a time; skipped where nothing is kept", Kind: plugin.Read,
				Inputs: []plugin.Input{id, {
					Name: "offset", Prompt: "Offset", Description: "where the piece begins, in bytes", Type: plugin.Integer, Default: int64(0),
				}},
				Outputs: []plugin.Output{
					{Name: "text", Label: "Text", Description: "The piece, cut behind a line where there is more"},
					{Name: "next", Label: "Next", Description: "The offset of the next piece"},
					{Name: "size", Label: "Size", Description: "How much there is now, in bytes"},
					{Name: "running", Label: "Running", Description: "Whether there may be more later"},
				},
			},
			{
				Name: "cancel", Description: "Stop a job that runs, and never begin it where it has not come yet", Kind: plugin.Change,
				Inputs: []plugin.Input{id},
			},
		},
	}
}
