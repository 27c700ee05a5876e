package node

import (
	"fmt"
	"strings"

	"fleet/internal/wire"
	"fleet/job"
	"fleet/plugins/plugin"
)

const (
	// maxMessage bounds the one line that is shown for a host, in bytes.
	maxMessage = 8 << 10
	// maxOutputs bounds a result's outputs as encoded; the rest of MaxReply is for the message, the chain and the seal.
	maxOutputs = job.MaxReply - 64<<10
	// maxNesting bounds how deep outputs are looked at; what can be sent is less.
	maxNesting = 32
)

// replyOf makes a reply of what a plugin answered. A plugin passes on what programs print, so all of it is foreign: what
// the asker could not read would be thrown away there, and the host would be called silent.
func replyOf(r plugin.Result) job.Reply {
	reply := job.Reply{Kind: job.Result, State: job.State(r.State), Message: readable(r.Message)}
	switch r.State {
	case plugin.OK, plugin.Unchanged, plugin.Skipped, plugin.Failed:
	default:
		reply.State = job.Failed
		reply.Message = fmt.Sprintf("the plugin ended in the unknown state %q: %s", r.State, reply.Message)
	}
	if len(reply.Message) > maxMessage {
		reply.Message = strings.ToValidUTF8(reply.Message[:maxMessage], "") + " (cut off)"
	}
	var err error
	if reply.Data, err = outputs(r.Data); err != nil {
		reply.Message = strings.TrimSpace(reply.Message + fmt.Sprintf(" (outputs left out: %v)", err))
	}
	return reply
}

// outputs returns data as the asker will be able to read it.
func outputs(data map[string]any) (map[string]any, error) {
	if len(data) == 0 {
		return nil, nil
	}
	clean, err := readableValue(data, 0)
	if err != nil {
		return nil, err
	}
	data = clean.(map[string]any)
	raw, err := wire.Marshal(job.Reply{Data: data})
	if err != nil {
		return nil, err
	}
	if len(raw) > maxOutputs {
		return nil, fmt.Errorf("%d bytes, at most %d fit", len(raw), maxOutputs)
	}
	if err := wire.Unmarshal(raw, &job.Reply{}); err != nil {
		return nil, err
	}
	return data, nil
}

// readable replaces what is not UTF-8.
func readable(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

func readableValue(v any, depth int) (any, error) {
	if depth > maxNesting {
		return nil, fmt.Errorf("values are nested more than %d deep", maxNesting)
	}
	switch v := v.(type) {
	case string:
		return readable(v), nil
	case []any:
		out := make([]any, len(v))
		for i := range v {
			var err error
			if out[i], err = readableValue(v[i], depth+1); err != nil {
				return nil, err
			}
		}
		return out, nil
	case map[string]any:
		out := make(map[string]any, len(v))
		for name := range v {
			value, err := readableValue(v[name], depth+1)
			if err != nil {
				return nil, err
			}
			out[readable(name)] = value
		}
		return out, nil
	}
	return v, nil
}
