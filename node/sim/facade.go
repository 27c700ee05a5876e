package sim

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"fleet/plugins"
	"fleet/plugins/plugin"
)

// groups are the values of the one fact that hosts have, by their number.
const groups = "abc"

// Name is host i's, from 1.
func Name(i int) string { return "sim" + strconv.Itoa(i) }

// facade is what filters see of a host: its name, the fact hagroup, and plugins that do nothing.
type facade struct{ h *host }

func (f facade) Name() string { return f.h.name }

func (f facade) Fact(path string) (any, bool) {
	switch path {
	case "hagroup":
		return string(groups[(f.h.number-1)%len(groups)]), true
	case "hostname":
		return f.h.name, true
	}
	return nil, false
}

func (facade) Classes() []string { return []string{"simulated"} }

func (facade) Agents() []string {
	var names []string
	for _, d := range plugins.BuiltinDeclarations() {
		names = append(names, d.Name)
	}
	return names
}

func (facade) HasData(string) bool { return false }

func (facade) Data(_ context.Context, function, _ string) (map[string]any, error) {
	return nil, fmt.Errorf("a simulated host has no data function %s()", function)
}

// actions are the declarations of the plugins that every node has.
type actions map[string]plugin.Declaration

func newActions() actions {
	a := actions{}
	for _, d := range plugins.BuiltinDeclarations() {
		a[d.Name] = d
	}
	return a
}

// Action implements gate.Plugins.
func (a actions) Action(pluginName, action string) (plugin.Action, bool) {
	return a[pluginName].Action(action)
}

// Reads implements gate.Plugins: simulated hosts have no data functions.
func (actions) Reads(string, string) (plugin.Call, bool) { return plugin.Call{}, false }

// Names implements gate.Plugins: simulated services and packages have no aliases.
func (actions) Names(_ context.Context, _, _, _, value string) (own, other []string, err error) {
	return []string{value}, nil, nil
}

// factsOf are facts of about so many bytes as encoded, a hundred each.
func factsOf(size int) map[string]any {
	facts := map[string]any{"simulated": true}
	for i := range size / 100 {
		facts[fmt.Sprintf("fact%05d", i)] = strings.Repeat("x", 88)
	}
	return facts
}

// pretend is what a simulated host answers: it looks at nothing and changes nothing, whatever it is asked.
func (w *World) pretend(pluginName string, call plugin.Call) plugin.Result {
	r := plugin.Result{State: plugin.OK, Message: "simulated"}
	switch pluginName + "." + call.Action {
	case "rpcutil.ping":
		r.Message, r.Data = "", map[string]any{"time": time.Now().UnixMilli()}
	case "rpcutil.inventory":
		r.Data = map[string]any{"facts": w.facts}
	case "service.status":
		r.Message, r.Data = "running, enabled (simulated)", map[string]any{"state": "running", "enabled": "enabled"}
	case "service.restart":
		r.Message, r.Data = "restarted (simulated)", map[string]any{"state": "running"}
	}
	return r
}
