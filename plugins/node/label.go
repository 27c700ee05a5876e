package node

import (
	"context"
	"encoding/base64"
	"maps"
	"slices"

	"fleet/plugins/plugin"
)

// maxLabelsText bounds the signed labels of a host as text, in bytes.
const maxLabelsText = 8 << 10

func labelAction() plugin.Action {
	return plugin.Action{
		Name: "label", Description: "Give this host other labels; what fleet node label signs and sends", Kind: plugin.Change,
		Inputs: []plugin.Input{{
			Name: "labels", Prompt: "Labels", Description: "all labels of this host, as an admin signed them, base64url", Type: plugin.String, Positional: true,
			Pattern: `[A-Za-z0-9_-]+`, MaxLength: maxLabelsText,
		}},
		Outputs: []plugin.Output{{Name: "labels", Description: "all labels of the host", Label: "Labels"}},
	}
}

func (p Plugin) label(ctx context.Context, text string) plugin.Result {
	signed, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return plugin.Failf("the labels are damaged: not base64")
	}
	labels, changed, err := p.host.TakeLabels(ctx, signed)
	if err != nil {
		return plugin.Failf("%v", err)
	}
	words := []any{}
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		words = append(words, name+"="+labels[name])
	}
	r := plugin.Result{State: plugin.OK, Message: "labelled", Data: map[string]any{"labels": words}}
	if !changed {
		r.State, r.Message = plugin.Unchanged, "it has these labels already"
	}
	return r
}
