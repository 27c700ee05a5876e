package node

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"strings"
	"time"

	"fleet/broker"
	"fleet/gossip"
	"fleet/identity"
	"fleet/internal/logkey"
)

const (
	// strandedFor is how long a peer looks for a broker that gossip names before it carries one itself.
	strandedFor = 15 * time.Second
	// drainFor bounds how long a broker that stops waits for the nodes on it to go elsewhere. They do when gossip tells them,
	// within about a second.
	drainFor = 8 * time.Second
	// linger is how long a route is kept to a live peer that carries no broker any more: until the nodes on that one have
	// moved, they are reached by it alone.
	linger = drainFor + 2*time.Second
)

// role is what the mesh loop keeps in mind about who carries a broker.
type role struct {
	connected time.Time            // when this node was on a broker last
	taken     time.Time            // since when it carries one
	surplus   time.Time            // since when this node's broker is one too many; zero: it is not
	dialed    map[string]time.Time // routes, and when each was wanted last
}

// cast puts the role where it should be.
func (n *Node) cast(ctx context.Context, members []gossip.Member) {
	carriers, least := n.carriers(members)
	wanted := slices.Contains(carriers, string(n.self.Load().ID)) || n.stranded()
	if wanted || n.broker == nil {
		n.role.surplus = time.Time{}
	} else if n.role.surplus.IsZero() {
		n.role.surplus = time.Now()
	}
	switch {
	case wanted && n.broker == nil:
		n.takeRole(ctx)
	// Gossip alone must not talk a broker out of its role: as many others have shown their certificates.
	case n.broker != nil && !wanted && time.Since(n.role.surplus) >= n.config.Settle && n.broker.Routes() >= least:
		n.layDownRole(ctx)
	}
}

// carriers are the peers that should carry a broker, and how many there should be.
func (n *Node) carriers(members []gossip.Member) (ids []string, wanted int) {
	self := n.self.Load()
	var live []broker.Candidate
	if self.Role == identity.Peer {
		live = append(live, broker.Candidate{ID: string(self.ID), Pinned: n.config.Pinned, Carries: n.broker != nil, Started: n.started.Truncate(time.Second)})
	}
	carrying := 0
	for _, m := range members {
		if m.State == gossip.Alive && m.Peer && m.ID != string(self.ID) {
			live = append(live, broker.Candidate{ID: m.ID, Pinned: m.Pinned, Carries: m.Broker, Started: m.Started})
		}
		if m.State == gossip.Alive && m.Broker {
			carrying++
		}
	}
	wanted = broker.Wanted(n.fleetSize(), carrying)
	return broker.Carriers(live, wanted, time.Now(), n.config.Settle), wanted
}

// stranded says that this peer has been without any broker for a while. Then it carries one itself, whatever gossip says
// of others: a broker too many does no harm, and phantoms must not leave the fleet without one.
func (n *Node) stranded() bool {
	nc := n.conn.Load()
	if n.self.Load().Role != identity.Peer || n.broker != nil || nc != nil && nc.IsConnected() {
		n.role.connected = time.Now()
		return false
	}
	return time.Since(n.role.connected) > strandedFor
}

func (n *Node) takeRole(ctx context.Context) {
	c := n.config
	b, err := broker.Start(ctx, broker.Config{
		Name: n.self.Load().ID, Client: netip.AddrPortFrom(c.Bind, c.BrokerPort), Route: netip.AddrPortFrom(c.Bind, c.RoutePort),
		Root: n.me.Root, Credentials: n.credentials, Roster: n.currentRoster, Log: n.log,
	})
	if err != nil {
		n.log.Error("cannot carry a broker; trying again", logkey.Error, err)
		return
	}
	n.broker, n.role.taken = b, time.Now()
	n.carry(ctx, b)
	n.carriesBroker.Store(true)
	if err := n.gossip.SetBroker(true, b.ClientAddr().Port(), b.RouteAddr().Port()); err != nil {
		n.log.Warn("the mesh may not know of this broker yet", logkey.Error, err)
	}
	n.log.Info("carries a broker", "clients", b.ClientAddr(), "routes", b.RouteAddr())
}

// layDownRole tells the mesh first, goes elsewhere as the other nodes do, and stops the broker when they have.
func (n *Node) layDownRole(ctx context.Context) {
	n.announceEnd()
	n.serveNoMore()
	self := n.self.Load().ID
	n.follow(ranked(self, others(n.welcome(), self)))
	n.drain(ctx)
	n.broker.Stop()
	n.broker, n.role.dialed = nil, nil
	n.carry(ctx, nil)
	n.carriesBroker.Store(false)
	n.log.Info("carries no broker any more")
}

// announceEnd tells the mesh that this node's broker stops, so that the nodes on it go elsewhere before it does.
func (n *Node) announceEnd() {
	if err := n.gossip.SetBroker(false, 0, 0); err != nil {
		n.log.Warn("the mesh may not know that this broker stops", logkey.Error, err)
	}
}

// drain waits until no node is on this node's broker any more, for drainFor at most, where there is another to go to. Admins
// are not waited for: they find another by themselves and ask again.
func (n *Node) drain(ctx context.Context) {
	if len(others(n.welcome(), n.self.Load().ID)) == 0 {
		return
	}
	tick, limit := time.NewTicker(50*time.Millisecond), time.NewTimer(drainFor)
	defer tick.Stop()
	defer limit.Stop()
	for n.broker.Nodes() > 0 {
		select {
		case <-ctx.Done():
			return
		case <-limit.C:
			n.log.Warn("this broker stops while nodes are on it", "nodes", n.broker.Nodes())
			return
		case <-tick.C:
		}
	}
}

// routes are the other brokers that this one dials: those that started before it. The others dial this one. If both
// dialled, each would drop one of the two connections, and the mesh would take seconds to settle.
func (n *Node) routes(members []gossip.Member) []string {
	self, started, now := string(n.self.Load().ID), n.started.Truncate(time.Second), time.Now()
	if n.role.dialed == nil {
		n.role.dialed = map[string]time.Time{}
	}
	for _, m := range members {
		older := cmp.Or(m.Started.Compare(started), strings.Compare(m.ID, self)) < 0
		if m.State == gossip.Alive && m.Broker && older {
			n.role.dialed[hostPort(m.Addr.Addr(), m.RoutePort)] = now
		}
	}
	var routes []string
	for r, wanted := range n.role.dialed {
		if now.Sub(wanted) > linger {
			delete(n.role.dialed, r)
		} else {
			routes = append(routes, r)
		}
	}
	slices.Sort(routes)
	return routes
}
