package mesh

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
	"fleet/job"
)

// role is what the loop keeps in mind about who runs a broker.
type role struct {
	connected time.Time            // when this node was on a broker last
	taken     time.Time            // since when it runs one
	surplus   time.Time            // since when this node's broker is one too many; zero: it is not
	ending    time.Time            // since when it is announced that it stops; zero: it is not
	dialed    map[string]time.Time // routes, and when each was wanted last
}

// reconcileRole has this peer run a broker where it should, and none where it should not.
func (l *loop) reconcileRole(ctx context.Context, members []gossip.Member) {
	chosen, least := l.chosen(members)
	stranded := l.stranded()
	wanted := stranded || slices.Contains(chosen, string(l.m.self)) && l.mayBegin(members)
	if wanted || l.broker == nil {
		l.role.surplus = time.Time{}
	} else if l.role.surplus.IsZero() {
		l.role.surplus = time.Now()
	}
	switch {
	case l.broker != nil && !l.role.ending.IsZero():
		l.endBroker(ctx)
	case wanted && l.broker == nil:
		l.takeRole(ctx)
	// Gossip alone must not talk a broker out of its role: as many others have shown their certificates.
	case l.broker != nil && !wanted && time.Since(l.role.surplus) >= l.m.config.Settle && l.broker.Routes() >= least:
		l.stepDown()
	}
}

// chosen are the peers that should run a broker, and how many there should be.
func (l *loop) chosen(members []gossip.Member) (ids []string, wanted int) {
	c, self := l.m.config, string(l.m.self)
	live := []broker.Candidate{{ID: self, Pinned: c.Pinned, Runs: l.broker != nil, Started: c.Started.Truncate(time.Second)}}
	running := 0
	for _, m := range members {
		if m.State == gossip.Alive && m.Peer && m.ID != self {
			live = append(live, broker.Candidate{ID: m.ID, Pinned: m.Pinned, Runs: m.Broker, Started: m.Started})
		}
		if m.State == gossip.Alive && m.Broker {
			running++
		}
	}
	wanted = broker.Wanted(l.m.Size(), running)
	return broker.Choose(live, wanted, time.Now(), c.Settle), wanted
}

// mayBegin reports whether what gossip says is enough for this peer to begin to run a broker. Where gossip names nobody who runs one, and
// this peer knows of brokers all the same, it may be its gossip that is cut off, and not they: with a broker of its own it would answer
// nobody but itself. So it stays a client of them. While they are not reached those who hear each other may begin: they were all restarted.
func (l *loop) mayBegin(members []gossip.Member) bool {
	if l.broker != nil || len(others(members, l.m.self)) > 0 || len(l.known()) == 0 {
		return true
	}
	return l.line == nil && !l.hearsNobody(members) && (l.dialer.inVain() || time.Since(l.role.connected) > reachTimeout)
}

// unheard are the brokers that this node knows of, while it runs one itself and hears nobody by gossip. If one of them is reached, the
// fleet is there, and not here.
func (l *loop) unheard(members []gossip.Member) []string {
	if !l.speaks() || !l.hearsNobody(members) {
		return nil
	}
	own := l.own()
	return slices.DeleteFunc(l.known(), func(url string) bool { return url == own })
}

// hearsNobody reports whether gossip knows no other host as alive.
func (l *loop) hearsNobody(members []gossip.Member) bool {
	return !slices.ContainsFunc(members, func(m gossip.Member) bool { return m.State == gossip.Alive && m.ID != string(l.m.self) })
}

// stranded says that this peer has been without any broker for a while, and that none took it. Then it runs one itself, whatever gossip
// says of others: a broker too many does no harm, and phantoms must not leave the fleet without one.
func (l *loop) stranded() bool {
	if l.broker != nil || l.line != nil {
		l.role.connected = time.Now()
		return false
	}
	return time.Since(l.role.connected) > strandedFor && l.dialer.inVain()
}

