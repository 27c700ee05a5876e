package rpcutil

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"fleet/internal/bubble"
	"fleet/plugins/plugin"
)

type fakeHost struct{ refreshed int }

var taken = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func (h *fakeHost) Name() string              { return "web1" }
func (h *fakeHost) Configured() string        { return "db1" }
func (h *fakeHost) ID() string                { return "id1" }
func (h *fakeHost) Version() string           { return "0.1" }
func (h *fakeHost) Kind() string              { return "peer" }
func (h *fakeHost) Broker() bool              { return true }
func (h *fakeHost) Started() time.Time        { return time.Now().Add(-90 * time.Second) }
func (h *fakeHost) Labels() map[string]string { return map[string]string{"hagroup": "a"} }
func (h *fakeHost) Classes() []string         { return []string{"base"} }
func (h *fakeHost) Stats() map[string]int64   { return map[string]int64{"jobs_ran": 3} }
func (h *fakeHost) Problems() []Problem {
	return []Problem{{File: "/etc/fleet/facts.d/x.json", Error: "line 1: not JSON"}}
}
func (h *fakeHost) Plugins() []plugin.Declaration { return []plugin.Declaration{Declaration()} }
func (h *fakeHost) Fact(path string) (any, bool) {
	v, ok := map[string]any{"os.family": "Debian", "processors.count": int64(2), "os": map[string]any{"family": "Debian"}, "long": strings.Repeat("x", 300)}[path]
	return v, ok
}
func (h *fakeHost) Facts() (map[string]any, time.Time) {
	return map[string]any{"os": map[string]any{"family": "Debian"}}, taken
}
func (h *fakeHost) View() View {
	return View{Hash: "abc", Alive: 1, Failed: 1, Left: 2, Members: []Seen{{"id1", "web1", "alive"}, {"id2", "web2", "failed"}}}
}
func (h *fakeHost) Standing() Standing {
	return Standing{Protocol: 1, Connected: "10.0.0.1:7421", Clients: 4, Routes: []string{"id2"}, Roster: 3, Documents: make([]string, 40), Expires: taken, Renews: taken,
		Trouble: []string{"its certificate is overdue"}, View: h.View()}
}
func (h *fakeHost) Forget(id string) (bool, error) {
	if id == "id1" {
		return true, errors.New("web1 is alive")
	}
	return id == "id2", nil
}
func (h *fakeHost) Refresh(context.Context) { h.refreshed++ }
func (h *fakeHost) Can(_ context.Context, q Question) Decision {
	return Decision{Allowed: q.Admin == "ann", Waits: q.Targets > 5, By: fmt.Sprintf("%s.%s %v", q.Plugin, q.Action, q.Args), But: q.Args["but"]}
}

func TestForget(t *testing.T) {
	for id, want := range map[string]plugin.Result{
		"id1": plugin.Failf("web1 is alive"), "id2": {State: plugin.OK, Message: "forgotten"}, "id3": {State: plugin.Unchanged, Message: "not known here"},
	} {
		got := New(&fakeHost{}).Run(t.Context(), plugin.Call{Action: "forget", Args: plugin.Args{"node": id}})
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
		got := New(&fakeHost{}).Run(t.Context(), plugin.Call{Action: "can", Args: tt.args})
		if got.State != tt.state || got.Message != tt.message {
			t.Errorf("%v: got %s %q, want %s %q", tt.args, got.State, got.Message, tt.state, tt.message)
		}
	}
}

