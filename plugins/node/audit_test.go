package node

import (
	"context"
	"errors"
	"testing"
	"time"

	"fleet/plugins/answers"
	"fleet/plugins/plugin"
)

func (fakeHost) Audit(_ context.Context, q AuditQuery) (answers.AuditPage, error) {
	if q.Job == "broken" {
		return answers.AuditPage{}, errors.New("no disk")
	}
	since := ""
	if !q.Since.IsZero() {
		since = " since " + time.Since(q.Since).Round(time.Second).String()
	}
	return answers.AuditPage{Lines: []string{q.Job + since}, More: q.Limit == 1, Seq: 9, Hash: "ab"}, nil
}

func TestAudit(t *testing.T) {
	const id = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
	tests := []struct {
		args    plugin.Args
		state   plugin.State
		message string
		line    string
		more    bool
	}{
		{plugin.Args{"limit": int64(50)}, plugin.OK, "1 lines of 9", "", false},
		{plugin.Args{"limit": int64(1), "job": id}, plugin.OK, "1 lines of 9", id, true},
		{plugin.Args{"limit": int64(500), "since": int64(3600)}, plugin.OK, "1 lines of 9", " since 1h0m0s", false},
		{plugin.Args{"limit": int64(501)}, plugin.Failed, "limit: 501 is not a number of lines from 1 to 500", "", false},
		{plugin.Args{"limit": int64(0)}, plugin.Failed, "limit: 0 is not a number of lines from 1 to 500", "", false},
		{plugin.Args{"limit": int64(5), "since": int64(-1)}, plugin.Failed, "since: -1 is not a number of seconds", "", false},
		{plugin.Args{"limit": int64(5), "since": int64(1) << 62}, plugin.Failed, "since: 4611686018427387904 is not a number of seconds", "", false},
		{plugin.Args{"limit": int64(5), "job": "broken"}, plugin.Failed, "the audit cannot be read: no disk", "", false},
	}
	for _, tt := range tests {
		got := New(fakeHost{}, fakeHost{}).Run(t.Context(), plugin.Call{Action: "audit", Args: tt.args})
		if got.State != tt.state || got.Message != tt.message {
			t.Errorf("%v: got %s %q", tt.args, got.State, got.Message)
		}
		if tt.state == plugin.OK && (got.Data["lines"].([]any)[0] != tt.line || got.Data["more"] != tt.more || got.Data["seq"] != int64(9)) {
			t.Errorf("%v: got %v", tt.args, got.Data)
		}
	}
}
