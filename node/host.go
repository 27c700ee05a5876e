package node

import (
	"context"
	"fmt"
	"time"

	"fleet/plugins/jobs"
	"fleet/plugins/plugin"
	"fleet/plugins/rpcutil"
)

// host is this node as filters and the rpcutil plugin see it.
type host struct{ n *Node }

func (h host) Name() string { return h.n.self.Load().Name }

func (h host) Configured() string {
	if h.n.config.Configured == nil {
		return ""
	}
	return h.n.config.Configured()
}

func (h host) ID() string { return string(h.n.self.Load().ID) }

func (h host) Version() string { return h.n.config.Version }

func (h host) Started() time.Time { return h.n.started }

// Fact answers filters. Labels are attested by the token's signer and win over what the host reports itself.
func (h host) Fact(path string) (any, bool) {
	if v, ok := h.n.self.Load().Labels[path]; ok {
		return v, true
	}
	return h.n.facts.Current().Facts.Lookup(path)
}

func (h host) Facts() (map[string]any, time.Time) {
	s := h.n.facts.Current()
	return s.Facts, s.Taken
}

func (h host) Refresh(ctx context.Context) { h.n.facts.Refresh(ctx) }

func (h host) Problems() []rpcutil.Problem {
	var list []rpcutil.Problem
	for _, p := range h.n.facts.Current().Problems {
		list = append(list, rpcutil.Problem(p))
	}
	return list
}

func (h host) Classes() []string { return h.n.facts.Current().Classes }

func (h host) Labels() map[string]string { return h.n.self.Load().Labels }

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
	return source.Query(ctx, argument)
}

func (h host) Stats() map[string]int64 { return h.n.countKeys(h.n.runner.Totals()) }

func (h host) Kind() string { return string(h.n.self.Load().Role) }

// Can asks the gate, which is there before any job is.
func (h host) Can(ctx context.Context, q rpcutil.Question) rpcutil.Decision {
	answer, but := h.n.gate.Can(ctx, q.Admin, q.Plugin, q.Action, q.Args, q.Targets)
	d := rpcutil.Decision{Allowed: answer.Allowed, Waits: answer.Waits, By: answer.By}
	if but != nil {
		d.But = but.Error()
	}
	return d
}

func (h host) Jobs(limit int) ([]jobs.Job, error) { return h.n.records.Jobs(limit) }

func (h host) Job(id string) (jobs.Job, bool, error) { return h.n.records.Job(id) }

func (h host) Cancel(id string) (jobs.Stop, jobs.Job, error) { return h.n.records.Cancel(id) }

func (h host) Output(id string, offset int64, limit int) (jobs.Output, bool, error) {
	return h.n.records.Output(id, offset, limit)
}

func (h host) Broker() bool { return h.n.mesh.RunsBroker() }
