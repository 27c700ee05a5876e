package node

import (
	"context"
	"fmt"
	"strings"
	"time"

	"fleet/internal/logkey"
	"fleet/internal/wait"
	"fleet/job"
	"fleet/node/metrics"
)

// Health is how a node does at one moment.
type Health struct {
	Live  error  // why only a restart helps; nil: its loops turn
	Ready error  // why it cannot take jobs now; nil: connected to a broker and subscribed
	Text  string // one line for people
}

// Health says how the node does. It does not block.
func (n *Node) Health() Health {
	h := Health{Live: n.heartbeats.hung(), Ready: n.mesh.Ready()}
	if h.Ready == nil && n.roster.Load().Version == 0 {
		h.Ready = errNoRoster
	}
	seen := n.presences()
	sees := fmt.Sprintf("sees %d alive, %d failed", seen[job.Alive], seen[job.MemberFailed])
	if !n.mesh.Gossips() {
		sees = "does not gossip"
	}
	text := []string{n.identity().Name + ": " + sees}
	if h.Ready != nil {
		text = append(text, h.Ready.Error())
	} else {
		text = append(text, "broker "+n.mesh.Connected())
	}
	if n.mesh.RunsBroker() {
		text = append(text, "runs a broker")
	}
	if h.Live != nil {
		text = append(text, h.Live.Error())
	}
	h.Text = strings.Join(text, "; ")
	return h
}

// presences counts whom this node knows by gossip, itself included.
func (n *Node) presences() map[job.Presence]int {
	seen := map[job.Presence]int{}
	for _, m := range n.mesh.Gossiping() {
		seen[m.Presence]++
	}
	return seen
}

// metricsAgain is how soon it is tried again to listen for those who ask for metrics.
const metricsAgain = 30 * time.Second

// metricsLoop shows metrics and health until ctx ends. That it cannot is logged and tried again: a port that another program
// holds must not keep the agent from its work.
func (n *Node) metricsLoop(ctx context.Context) {
	if n.config.Metrics == "" {
		return
	}
	source := metrics.Source{Measure: n.measure, Health: func() (live, ready error) { h := n.Health(); return h.Live, h.Ready }}
	for ctx.Err() == nil {
		l, err := metrics.Listen(n.config.Metrics)
		if err == nil {
			n.log.Info("serving metrics and health checks", logkey.Addr, l.Addr())
			err = metrics.Serve(ctx, l, source, n.log)
		}
		if err != nil {
			n.log.Error("cannot serve metrics and health checks; retrying", logkey.Error, err, logkey.Retry, metricsAgain)
		}
		wait.For(ctx, metricsAgain)
	}
}
