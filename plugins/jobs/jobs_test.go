package jobs

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"fleet/plugins/answers"
	"fleet/plugins/plugin"
)

const (
	known   = "01M8ECYHY3CMGEQK924NP89792"
	read    = "01M8ECYHY3CMGEQK924NP89793"
	broken  = "01M8ECYHY3CMGEQK924NP89794"
	barred  = "01M8ECYHY3CMGEQK924NP89795"
	unknown = "01M8ECYHY3CMGEQK924NP89796"
	long    = "01M8ECYHY3CMGEQK924NP89797"
)

var (
	noon    = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	restart = answers.Job{
		ID: known, Signer: "ann", Plugin: "service", Action: "restart", Args: map[string]any{"service": "nginx"}, Targets: []string{"a"}, Total: 1,
		Came: answers.At(noon), Ended: answers.At(noon.Add(time.Second)), State: "ok", Kept: true, Message: "restarted", Data: map[string]any{"state": "running"},
	}
	errDisk = errors.New("no disk")
)

type fakeHost struct{}

func (fakeHost) Job(id string) (answers.Job, bool, error) {
	switch id {
	case known:
		return restart, true, nil
	case read:
		return answers.Job{ID: read, State: "running"}, true, nil
	case broken:
		return answers.Job{}, false, errDisk
	case long:
		return answers.Job{ID: long, State: "ok", Kept: true, Message: "m", Data: map[string]any{"x": strings.Repeat("x", maxData)}}, true, nil
	}
	return answers.Job{}, false, nil
}

func (fakeHost) Jobs(limit int) ([]answers.Job, error) {
	if limit == 7 {
		return nil, errDisk
	}
	short := restart
	short.Targets, short.Total, short.Kept, short.Message, short.Data = nil, 0, false, "", nil
	return []answers.Job{short}[:min(limit, 1)], nil
}

func (fakeHost) Cancel(id string) (Stop, answers.Job, error) {
	switch id {
	case known:
		return Ended, restart, nil
	case read:
		return Told, answers.Job{}, nil
	case broken:
		return Ended, answers.Job{}, errDisk
	}
	return Barred, answers.Job{}, nil
}

func (fakeHost) Output(id string, offset int64, limit int) (answers.Output, bool, error) {
	if id == broken {
		return answers.Output{}, false, errDisk
	}
	return answers.Output{Text: "line\n", Next: offset + 5, Size: int64(limit), Running: true}, id == known, nil
}

func TestActions(t *testing.T) {
	shownRestart := map[string]any{
		"id": known, "signer": "ann", "plugin": "service", "action": "restart", "args": map[string]any{"service": "nginx"}, "state": "ok",
		"came": "2026-11-27T12:00:00Z", "ended": "2026-11-27T12:00:01Z",
	}
	whole := map[string]any{"message": "restarted", "kept": true, "data": map[string]any{"state": "running"}, "targets": []any{"a"}, "total": int64(1)}
	for k, v := range shownRestart {
		whole[k] = v
	}
	id := func(id string) plugin.Args { return plugin.Args{"id": id} }
	limit := func(n int64) plugin.Args { return plugin.Args{"limit": n} }
	for _, test := range []struct {
		action  string
		args    plugin.Args
		state   plugin.State
		message string
		data    map[string]any
	}{
		{"list", limit(20), plugin.OK, "1 changes", map[string]any{"jobs": []any{shownRestart}}},
		{"list", limit(0), plugin.Failed, "limit: 0 is not a number of jobs from 1 to 200", nil},
		{"list", limit(201), plugin.Failed, "limit: 201 is not a number of jobs from 1 to 200", nil},
		{"list", limit(7), plugin.Failed, "the journal cannot be read: no disk", nil},
		{"show", id(known), plugin.OK, "ok: restarted", whole},
		{"show", id(read), plugin.OK, "running", map[string]any{"id": read, "state": "running"}},
		{"show", id(long), plugin.OK, "ok: m (its outputs are too long to be sent again)",
			map[string]any{"id": long, "state": "ok", "message": "m (its outputs are too long to be sent again)", "kept": true}},
		{"show", id(broken), plugin.Failed, "the journal cannot be read: no disk", nil},
		{"show", id(unknown), plugin.Skipped, "this job is not known here", nil},
		{"cancel", id(known), plugin.Unchanged, "had ended: ok", nil},
		{"cancel", id(read), plugin.OK, "told to stop; fleet job show says how it ended", nil},
		{"cancel", id(barred), plugin.OK, "has not come here, and will not run if it does", nil},
		{"cancel", id(broken), plugin.Failed, "no disk", nil},
		{"output", plugin.Args{"id": known, "offset": int64(7)}, plugin.OK, "7 to 12 of 131072 bytes",
			map[string]any{"text": "line\n", "next": int64(12), "size": int64(maxPiece), "running": true}},
		{"output", id(unknown), plugin.Skipped, "no output of this job is kept here", nil},
		{"output", id(broken), plugin.Failed, "the output cannot be read: no disk", nil},
		{"other", nil, plugin.Failed, `jobs has no action "other"`, nil},
	} {
		got := New(fakeHost{}).Run(context.Background(), plugin.Call{Action: test.action, Args: test.args})
		want := plugin.Result{State: test.state, Message: test.message, Data: test.data}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s %v:\n%+v, want\n%+v", test.action, test.args, got, want)
		}
	}
}
