package gossip

import (
	"net/netip"
	"slices"
	"strings"
	"time"
)

// State says how a member stands, as far as this node knows.
type State uint8

const (
	Alive  State = iota
	Failed       // it stopped answering
	Left         // it said goodbye
)

func (s State) String() string {
	switch s {
	case Alive:
		return "alive"
	case Failed:
		return "failed"
	case Left:
		return "left"
	}
	return "unknown"
}

// Member is one node as gossip knows it. All of it is hearsay among the holders of the gossip key.
type Member struct {
	ID   string         // the node's id: 1 to 64 of a-z, 0-9 and '-'
	Host string         // its host name, as validHost allows it; not unique
	Addr netip.AddrPort // its gossip address

	State    State
	Since    time.Time // since when it is in that state, as this node saw it
	LastSeen time.Time // for a member that is alive: now; otherwise when it was last believed alive, up to about ten seconds late
	Started  time.Time // when its process started, by its own clock, in whole seconds

	Peer       bool   // may run a broker
	Pinned     bool   // is preferred as one
	Ephemeral  bool   // is forgotten soon after it is gone
	Broker     bool   // runs a broker now
	BrokerPort uint16 // for clients; 0 without a broker
	RoutePort  uint16 // for other brokers; 0 without a broker
	Protocol   uint8  // version of fleet's own protocol
	Token      string // the id of the token that it joined with, as an ID is; "": not known
}

// sortMembers orders by host name, then by id: the order in which people look for them.
func sortMembers(members []Member) {
	slices.SortFunc(members, func(a, b Member) int {
		if c := strings.Compare(a.Host, b.Host); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
}

func validID(id string) bool {
	return len(id) >= 1 && len(id) <= maxID && !strings.ContainsFunc(id, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-')
	})
}

// validHost is identity.CheckHostName written again, since this package imports nothing of fleet's: letters, digits, '-',
// '_' and '.', at most 253 bytes, beginning and ending with a letter or digit. It must not be wider: clients refuse a whole
// list of hosts for one name in it that is none, so one liar with the gossip key could hide everybody.
func validHost(host string) bool {
	if host == "" || len(host) > maxHost || !alnum(host[0]) || !alnum(host[len(host)-1]) {
		return false
	}
	for i := range len(host) {
		if c := host[i]; !alnum(c) && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return true
}

func alnum(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' }
