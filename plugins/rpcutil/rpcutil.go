package rpcutil

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"fleet/plugins/answers"
	"fleet/plugins/plugin"
)

// Plugin reports on one host.
type Plugin struct {
	host  Host
	facts Facts
}

// New returns the plugin for a host. It asks the host nothing yet.
func New(host Host, facts Facts) Plugin { return Plugin{host, facts} }

// Declaration is the same on every host; see the function of that name.
func (Plugin) Declaration() plugin.Declaration { return Declaration() }

// Run does one action. Only refresh_facts blocks.
func (p Plugin) Run(ctx context.Context, call plugin.Call) plugin.Result {
	switch call.Action {
	case "ping":
		return ok("", map[string]any{"time": time.Now().UnixMilli()})
	case "get_fact":
		return p.fact(call.Args.String("fact"))
	case "get_facts":
		return p.someFacts(call.Args.String("facts"))
	case "facts":
		c := p.facts.Collected()
		return answers.OK(fmt.Sprintf("%d facts", len(c.Facts)), allFacts{c.Facts, answers.At(c.Taken)})
	case "names":
		return p.names(call.Args)
	case "refresh_facts":
		return p.refresh(ctx)
	case "inventory":
		return p.inventory()
	case "agent_inventory":
		return p.agents()
	case "daemon_stats":
		about := p.host.About()
		up := time.Duration(about.Uptime) * time.Second
		return answers.OK(fmt.Sprintf("fleet %s, up %s", about.Version, up), answers.Statistics{About: about, Stats: p.host.Stats()})
	case "collective_info":
		about := p.host.About()
		message := about.Kind
		if about.Broker {
			message += " with a broker"
		}
		return answers.OK(message, about)
	}
	return plugin.Failf("rpcutil has no action %q", call.Action)
}

func ok(message string, data map[string]any) plugin.Result {
	return plugin.Result{State: plugin.OK, Message: message, Data: data}
}

func (p Plugin) fact(name string) plugin.Result {
	value, found := p.facts.Fact(name)
	if !found {
		return plugin.Skipf("no fact %s on this host", name)
	}
	return ok(line(value), map[string]any{"fact": name, "value": value})
}

func (p Plugin) someFacts(list string) plugin.Result {
	names := strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
	switch {
	case len(names) == 0:
		return plugin.Failf("no fact is named; write them with commas between: os.family,processors.count")
	case len(names) > maxFactNames:
		return plugin.Failf("%d facts are named, at most %d are possible at once; the action facts reports all", len(names), maxFactNames)
	}
	values := map[string]any{}
	var lines []string
	for _, name := range names {
		if value, found := p.facts.Fact(name); found {
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

// The answers that only people read.
type (
	allFacts struct {
		Facts map[string]any `output:"facts" label:"Facts" says:"All facts"`
		Taken answers.Time   `output:"taken" label:"Facts collected" says:"When the facts were collected (RFC 3339, UTC)"`
	}
	refreshed struct {
		Count    int64             `output:"count" label:"Facts" says:"How many facts there are, counting outermost names"`
		Taken    answers.Time      `output:"taken" label:"Facts collected" says:"When the facts were collected (RFC 3339, UTC)"`
		Problems []answers.Problem `output:"problems" label:"Problems" says:"Custom facts that could not be read: file and error of each"`
	}
)

func (p Plugin) refresh(ctx context.Context) plugin.Result {
	p.facts.Refresh(ctx)
	if ctx.Err() != nil {
		return plugin.Failf("the facts were not collected within the time limit; an executable fact may hang")
	}
	c := p.facts.Collected()
	message := fmt.Sprintf("%d facts", len(c.Facts))
	if n := len(c.Problems); n > 0 {
		message += fmt.Sprintf(", %d could not be read: %s: %s", n, c.Problems[0].File, c.Problems[0].Error)
	}
	return answers.OK(message, refreshed{int64(len(c.Facts)), answers.At(c.Taken), c.Problems})
}

func (p Plugin) inventory() plugin.Result {
	c := p.facts.Collected()
	x := answers.Inventory{
		About: p.host.About(), Facts: c.Facts, Taken: answers.At(c.Taken), Problems: c.Problems, Classes: c.Classes, Labels: p.host.Labels(), Stats: p.host.Stats(),
	}
	for _, d := range p.host.Plugins() {
		x.Plugins = append(x.Plugins, d.Name)
	}
	return answers.OK(fmt.Sprintf("fleet %s, %d facts, %d plugins", x.Version, len(c.Facts), len(x.Plugins)), x)
}

func (p Plugin) agents() plugin.Result {
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
