package mesh

import (
	"errors"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"fleet/gossip"
	"fleet/identity"
)

// Whether a peer may begin to run a broker, by what gossip says, whom it knows of, and whether one of them has taken it.
func TestMayBeginToRunABroker(t *testing.T) {
	self, other := identity.NewKey[identity.Node]().Public().ID(), identity.NewKey[identity.Node]().Public().ID()
	member := func(state gossip.State, broker bool) gossip.Member {
		return gossip.Member{ID: string(other), State: state, Peer: true, Broker: broker, BrokerPort: 7421, Addr: netip.MustParseAddrPort("10.0.0.2:7420")}
	}
	const knows, nobody = "10.0.0.9:7421", ""
	for _, tt := range []struct {
		name      string
		members   []gossip.Member
		known     string
		connected bool
		inVain    bool
		waited    time.Duration
		want      bool
	}{
		{"the first host", nil, nobody, false, false, 0, true},
		{"gossip names a broker", []gossip.Member{member(gossip.Alive, true)}, knows, true, false, 0, true},
		{"it hears nobody, and is a client", nil, knows, true, false, time.Hour, false},
		{"it hears nobody any more, and is a client", []gossip.Member{member(gossip.Failed, true)}, knows, true, false, time.Hour, false},
		{"it hears nobody, and none takes it", nil, knows, false, true, 0, false}, // that is for stranded to say
		{"it hears a peer, and is a client", []gossip.Member{member(gossip.Alive, false)}, knows, true, false, time.Hour, false},
		{"it hears a peer, and has not tried", []gossip.Member{member(gossip.Alive, false)}, knows, false, false, 0, false},
		{"it hears a peer, and none takes it", []gossip.Member{member(gossip.Alive, false)}, knows, false, true, 0, true},
		{"it hears a peer, and those it knows say nothing", []gossip.Member{member(gossip.Alive, false)}, knows, false, false, 2 * reachTimeout, true},
	} {
		m := &Mesh{log: slog.New(slog.DiscardHandler)}
		m.self = self
		if tt.known != nobody {
			m.config.Brokers = []string{tt.known}
		}
		l := m.newLoop()
		l.role.connected = time.Now().Add(-tt.waited)
		if tt.connected {
			l.line = &line{url: "tls://" + knows}
		}
		if tt.inVain {
			l.dialer.rounds, l.dialer.tried = 1, map[string]error{"tls://" + knows: errors.New("it refuses")}
		}
		if got := l.mayBegin(tt.members); got != tt.want {
			t.Errorf("%s: %t", tt.name, got)
		}
	}
}
