package node

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"fleet/broker"
	"fleet/gossip"
	"fleet/identity"
	"fleet/internal/logkey"
	"fleet/job"
	"fleet/node/presence"
)

const (
	// presenceTick is how often a broker's connections are looked through, and presenceSpacing the least time between two looks,
	// for peers that ask. Who connects for a moment only, as somebody with a stolen key may, is no host that will be missed.
	presenceTick, presenceSpacing = 500 * time.Millisecond, 50 * time.Millisecond
	// completeFor is how long a node that has just begun to carry a broker waits for what the other carriers know, before it
	// says who is there. One of them may hang.
	completeFor = 4 * time.Second
	// presenceSave is how often what is known is written to disk, if it has changed.
	presenceSave = 30 * time.Second
	// presenceFile is where, in the data directory.
	presenceFile = "presence.json"
	// outlives is how much longer than gossip's verdict that a host is gone a connection must stand to count for more. A
	// broker takes about a minute to notice that a host has vanished without a word.
	outlives = 75 * time.Second
)

// connections knows who is connected to a broker. Only peers have it: they carry brokers, and answer who is there.
type connections struct {
	*presence.Table
	broker chan *broker.Broker // the one that this node carries from now on, nil for none
	news   chan struct{}       // somebody wants to be told all, or this peer to ask for it
}

func (n *Node) newConnections() *connections {
	if n.self.Load().Role != identity.Peer {
		return nil
	}
	c := &connections{presence.New(n.self.Load().ID, n.log), make(chan *broker.Broker), make(chan struct{}, 1)}
	if err := c.Load(time.Now(), n.config.Dir.file(presenceFile)); err != nil {
		n.log.Error("presence", logkey.Error, err)
	}
	return c
}

// wake has what there is to tell told soon. It never blocks.
func (c *connections) wake() {
	select {
	case c.news <- struct{}{}:
	default:
	}
}

// carry says which broker this node carries from now on. The mesh loop calls it.
func (n *Node) carry(ctx context.Context, b *broker.Broker) {
	select {
	case n.connected.broker <- b:
	case <-ctx.Done():
	}
}

// presenceLoop watches the connections to this node's broker and tells the other peers.
func (n *Node) presenceLoop(ctx context.Context) {
	c := n.connected
	if c == nil {
		return
	}
	look, save := time.NewTimer(presenceTick), time.NewTicker(presenceSave)
	defer look.Stop()
	defer save.Stop()
	var carried *broker.Broker
	var looked time.Time
	for {
		select {
		case <-ctx.Done():
			n.savePresence()
			return
		case carried = <-c.broker:
			c.Carry(time.Now(), carried != nil)
		case <-save.C:
			n.savePresence()
			continue
		case <-c.news:
			look.Reset(max(0, presenceSpacing-time.Since(looked)))
			continue
		case <-look.C:
		}
		now := time.Now()
		looked = now
		look.Reset(presenceTick)
		if carried != nil {
			went, came := carried.Changes()
			c.Own(now, went, connectedHosts(came))
		}
		c.Tick(now)
		n.tellPresence(c.Say(now))
	}
}

func connectedHosts(came []broker.Connected) []presence.Host {
	hosts := make([]presence.Host, len(came))
	for i, h := range came {
		hosts[i] = presence.Host{Node: h.Node, Name: h.Name, Role: h.Role, Came: h.Came}
	}
	return hosts
}

func (n *Node) tellPresence(messages [][]byte) {
	nc := n.conn.Load()
	if nc == nil {
		return // who hears the next message asks for what was missed
	}
	for _, raw := range messages {
		if err := nc.Publish(job.PresenceSubject(n.self.Load().ID), raw); err != nil && !errors.Is(err, nats.ErrReconnectBufExceeded) {
			n.log.Warn("presence not told", logkey.Error, err)
			return
		}
	}
}

