package node

import (
	"context"
	"fmt"
	"time"

	"fleet/plugins/answers"
	"fleet/plugins/jobs"
	nodeplugin "fleet/plugins/node"
	"fleet/plugins/plugin"
	"fleet/plugins/rpcutil"
)

// host is this node as filters and the plugins that report on it see it.
type host struct{ n *Node }

func (h host) Name() string { return h.n.self.Load().Name }

// About is what the node says of itself first.
func (h host) About() answers.About {
	self := h.n.self.Load()
	about := answers.About{
		Name: self.Name, ID: string(self.ID), Version: h.n.config.Version, Kind: string(self.Role), Broker: h.n.mesh.RunsBroker(),
		Started: answers.At(h.n.started), Uptime: int64(time.Since(h.n.started) / time.Second),
	}
	if h.n.config.Configured != nil {
		if name := h.n.config.Configured(); name != self.Name {
			about.Configured = name
		}
	}
	return about
}

// Fact answers filters. Labels are attested by an admin and win over what the host reports itself.
func (h host) Fact(path string) (any, bool) {
	if v, ok := h.n.identity().Labels[path]; ok {
		return v, true
	}
	return h.n.facts.Current().Facts.Lookup(path)
}

func (h host) Collected() rpcutil.Collected {
	s := h.n.facts.Current()
	c := rpcutil.Collected{Facts: s.Facts, Taken: s.Taken, Classes: s.Classes}
	for _, p := range s.Problems {
		c.Problems = append(c.Problems, answers.Problem(p))
	}
	return c
}

func (h host) Refresh(ctx context.Context) { h.n.facts.Refresh(ctx) }

func (h host) Classes() []string { return h.n.facts.Current().Classes }

func (h host) Labels() map[string]string { return h.n.identity().Labels }

func (h host) TakeLabels(ctx context.Context, signed []byte) (map[string]string, bool, error) {
	return h.n.takeLabels(ctx, signed)
}

func (h host) Plugins() []plugin.Declaration { return h.n.plugins.Declarations() }

func (h host) Agents() []string {
	var names []string
	for _, d := range h.n.plugins.Declarations() {
		names = append(names, d.Name)
	}
	return names
}

func (h host) HasData(function string) bool {
	_, ok := h.n.plugins.DataSource(function)
	return ok
}

func (h host) Data(ctx context.Context, function, argument string) (map[string]any, error) {
	source, ok := h.n.plugins.DataSource(function)
	if !ok {
		return nil, fmt.Errorf("this host has no data function %s()", function)
	}
	return plugin.SafelyQuery(ctx, source, argument)
}

func (h host) Stats() map[string]int64 { return h.n.countKeys(h.n.runner.Totals()) }

// Can asks the gate, which is there before any job is.
func (h host) Can(ctx context.Context, q nodeplugin.Question) answers.Decision {
	answer, but := h.n.gate.Can(ctx, q.Admin, q.Plugin, q.Action, q.Args, q.Targets)
	d := answers.Decision{Allowed: answer.Allowed, Waits: answer.Waits, By: answer.By}
	if but != nil {
		d.But = but.Error()
	}
	return d
}

func (h host) Jobs(limit int) ([]answers.Job, error) { return h.n.records.Jobs(limit) }

func (h host) Job(id string) (answers.Job, bool, error) { return h.n.records.Job(id) }

func (h host) Cancel(id string) (jobs.Stop, answers.Job, error) { return h.n.records.Cancel(id) }

func (h host) Output(id string, offset int64, limit int) (answers.Output, bool, error) {
	return h.n.records.Output(id, offset, limit)
}
