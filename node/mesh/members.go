package mesh

import (
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"fleet/gossip"
	"fleet/identity"
	"fleet/internal/logkey"
	"fleet/job"
	"fleet/node/presence"
)

// Members is who is there, as this node knows it. It is hearsay: it says whom to expect, and never who somebody is.
type Members struct {
	self      identity.ID
	gossip    *gossip.Gossip  // nil: this node does not gossip
	connected *presence.Table // nil but on peers
	roster    func() identity.Roster
	log       *slog.Logger
}

// Hosts is everybody that is known, by gossip or by a connection, each once, but for those whom the roster revokes.
func (s *Members) Hosts() []job.Member {
	now := time.Now()
	list := listed(s.welcome())
	if s.connected == nil {
		return list
	}
	roster := s.roster()
	connected := map[identity.ID]presence.Host{}
	for _, h := range s.connected.Hosts(now) {
		if roster.ShutsOut(h.Node, h.Token) == nil {
			connected[h.Node] = h
		}
	}
	for i, m := range list {
		h, known := connected[m.Node]
		if known && m.Presence != job.Alive && connectionCounts(h, m, now) {
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

// Gossips reports whether this node gossips.
func (s *Members) Gossips() bool { return s.gossip != nil }

// Gossiping is whom this node knows by gossip alone, itself included; nobody where it does not gossip.
func (s *Members) Gossiping() []job.Member { return listed(s.welcome()) }

// Size is how many hosts the fleet has, but for those that left.
func (s *Members) Size() int {
	size := 0
	for _, m := range s.Hosts() {
		if m.Presence != job.Left {
			size++
		}
	}
	return size
}

// Brokers are the addresses of the brokers that are alive, host:port.
func (s *Members) Brokers() []string {
	var addrs []string
	for _, m := range s.welcome() {
		if m.State == gossip.Alive && m.Broker {
			addrs = append(addrs, brokerAddr(m))
		}
	}
	return addrs
}

// maxSeeds bounds the addresses that a new host is told.
const maxSeeds = 8

// Seeds are gossip addresses at which a new host can join the mesh: this node's and those of a few that are alive.
func (s *Members) Seeds() []string {
	var seeds []string
	for _, m := range s.welcome() {
		if m.State == gossip.Alive && len(seeds) < maxSeeds {
			seeds = append(seeds, m.Addr.String())
		}
	}
	return seeds
}

// Forget drops a host from whom this node expects. Whether it is alive is for the caller to know; a living one comes back.
func (s *Members) Forget(id identity.ID) error {
	if s.gossip != nil {
		if _, err := s.gossip.Forget(string(id)); err != nil {
			return err
		}
	}
	if s.connected != nil {
		s.connected.Forget(time.Now(), id)
	}
	return nil
}

// answerMembers says who is there, in the layout that the question asks for: the page that it asks for.
func (s *Members) answerMembers(question []byte) []byte {
	version, after := job.AskedMembers(question)
	list := job.Members{From: s.self, Protocol: version, Members: s.Hosts()}.Page(after)
	for _, c := range proven(s.Conflicts(), time.Now()) {
		for i := range list.Members {
			if string(list.Members[i].Node) == c.ID {
				list.Members[i].Duplicate = []string{c.Addr.Addr().Unmap().String(), c.Other.Addr().Unmap().String()}
			}
		}
	}
	raw, err := list.Encode()
	if err != nil {
		s.log.Error("cannot send the member list", logkey.Error, err) // a shorter one would leave hosts unnamed
		return nil
	}
	return raw
}

// welcome is whom gossip knows, but for those whom the roster revokes: they are let in nowhere, so they can neither answer nor run a
// broker, and nobody misses them.
func (s *Members) welcome() []gossip.Member {
	if s.gossip == nil {
		return nil
	}
	roster := s.roster()
	return slices.DeleteFunc(s.gossip.Members(), func(m gossip.Member) bool { return roster.ShutsOut(identity.ID(m.ID), identity.ID(m.Token)) != nil })
}

// listed leaves out what cannot be a host: whoever holds the gossip key may announce an id that is none, and clients refuse
// a whole list for one such entry.
func listed(members []gossip.Member) []job.Member {
	var list []job.Member
	for _, m := range members {
		host := job.Member{
			Node: identity.ID(m.ID), Name: m.Host, Presence: presenceOf(m.State), Since: m.Since.UnixMilli(),
			LastSeen: m.LastSeen.UnixMilli(), Role: roleOf(m), Broker: brokerAddr(m), Protocol: m.Protocol,
		}
		if host.Check() == nil {
			list = append(list, host)
		}
	}
	return list
}

// connectionCounts says whether what is known of a host's connection counts for more than that gossip knows it as gone: it connected
// later, as a host does that gossips no more; or the connection stands for so long that it would have been noticed if nobody were at
// its other end. Whoever leaves says so over the connection before gossip does: one that stands is of a host that is back. (Each node hears
// of the leaving in its own time, so that host may have connected before.)
func connectionCounts(h presence.Host, gone job.Member, now time.Time) bool {
	since := time.UnixMilli(gone.Since)
	return h.Came.After(since) || h.State == presence.Connected && (gone.Presence == job.Left || now.Sub(since) > outlives)
}

func byConnection(h presence.Host, now time.Time) job.Member {
	m := job.Member{Node: h.Node, Name: h.Name, Presence: job.MemberFailed, Since: h.Since.UnixMilli(), LastSeen: h.Since.UnixMilli(), Role: h.Role}
	switch h.State {
	case presence.Connected:
		m.Presence, m.LastSeen = job.Alive, now.UnixMilli()
	case presence.Left:
		m.Presence = job.Left
	}
	return m
}

func presenceOf(s gossip.State) job.Presence {
	switch s {
	case gossip.Alive:
		return job.Alive
	case gossip.Left:
		return job.Left
	}
	return job.MemberFailed
}

func roleOf(m gossip.Member) identity.Role {
	switch {
	case m.Peer:
		return identity.Peer
	case m.Ephemeral:
		return identity.Ephemeral
	}
	return identity.Member
}

// brokerAddr is where a member's broker listens, "" if it runs none.
func brokerAddr(m gossip.Member) string {
	if !m.Broker {
		return ""
	}
	return hostPort(m.Addr.Addr(), m.BrokerPort)
}

func hostPort(a netip.Addr, port uint16) string {
	return net.JoinHostPort(a.String(), strconv.Itoa(int(port)))
}