func (n *Node) savePresence() {
	if err := n.connected.Save(time.Now(), n.config.Dir.file(presenceFile)); err != nil {
		n.log.Error("after a restart this node would not know who should be there", logkey.Error, err)
	}
}

// hearPresence takes what other peers tell, and what nodes say that stop.
func (n *Node) hearPresence(nc *nats.Conn) error {
	c := n.connected
	if c == nil {
		return nil
	}
	_, heard := nc.Subscribe(job.PresenceSubject("*"), func(m *nats.Msg) {
		asked, err := c.Hear(time.Now(), lastToken(m.Subject), m.Data)
		if err != nil {
			n.log.Warn("presence", logkey.Error, err)
		}
		if asked {
			c.wake()
		}
		if n.carriesBroker.Load() && !n.serves.Load() {
			n.kickMesh() // this may have been what it waits for
		}
	})
	_, left := nc.Subscribe(job.LeaveSubject("*"), func(m *nats.Msg) { c.Leave(time.Now(), lastToken(m.Subject)) })
	c.Ask()
	c.wake()
	return errors.Join(heard, left)
}

// knowsAll reports whether this node, which carries a broker, knows who is connected to the others: before that it must not
// say who is there, for whoever is not named is not missed.
func (n *Node) knowsAll(members []gossip.Member) bool {
	if time.Since(n.role.taken) > completeFor {
		return true
	}
	var carriers []identity.ID
	for _, m := range members {
		if id := identity.ID(m.ID); m.State == gossip.Alive && m.Broker && id != n.self.Load().ID {
			carriers = append(carriers, id)
		}
	}
	return n.connected.Complete(carriers)
}

// lastToken is who speaks: brokers let a node publish there under its own id alone.
func lastToken(subject string) identity.ID {
	return identity.ID(subject[strings.LastIndexByte(subject, '.')+1:])
}

// sayGoodbye tells the brokers that this node stops in order, so that nobody waits for it.
func (n *Node) sayGoodbye(nc *nats.Conn) {
	if err := nc.Publish(job.LeaveSubject(n.self.Load().ID), nil); err != nil {
		n.log.Warn("left without being sure that a broker heard it", logkey.Error, err)
	}
}

// hosts is everybody that is known, by gossip or by a connection, each once, but for those whom the roster revokes.
func (n *Node) hosts() []job.Member {
	now := time.Now()
	byGossip := n.welcome()
	if n.connected == nil {
		return listed(byGossip)
	}
	revoked := n.revoked()
	connected := map[identity.ID]presence.Host{}
	for _, h := range n.connected.Hosts(now) {
		if !revoked[h.Node] {
			connected[h.Node] = h
		}
	}
	list := listed(byGossip)
	for i, m := range list {
		h, known := connected[m.Node]
		if known && m.Presence != job.Alive && connectionCounts(h, time.UnixMilli(m.Since), now) {
			broker := m.Broker
			list[i] = byConnection(h, now)
			list[i].Broker = broker
		}
		delete(connected, m.Node)
	}
	for _, h := range connected {
		list = append(list, byConnection(h, now))
	}
	return list
}

// connectionCounts says whether what is known of a host's connection counts for more than that gossip knows it as gone
// since then: it connected later, as a host does that gossips no more; or the connection stands for so long that it would
// have been noticed if nobody were at its other end.
func connectionCounts(h presence.Host, gone, now time.Time) bool {
	return h.Came.After(gone) || h.State == presence.Connected && now.Sub(gone) > outlives
}

func byConnection(h presence.Host, now time.Time) job.Member {
	m := job.Member{Node: h.Node, Name: h.Name, Presence: job.Gone, Since: h.Since.UnixMilli(), LastSeen: h.Since.UnixMilli(), Role: h.Role}
	switch h.State {
	case presence.Connected:
		m.Presence, m.LastSeen = job.Alive, now.UnixMilli()
	case presence.Left:
		m.Presence = job.Left
	}
	return m
}
