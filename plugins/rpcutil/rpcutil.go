package rpcutil

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"fleet/plugins/plugin"
)

// Plugin tells of one host.
type Plugin struct {
	host        Host
	declaration plugin.Declaration
}

// New returns the plugin for a host. It asks the host nothing yet.
func New(host Host) *Plugin { return &Plugin{host: host, declaration: Declaration()} }

// Declaration is the same on every host; see the function of that name.
func (p *Plugin) Declaration() plugin.Declaration { return p.declaration }

// Run does one action. Only refresh_facts, can and audit block.
func (p *Plugin) Run(ctx context.Context, call plugin.Call) plugin.Result {
	switch call.Action {
	case "ping":
		return ok("", map[string]any{"time": time.Now().UnixMilli()})
	case "get_fact":
		return p.fact(call.Args.String("fact"))
	case "get_facts":
		return p.someFacts(call.Args.String("facts"))
	case "facts":
		facts, taken := p.host.Facts()
		return ok(fmt.Sprintf("%d facts", len(facts)), map[string]any{"facts": facts, "taken": stamp(taken)})
	case "names":
		return p.names(call.Args)
	case "refresh_facts":
		return p.refresh(ctx)
	case "can":
		return p.can(ctx, call.Args)
	case "forget":
		return p.forget(call.Args.String("node"))
	case "audit":
		return p.audit(ctx, call.Args)
	case "inventory":
		return p.inventory()
	case "agent_inventory":
		return p.agents()
	case "status":
		return p.status()
	case "view":
		return p.view()
	case "daemon_stats":
		data := p.about()
		data["stats"] = counters(p.host.Stats())
		return ok(fmt.Sprintf("fleet %s, up %s", p.host.Version(), time.Since(p.host.Started()).Round(time.Second)), data)
	case "collective_info":
		message := p.host.Kind()
		if p.host.Broker() {
			message += " with a broker"
		}
		return ok(message, p.about())
	}
	return plugin.Failf("rpcutil has no action %q", call.Action)
}

func ok(message string, data map[string]any) plugin.Result {
	return plugin.Result{State: plugin.OK, Message: message, Data: data}
}

func (p *Plugin) fact(name string) plugin.Result {
	value, found := p.host.Fact(name)
	if !found {
		return plugin.Skipf("no fact %s on this host", name)
	}
	return ok(line(value), map[string]any{"fact": name, "value": value})
}

func (p *Plugin) someFacts(list string) plugin.Result {
	names := strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
	switch {
	case len(names) == 0:
		return plugin.Failf("no fact is named; write them with commas between: os.family,processors.count")
	case len(names) > maxFactNames:
		return plugin.Failf("%d facts are named, at most %d are told at once; the action facts tells all", len(names), maxFactNames)
	}
	values := map[string]any{}
	var lines []string
	for _, name := range names {
		if value, found := p.host.Fact(name); found {
			values[name] = value
			lines = append(lines, name+"="+line(value))
		}
	}
	if len(values) == 0 {
		return plugin.Skipf("none of these facts is on this host")
	}
	return ok(strings.Join(lines, " "), map[string]any{"values": values})
}

// maxLine bounds a value in a message, in bytes; Data has all of it.
const maxLine = 200

// line is a fact's value on one line: text as it is, anything else as JSON.
func line(value any) string {
	text, isText := value.(string)
	if !isText {
		b, err := json.Marshal(value)
		if err != nil {
			return fmt.Sprintf("a %T", value)
		}
		text = string(b)
	}
	if len(text) > maxLine {
		return strings.ToValidUTF8(text[:maxLine], "") + "..."
	}
	return text
}

func (p *Plugin) refresh(ctx context.Context) plugin.Result {
	p.host.Refresh(ctx)
	if ctx.Err() != nil {
		return plugin.Failf("the facts were not taken within the time limit; an executable fact may hang")
	}
	facts, taken := p.host.Facts()
	problems := p.host.Problems()
	message := fmt.Sprintf("%d facts", len(facts))
	if n := len(problems); n > 0 {
		message += fmt.Sprintf(", %d could not be had: %s: %s", n, problems[0].File, problems[0].Error)
	}
	return ok(message, map[string]any{"count": int64(len(facts)), "taken": stamp(taken), "problems": problemList(problems)})
}

func (p *Plugin) inventory() plugin.Result {
	data := p.about()
	if name := p.host.Configured(); name != "" && name != p.host.Name() {
		data["configured"] = name
	}
	facts, taken := p.host.Facts()
	data["facts"], data["taken"] = facts, stamp(taken)
	data["problems"] = problemList(p.host.Problems())
	data["classes"] = texts(p.host.Classes())
	data["stats"] = counters(p.host.Stats())
	labels := map[string]any{}
	for name, value := range p.host.Labels() {
		labels[name] = value
	}
	data["labels"] = labels
	var names []string
	for _, d := range p.host.Plugins() {
		names = append(names, d.Name)
	}
	data["plugins"] = texts(names)
	return ok(fmt.Sprintf("fleet %s, %d facts, %d plugins", p.host.Version(), len(facts), len(names)), data)
}

func (p *Plugin) agents() plugin.Result {
	list := []any{}
	var names []string
	for _, d := range p.host.Plugins() {
		actions := []any{}
		for _, a := range d.Actions {
			actions = append(actions, a.Name)
		}
		list = append(list, map[string]any{
			"name": d.Name, "version": d.Version, "description": d.Description,
			"timeout": int64(d.Timeout / time.Second), "actions": actions,
		})
		names = append(names, d.Name)
	}
	return ok(strings.Join(names, ", "), map[string]any{"agents": list})
}

// about is what several actions begin with.
func (p *Plugin) about() map[string]any {
	started := p.host.Started()
	return map[string]any{
		"name": p.host.Name(), "id": p.host.ID(), "version": p.host.Version(), "kind": p.host.Kind(), "broker": p.host.Broker(),
		"started": stamp(started), "uptime": int64(time.Since(started) / time.Second),
	}
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func texts(list []string) []any {
	out := make([]any, len(list))
	for i, s := range list {
		out[i] = s
	}
	return out
}

func counters(stats map[string]int64) map[string]any {
	out := make(map[string]any, len(stats))
	for name, n := range stats {
		out[name] = n
	}
	return out
}

func problemList(problems []Problem) []any {
	out := make([]any, len(problems))
	for i, p := range problems {
		out[i] = map[string]any{"file": p.File, "error": p.Error}
	}
	return out
}