func (l *loop) takeRole(ctx context.Context) {
	c := l.m.config
	b, err := broker.Start(ctx, broker.Config{
		Name: l.m.self, Client: netip.AddrPortFrom(c.Bind, c.BrokerPort), Route: netip.AddrPortFrom(c.Bind, c.RoutePort),
		Root: c.Root, Credentials: c.Credentials, Roster: c.Roster, Log: l.m.log,
	})
	if err != nil {
		l.m.log.Error("cannot start a broker; retrying", logkey.Error, err)
		return
	}
	l.broker, l.role.taken = b, time.Now()
	l.m.connections.watch(ctx, b)
	l.m.shown.broker.Store(b)
	if err := l.m.gossip.SetBroker(true, b.ClientAddr().Port(), b.RouteAddr().Port()); err != nil {
		l.m.log.Warn("started a broker, but could not announce it yet", logkey.Error, err)
	}
	l.m.log.Info("started a broker", logkey.Clients, b.ClientAddr(), logkey.Routes, b.RouteAddr())
}

// speaks reports whether this node answers for its broker: it runs one that is not about to stop.
func (l *loop) speaks() bool { return l.broker != nil && l.role.ending.IsZero() }

// stepDown tells the mesh that this node's broker stops, and goes elsewhere as the other nodes do. The broker stops when they have.
func (l *loop) stepDown() {
	l.announceEnd()
	l.stopServing()
	l.role.ending = time.Now()
	l.m.look()
}

// endBroker stops a broker that is announced to stop, as soon as no node is on it any more, after drainFor at most.
func (l *loop) endBroker(ctx context.Context) {
	if nodes := l.broker.Nodes(); nodes > 0 && len(others(l.m.welcome(), l.m.self)) > 0 {
		if time.Since(l.role.ending) < drainFor {
			time.AfterFunc(drainTick, l.m.look)
			return
		}
		l.m.log.Warn("stopping the broker while nodes are still connected", logkey.Nodes, nodes)
	}
	l.broker.Stop()
	l.broker, l.role.dialed, l.role.ending = nil, nil, time.Time{}
	l.m.connections.watch(ctx, nil)
	l.m.shown.broker.Store(nil)
	l.m.log.Info("stopped the broker")
}

// announceEnd tells the mesh that this node's broker stops, so that the nodes on it go elsewhere before it does.
func (l *loop) announceEnd() {
	if err := l.m.gossip.SetBroker(false, 0, 0); err != nil {
		l.m.log.Warn("stopping the broker, but could not announce it", logkey.Error, err)
	}
}

// awaitNodes is the same where the node itself ends: it waits until no node is on this node's broker any more, for drainFor at most,
// where there is another to go to. Admins are not waited for: they find another by themselves and ask again.
func (l *loop) awaitNodes(ctx context.Context) {
	if len(others(l.m.welcome(), l.m.self)) == 0 {
		return
	}
	tick, limit := time.NewTicker(drainTick), time.NewTimer(drainFor)
	defer tick.Stop()
	defer limit.Stop()
	for l.broker.Nodes() > 0 {
		select {
		case <-ctx.Done():
			return
		case <-limit.C:
			l.m.log.Warn("stopping the broker while nodes are still connected", logkey.Nodes, l.broker.Nodes())
			return
		case <-tick.C:
		}
	}
}

// routes are the other brokers that this one dials: those that started before it. The others dial this one. If both dialled, each
// would drop one of the two connections, and the mesh would take seconds to settle.
func (l *loop) routes(members []gossip.Member) []string {
	self, started, now := string(l.m.self), l.m.config.Started.Truncate(time.Second), time.Now()
	if l.role.dialed == nil {
		l.role.dialed = map[string]time.Time{}
	}
	for _, m := range members {
		older := cmp.Or(m.Started.Compare(started), strings.Compare(m.ID, self)) < 0
		if m.State == gossip.Alive && m.Broker && older {
			l.role.dialed[hostPort(m.Addr.Addr(), m.RoutePort)] = now
		}
	}
	var routes []string
	for r, wanted := range l.role.dialed {
		if now.Sub(wanted) > linger {
			delete(l.role.dialed, r)
		} else {
			routes = append(routes, r)
		}
	}
	slices.Sort(routes)
	return routes
}

// others are the brokers that gossip names, but for this node's own.
func others(members []gossip.Member, self identity.ID) []string {
	var urls []string
	for _, m := range members {
		if m.State == gossip.Alive && m.Broker && m.ID != string(self) {
			urls = append(urls, job.BrokerURL(brokerAddr(m)))
		}
	}
	return urls
}
