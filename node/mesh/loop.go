package mesh

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/nats-io/nats.go"

	"fleet/broker"
	"fleet/gossip"
	"fleet/identity"
	"fleet/internal/logkey"
	"fleet/job"
)

// loop is what the mesh loop has to itself: this node's broker, its connection and its subscriptions. Run makes one; what others may
// see of it, it stores in shown.
type loop struct {
	m      *Mesh
	broker *broker.Broker // nil: this node runs none
	role   role
	line   *line // to a broker; nil: there is none
	dialer dialer

	following []string             // brokers, the preferred first
	beyond    []string             // brokers of which gossip says nothing, while this node runs one and hears nobody; else none
	moveAfter time.Time            // to the preferred one, if it is on another then
	moveWait  time.Duration        // after an attempt that failed; 0: none has
	wasLost   bool                 // there was a connection
	outdated  bool                 // the connection was made with credentials that were replaced
	serving   []*nats.Subscription // nil: it does not serve
	told      []string             // the brokers that nodes without gossip were told of last
}

func (m *Mesh) newLoop() *loop {
	return &loop{m: m, role: role{connected: time.Now()}, dialer: dialer{open: m.open, look: m.look, log: m.log}}
}

// run keeps things as gossip says they should be until ctx ends: whether this node runs a broker, the routes between brokers, and the
// connection to one of them.
func (l *loop) run(ctx context.Context) {
	beat := l.m.config.Heartbeat
	beat.Beat()
	defer beat.End()
	tick := time.NewTicker(min(meshTick, l.m.config.Settle))
	defer tick.Stop()
	for ctx.Err() == nil {
		l.turn(ctx)
		beat.Beat()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-l.m.kick:
		}
	}
}

func (l *loop) turn(ctx context.Context) {
	members := l.m.welcome()
	if l.m.config.Self().Role == identity.Peer {
		l.reconcileRole(ctx, members)
	}
	if l.broker != nil {
		l.reconcileRoutes(members)
		if l.speaks() && l.broker.Outlived() {
			l.m.log.Warn("a route of a host that is not welcome any more cannot be closed; stopping the broker to end it, and starting it again")
			l.stepDown()
		}
	}
	l.beyond = l.unheard(members)
	l.follow(l.servers(members))
	l.tellMesh()
	if l.line != nil && l.serving == nil && l.speaks() && l.knowsAll(members) {
		l.serve()
	}
}

// reconcileRoutes has this node's broker connected to the others, and its connections judged anew after a change of the roster.
func (l *loop) reconcileRoutes(members []gossip.Member) {
	judge := l.m.judge.Swap(false)
	if judge {
		l.role.dialed = nil // who is revoked is not dialled any more
	}
	err := l.broker.SetRoutes(l.routes(members))
	if judge {
		failed := l.broker.Reload() // who is not welcome any more is disconnected
		if failed != nil {
			l.m.judge.Store(true)
		}
		err = errors.Join(err, failed)
	}
	if err != nil {
		l.m.log.Error("cannot reconfigure this node's broker; retrying", logkey.Error, err)
	}
}

// tellMesh tells the nodes that do not gossip where the brokers are, if that has changed.
func (l *loop) tellMesh() {
	if l.line == nil || !l.speaks() {
		return
	}
	now := l.m.Brokers()
	slices.Sort(now)
	if slices.Equal(now, l.told) {
		return
	}
	if err := l.line.nc.Publish(job.MeshNewSubject, l.m.answerMesh()); err != nil {
		l.m.log.Warn("cannot announce the brokers to nodes that do not gossip; they ask again later", logkey.Error, err)
		return
	}
	l.told = now
}

// knowsAll reports whether this node, which runs a broker, knows who is connected to the others: before that it must not say who is
// there, for whoever is not named is not missed.
func (l *loop) knowsAll(members []gossip.Member) bool {
	if time.Since(l.role.taken) > completeFor {
		return true
	}
	var brokers []identity.ID
	for _, m := range members {
		if id := identity.ID(m.ID); m.State == gossip.Alive && m.Broker && id != l.m.self {
			brokers = append(brokers, id)
		}
	}
	return l.m.connections.Complete(brokers)
}

// stopListening is the first step of stopping: other nodes leave this one's broker, and no job comes any more. The connection stays
// for the replies.
func (l *loop) stopListening() {
	if l.broker != nil {
		l.announceEnd()
	}
	l.m.shown.subscribed.Store(false)
	l.dialer.stop()
	if l.line == nil {
		return
	}
	for _, s := range l.line.jobs {
		if err := s.Unsubscribe(); err != nil {
			l.m.log.Warn("cannot end a subscription", logkey.Error, err)
		}
	}
}

// close is the rest: goodbye over the connection, and the end of it and of the broker. It blocks for drainFor and a second at most.
func (l *loop) close() {
	if l.line != nil {
		nc := l.line.nc
		if err := nc.Publish(job.LeaveSubject(l.m.self), nil); err != nil {
			l.m.log.Warn("shutting down; could not confirm that a broker received the leave message", logkey.Error, err)
		}
		nc.FlushTimeout(time.Second)
		nc.Close()
	}
	if l.broker != nil {
		l.awaitNodes(context.Background())
		l.broker.Stop()
	}
}
