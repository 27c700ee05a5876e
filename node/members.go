package node

import (
	"net"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"

	"fleet/gossip"
	"fleet/identity"
	"fleet/internal/logkey"
	"fleet/job"
)

// answerMembers says who is there.
func (n *Node) answerMembers(m *nats.Msg) []byte {
	list := n.members()
	list.Protocol = job.Asked(m.Data)
	raw, err := list.Encode()
	if err != nil {
		n.log.Error("list of hosts not sent", logkey.Error, err) // a shorter one would leave hosts unnamed
		return nil
	}
	return raw
}

func (n *Node) members() job.Members {
	list := n.hosts()
	for _, c := range twins(n.conflicts(), time.Now()) {
		for i := range list {
			if string(list[i].Node) == c.ID {
				list[i].Twin = []string{c.Addr.Addr().Unmap().String(), c.Other.Addr().Unmap().String()}
			}
		}
	}
	return job.Members{From: n.self.Load().ID, Members: list}
}

// welcome is whom gossip knows, but for those whom the roster revokes: they are let in nowhere, so they can neither answer
// nor carry a broker, and nobody misses them.
func (n *Node) welcome() []gossip.Member {
	if n.gossip == nil {
		return nil
	}
	revoked := n.revoked()
	return slices.DeleteFunc(n.gossip.Members(), func(m gossip.Member) bool { return revoked[identity.ID(m.ID)] })
}

// conflicts are the ids that gossip hears from two addresses.
func (n *Node) conflicts() []gossip.Conflict {
	if n.gossip == nil {
		return nil
	}
	return n.gossip.Conflicts()
}

func (n *Node) revoked() map[identity.ID]bool {
	revoked := map[identity.ID]bool{}
	for _, id := range n.roster.Load().RevokedNodes {
		revoked[id] = true
	}
	return revoked
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

// fleetSize is how many hosts there are, but for those that left.
func (n *Node) fleetSize() int {
	size := 0
	for _, m := range n.hosts() {
		if m.Presence != job.Left {
			size++
		}
	}
	return size
}

// brokers are the addresses of the brokers that are alive.
func (n *Node) brokers() []string {
	var addrs []string
	for _, m := range n.welcome() {
		if m.State == gossip.Alive && m.Broker {
			addrs = append(addrs, brokerAddr(m))
		}
	}
	return addrs
}

func presenceOf(s gossip.State) job.Presence {
	switch s {
	case gossip.Alive:
		return job.Alive
	case gossip.Left:
		return job.Left
	}
	return job.Gone
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

func brokerAddr(m gossip.Member) string {
	if !m.Broker {
		return ""
	}
	return hostPort(m.Addr.Addr(), m.BrokerPort)
}

func hostPort(a netip.Addr, port uint16) string {
	return net.JoinHostPort(a.String(), strconv.Itoa(int(port)))
}