func TestRun(t *testing.T) {
	problems := []any{map[string]any{"file": "/etc/fleet/facts.d/x.json", "error": "line 1: not JSON"}}
	facts := map[string]any{"os": map[string]any{"family": "Debian"}}
	tests := []struct {
		action, argument string // the argument of the action's only input
		state            plugin.State
		message          string
		data             map[string]any // some of it
	}{
		{"get_fact", "os.family", plugin.OK, "Debian", map[string]any{"fact": "os.family", "value": "Debian"}},
		{"get_fact", "processors.count", plugin.OK, "2", map[string]any{"value": int64(2)}},
		{"get_fact", "os", plugin.OK, `{"family":"Debian"}`, nil},
		{"get_fact", "long", plugin.OK, strings.Repeat("x", 200) + "...", map[string]any{"value": strings.Repeat("x", 300)}},
		{"get_fact", "nope", plugin.Skipped, "no fact nope on this host", nil},
		{"get_facts", "os.family,nope, processors.count", plugin.OK, "os.family=Debian processors.count=2",
			map[string]any{"values": map[string]any{"os.family": "Debian", "processors.count": int64(2)}}},
		{"get_facts", "nope", plugin.Skipped, "none of these facts is on this host", nil},
		{"get_facts", ",", plugin.Failed, "no fact is named; write them with commas between: os.family,processors.count", nil},
		{"get_facts", strings.Repeat("a,", 65), plugin.Failed, "65 facts are named, at most 64 are told at once; the action facts tells all", nil},
		{"facts", "", plugin.OK, "1 facts", map[string]any{"facts": facts, "taken": "2026-01-02T03:04:05Z"}},
		{"refresh_facts", "", plugin.OK, "1 facts, 1 could not be had: /etc/fleet/facts.d/x.json: line 1: not JSON",
			map[string]any{"count": int64(1), "problems": problems}},
		{"inventory", "", plugin.OK, "fleet 0.1, 1 facts, 1 plugins", map[string]any{
			"configured": "db1",
			"name":       "web1", "id": "id1", "version": "0.1", "kind": "peer", "broker": true, "uptime": int64(90), "facts": facts,
			"classes": []any{"base"}, "labels": map[string]any{"hagroup": "a"}, "plugins": []any{"rpcutil"},
			"stats": map[string]any{"jobs_ran": int64(3)}, "problems": problems,
		}},
		{"agent_inventory", "", plugin.OK, "rpcutil", nil},
		{"daemon_stats", "", plugin.OK, "fleet 0.1, up 1m30s", map[string]any{"stats": map[string]any{"jobs_ran": int64(3)}, "uptime": int64(90)}},
		{"collective_info", "", plugin.OK, "peer with a broker", map[string]any{"kind": "peer", "broker": true}},
		{"status", "", plugin.OK, "fleet 0.1, roster version 3, sees 1 alive and 1 failed; its certificate is overdue", map[string]any{
			"name": "web1", "protocol": int64(1), "connected": "10.0.0.1:7421", "clients": int64(4), "routes": []any{"id2"}, "roster": int64(3), "document_count": int64(40),
			"documents": texts(make([]string, 32)), "expires": "2026-01-02T03:04:05Z", "trouble": []any{"its certificate is overdue"},
			"view": "abc", "alive": int64(1), "failed": int64(1), "left": int64(2)}},
		{"view", "", plugin.OK, "1 alive, 1 failed", map[string]any{"view": "abc", "members": []any{"id1 web1 alive", "id2 web2 failed"}, "more": int64(0)}},
		{"dance", "", plugin.Failed, `rpcutil has no action "dance"`, nil},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%s %.20s", tt.action, tt.argument), func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				p := New(&fakeHost{})
				a, _ := p.Declaration().Action(tt.action)
				args := plugin.Args{}
				for _, in := range a.Inputs {
					args[in.Name] = tt.argument
				}
				res := p.Run(t.Context(), plugin.Call{Action: tt.action, Args: args})
				if res.State != tt.state || res.Message != tt.message {
					t.Errorf("%s, %q; want %s, %q", res.State, res.Message, tt.state, tt.message)
				}
				for name, want := range tt.data {
					if !reflect.DeepEqual(res.Data[name], want) {
						t.Errorf("%s is %#v, want %#v", name, res.Data[name], want)
					}
				}
				declared := map[string]bool{}
				for _, out := range a.Outputs {
					declared[out.Name] = true
				}
				for name := range res.Data {
					if !declared[name] {
						t.Errorf("output %s is not declared", name)
					}
				}
			})
		})
	}
}

func TestPing(t *testing.T) {
	before := time.Now().UnixMilli()
	res := New(nil).Run(t.Context(), plugin.Call{Action: "ping"}) // no host: ping asks it nothing
	if at, _ := res.Data["time"].(int64); res.State != plugin.OK || at < before || at > time.Now().UnixMilli() {
		t.Errorf("got %v", res)
	}
}

func TestRefreshAsksTheHostAndEndsWithItsContext(t *testing.T) {
	h := &fakeHost{}
	New(h).Run(t.Context(), plugin.Call{Action: "refresh_facts"})
	if h.refreshed != 1 {
		t.Errorf("refreshed %d times", h.refreshed)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if res := New(h).Run(ctx, plugin.Call{Action: "refresh_facts"}); res.State != plugin.Failed {
		t.Errorf("got %v", res)
	}
}

func BenchmarkPing(b *testing.B) {
	p := New(&fakeHost{})
	b.ReportAllocs()
	for b.Loop() {
		p.Run(context.Background(), plugin.Call{Action: "ping"})
	}
}
