package node

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"fleet/plugins/answers"
	"fleet/plugins/plugin"
)

// fakeHost is both a Host and a Mesh.
type fakeHost struct{ members int }

func (h fakeHost) View() answers.View {
	v := answers.View{ViewSummary: answers.ViewSummary{ViewHash: "abc", Alive: int64(h.members), Failed: 1, Left: 2}}
	for i := range h.members {
		v.Members = append(v.Members, answers.Seen{ID: fmt.Sprint("id", i), Name: fmt.Sprint("web", i), Presence: "alive"})
	}
	return v
}

func (h fakeHost) Status() answers.Status {
	return answers.Status{
		About: answers.About{Name: "web1", Version: "0.1", Configured: "db1"}, Roster: 3, Documents: make([]answers.Document, 40), Trouble: []string{"its certificate is overdue"},
		Expires: answers.At(time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)), ViewSummary: h.View().ViewSummary,
	}
}

func (fakeHost) Forget(id string) (bool, error) {
	if id == "id1" {
		return true, errors.New("web1 is alive")
	}
	return id == "id2", nil
}

func (fakeHost) Can(_ context.Context, q Question) answers.Decision {
	return answers.Decision{Allowed: q.Admin == "ann", Waits: q.Targets > 5, By: fmt.Sprintf("%s.%s %v", q.Plugin, q.Action, q.Args), But: q.Args["but"]}
}

func run(t *testing.T, h fakeHost, action string) plugin.Result {
	t.Helper()
	return New(h, h).Run(t.Context(), plugin.Call{Action: action})
}

func TestStatus(t *testing.T) {
	got := run(t, fakeHost{members: 1}, "status")
	if want := "fleet 0.1, roster version 3, sees 1 alive and 1 failed; its certificate is overdue"; got.State != plugin.OK || got.Message != want {
		t.Errorf("%s %q, want %q", got.State, got.Message, want)
	}
	s, err := answers.From[answers.Status](got.Data)
	if err != nil || len(s.Documents) != maxStatusDocuments || s.DocumentCount != 40 || s.ViewHash != "abc" || s.Left != 2 || got.Data["expires"] != "2026-01-02T03:04:05Z" {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestView(t *testing.T) {
	for members, more := range map[int]int64{1: 0, maxViewMembers: 0, maxViewMembers + 7: 7} {
		got := run(t, fakeHost{members}, "view")
		v, err := answers.From[answers.View](got.Data)
		if err != nil || v.More != more || len(v.Members) != members-int(more) || v.Members[0] != (answers.Seen{ID: "id0", Name: "web0", Presence: "alive"}) {
			t.Errorf("%d members: %d and %d more, %v", members, len(v.Members), v.More, err)
		}
	}
}

// TestOutputsAreDeclared finds an answer that says more than the declaration.
func TestOutputsAreDeclared(t *testing.T) {
	for _, a := range Declaration().Actions {
		declared := map[string]bool{}
		for _, o := range a.Outputs {
			declared[o.Name] = true
		}
		args := plugin.Args{"limit": int64(1), "admin": "ann", "node": "id2"}
		got := New(fakeHost{}, fakeHost{}).Run(t.Context(), plugin.Call{Action: a.Name, Args: args})
		said := map[string]bool{}
		for name := range got.Data {
			said[name] = true
		}
		if got.State != plugin.OK || len(declared) > 0 && !reflect.DeepEqual(said, declared) {
			t.Errorf("%s: %s, says %v, declares %v", a.Name, got.State, said, declared)
		}
	}
	if got := run(t, fakeHost{}, "dance"); got.Message != `node has no action "dance"` {
		t.Errorf("%+v", got)
	}
}

func TestForget(t *testing.T) {
	for id, want := range map[string]plugin.Result{
		"id1": plugin.Failf("web1 is alive"), "id2": {State: plugin.OK, Message: "forgotten"}, "id3": {State: plugin.Unchanged, Message: "not known here"},
	} {
		got := New(fakeHost{}, fakeHost{}).Run(t.Context(), plugin.Call{Action: "forget", Args: plugin.Args{"node": id}})
		if got.State != want.State || got.Message != want.Message {
			t.Errorf("%s: %+v, want %+v", id, got, want)
		}
	}
}

func TestCan(t *testing.T) {
	tests := []struct {
		args    plugin.Args
		state   plugin.State
		message string
	}{
		{plugin.Args{"admin": "ann", "plugin": "service", "action": "restart", "arguments": "service=nginx&x=a+b%26"}, plugin.OK, "yes: service.restart map[service:nginx x:a b&]"},
		{plugin.Args{"admin": "bob", "plugin": "service", "action": "restart"}, plugin.OK, "no: service.restart map[]"},
		{plugin.Args{"admin": "bob", "plugin": "a", "action": "b", "targets": int64(6)}, plugin.OK, "no, it waits for a second admin's signature: a.b map[]"},
		{plugin.Args{"admin": "ann", "plugin": "a", "action": "b", "arguments": "but=broken"}, plugin.OK, "no: broken (policy would allow it: a.b map[but:broken])"},
		{plugin.Args{"admin": "ann", "plugin": "a", "action": "b", "arguments": "x=1&x=2"}, plugin.Failed, `arguments: "x" is given twice or has no name`},
		{plugin.Args{"admin": "ann", "plugin": "a", "action": "b", "arguments": "%zz"}, plugin.Failed, `arguments: invalid URL escape "%zz"`},
		{plugin.Args{"admin": "ann", "plugin": "a", "action": "b", "targets": int64(-1)}, plugin.Failed, "targets: -1 is not a number of hosts"},
	}
	for _, tt := range tests {
		got := New(fakeHost{}, fakeHost{}).Run(t.Context(), plugin.Call{Action: "can", Args: tt.args})
		if got.State != tt.state || got.Message != tt.message {
			t.Errorf("%v: got %s %q, want %s %q", tt.args, got.State, got.Message, tt.state, tt.message)
		}
	}
}

func (fakeHost) TakeLabels(_ context.Context, signed []byte) (map[string]string, bool, error) {
	if string(signed) == "bad" {
		return nil, false, errors.New("no admin signed these labels")
	}
	return map[string]string{"role": "db", "env": "prod"}, string(signed) != "same", nil
}

func TestLabel(t *testing.T) {
	for text, want := range map[string]plugin.State{"new": plugin.OK, "same": plugin.Unchanged, "bad": plugin.Failed} {
		r := New(fakeHost{}, fakeHost{}).Run(t.Context(), plugin.Call{Action: "label", Args: plugin.Args{"labels": base64.RawURLEncoding.EncodeToString([]byte(text))}})
		if r.State != want || want != plugin.Failed && fmt.Sprint(r.Data["labels"]) != "[env=prod role=db]" {
			t.Errorf("%s: %+v", text, r)
		}
	}
	if r := New(fakeHost{}, fakeHost{}).Run(t.Context(), plugin.Call{Action: "label", Args: plugin.Args{"labels": "!"}}); r.State != plugin.Failed {
		t.Errorf("no base64: %+v", r)
	}
}
