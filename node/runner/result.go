package runner

import (
	"fmt"
	"strings"

	"fleet/internal/wire"
	"fleet/job"
	"fleet/plugins/plugin"
)

// replyOf makes a reply of what a plugin answered. A plugin passes on what programs print, so all of it is foreign: what
// the asker could not read would be thrown away there, and the host would be called silent.
func replyOf(r plugin.Result) job.Reply {
	reply := job.Reply{Kind: job.Result, State: job.State(r.State), Message: plugin.Readable(r.Message)}
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
	data, err := plugin.ReadableData(data)
	if err != nil {
		return nil, err
	}
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
