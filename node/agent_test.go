package node_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"fleet/job"
	"fleet/plugins/plugin"
)

// Whatever a plugin does, the asker hears how it ended.
func TestBadPluginsAreAnswered(t *testing.T) {
	p := &probe{}
	_, c := one(t, p)
	wantOutcome(t, only(t, ask(t, c, "panic")), job.Failed, "the plugin crashed: as told")
	wantOutcome(t, only(t, ask(t, c, "panic_change")), job.Failed, "the plugin crashed")
	wantOutcome(t, only(t, ask(t, c, "late")), job.TimedOut, "took longer than 50ms: stopped")

	many, deep := make([]any, 20_000), any("bottom")
	for i := range many {
		many[i] = int64(i)
	}
	for range 30 {
		deep = map[string]any{"a": deep}
	}
	for _, tt := range []struct {
		name    string
		state   plugin.State
		message string
		data    map[string]any
		want    job.State
		part    string
	}{
		{"outputs that are too large", plugin.OK, "big", map[string]any{"out": strings.Repeat("x", job.MaxReply)}, job.OK, "outputs left out"},
		{"a message that is too large", plugin.Failed, strings.Repeat("x", job.MaxReply), nil, job.Failed, "xxx"},
		{"both", plugin.Unchanged, strings.Repeat("x", job.MaxReply), map[string]any{"out": strings.Repeat("x", job.MaxReply)}, job.Unchanged, "outputs left out"},
		{"text that is not UTF-8", plugin.OK, "caf\xe9", map[string]any{"out\xff": []any{"na\xefve", map[string]any{"x": "\xff"}}}, job.OK, "caf\uFFFD"},
		{"too many values", plugin.OK, "many", map[string]any{"out": many}, job.OK, "outputs left out"},
		{"values too deep", plugin.OK, "deep", map[string]any{"out": deep}, job.OK, "outputs left out"},
		{"a value of no wire type", plugin.OK, "chan", map[string]any{"out": make(chan int)}, job.OK, "outputs left out"},
		{"no state", "", "well", nil, job.Failed, `unknown state ""`},
		{"a state that is none of its own", "silent", "well", nil, job.Failed, `unknown state "silent"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p.state, p.message, p.outputs = tt.state, tt.message, tt.data
			o := only(t, ask(t, c, "tell"))
			wantOutcome(t, o, tt.want, tt.part)
			if !utf8.ValidString(o.Message) {
				t.Error("the message is not UTF-8")
			}
		})
	}
	p.state, p.message, p.outputs = plugin.OK, "fine", map[string]any{"out": int64(1)}
	if o := only(t, ask(t, c, "tell")); o.State != job.OK || o.Data["out"] != int64(1) {
		t.Errorf("%+v", o)
	}
}
