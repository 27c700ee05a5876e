package rpcutil

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"fleet/internal/bubble"
	"fleet/plugins/answers"
	"fleet/plugins/plugin"
)

type fakeHost struct{ refreshed int }

var taken = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func (h *fakeHost) About() answers.About {
	return answers.About{Name: "web1", ID: "id1", Version: "0.1", Kind: "peer", Broker: true, Configured: "db1", Started: answers.At(taken), Uptime: 90}
}
func (h *fakeHost) Labels() map[string]string     { return map[string]string{"hagroup": "a"} }
func (h *fakeHost) Stats() map[string]int64       { return map[string]int64{"jobs_ran": 3} }
func (h *fakeHost) Plugins() []plugin.Declaration { return []plugin.Declaration{Declaration()} }
func (h *fakeHost) Fact(path string) (any, bool) {
	v, ok := map[string]any{"os.family": "Debian", "processors.count": int64(2), "os": map[string]any{"family": "Debian"}, "long": strings.Repeat("x", 300)}[path]
	return v, ok
}
func (h *fakeHost) Collected() Collected {
	return Collected{
		Facts: map[string]any{"os": map[string]any{"family": "Debian"}}, Taken: taken, Classes: []string{"base"},
		Problems: []answers.Problem{{File: "/etc/fleet/facts.d/x.json", Error: "line 1: not JSON"}},
	}
}
func (h *fakeHost) Refresh(context.Context) { h.refreshed++ }
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
		{"get_facts", strings.Repeat("a,", 65), plugin.Failed, "65 facts are named, at most 64 are possible at once; the action facts reports all", nil},
		{"facts", "", plugin.OK, "1 facts", map[string]any{"facts": facts, "taken": "2026-01-02T03:04:05Z"}},
		{"refresh_facts", "", plugin.OK, "1 facts, 1 could not be read: /etc/fleet/facts.d/x.json: line 1: not JSON",
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
		{"dance", "", plugin.Failed, `rpcutil has no action "dance"`, nil},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%s %.20s", tt.action, tt.argument), func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				p := New(&fakeHost{}, &fakeHost{})
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
	res := New(nil, nil).Run(t.Context(), plugin.Call{Action: "ping"}) // no host: ping asks it nothing
	if at, _ := res.Data["time"].(int64); res.State != plugin.OK || at < before || at > time.Now().UnixMilli() {
		t.Errorf("got %v", res)
	}
}

func TestRefreshAsksTheHostAndEndsWithItsContext(t *testing.T) {
	h := &fakeHost{}
	New(h, h).Run(t.Context(), plugin.Call{Action: "refresh_facts"})
	if h.refreshed != 1 {
		t.Errorf("refreshed %d times", h.refreshed)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if res := New(h, h).Run(ctx, plugin.Call{Action: "refresh_facts"}); res.State != plugin.Failed {
		t.Errorf("got %v", res)
	}
}

func BenchmarkPing(b *testing.B) {
	p := New(&fakeHost{}, &fakeHost{})
	b.ReportAllocs()
	for b.Loop() {
		p.Run(context.Background(), plugin.Call{Action: "ping"})
	}
}
