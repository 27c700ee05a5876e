package node

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"fleet/gossip"
	"fleet/internal/logkey"
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
	h := Health{Live: n.pulse.hung(), Ready: n.readiness()}
	alive, failed, _ := n.presences()
	sees := fmt.Sprintf("sees %d alive, %d failed", alive, failed)
	if n.gossip == nil {
		sees = "does not gossip"
	}
	text := []string{n.self.Load().Name + ": " + sees}
	if h.Ready != nil {
		text = append(text, h.Ready.Error())
	} else if nc := n.conn.Load(); nc != nil {
		text = append(text, "broker "+nc.ConnectedAddr())
	}
	if n.carriesBroker.Load() {
		text = append(text, "carries a broker")
	}
	if h.Live != nil {
		text = append(text, h.Live.Error())
	}
	h.Text = strings.Join(text, "; ")
	return h
}

func (n *Node) readiness() error {
	nc := n.conn.Load()
	switch {
	case nc == nil || !nc.IsConnected():
		return errNoBroker
	case !n.subscribed.Load():
		return errors.New("not subscribed to jobs")
	}
	return nil
}

// meshTurned is called by the mesh loop after each turn.
func (n *Node) meshTurned() {
	n.pulse.beat(loopMesh)
	n.carried.Store(n.broker)
}

// presences counts whom this node knows, itself included.
func (n *Node) presences() (alive, failed, left int) {
	for _, m := range n.welcome() {
		switch m.State {
		case gossip.Alive:
			alive++
		case gossip.Left:
			left++
		default:
			failed++
		}
	}
	return alive, failed, left
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
			n.log.Info("metrics", "at", l.Addr())
			err = metrics.Serve(ctx, l, source, n.log)
		}
		if err != nil {
			n.log.Error("metrics and health cannot be shown; trying again", logkey.Error, err, logkey.Retry, metricsAgain)
		}
		select {
		case <-ctx.Done():
		case <-time.After(metricsAgain):
		}
	}
}
