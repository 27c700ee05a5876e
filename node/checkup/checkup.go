package checkup

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"fleet/gossip"
	"fleet/identity"
	"fleet/node"
)

// State is how a check came out.
type State string

const (
	OK      State = "ok"
	Bad     State = "bad"
	Skipped State = "skipped" // could not be known, or does not apply; Says has the reason
)

// Finding is one check.
type Finding struct {
	Check string
	State State
	Says  string
	Do    string // what to do next; "" where nothing is to be done
}

// Bounds: a host names few brokers, and a checkup must end while somebody waits.
const (
	maxBrokers  = 16
	maxGossip   = 4                // other hosts that gossip is tried with
	leastBytes  = 64 << 20         // of free disk: a node's journal and audit grow in far smaller steps
	leastInodes = 100              // the same for files
	clockLimit  = 10 * time.Second // jobs are refused at 60 s
)

// Config says what to look at.
type Config struct {
	Data                              string         // the node's directory
	Name                              string         // by which it would join now; "": not known
	Bind                              netip.Addr     // where the node listens
	GossipPort, BrokerPort, RoutePort uint16         // 0: any that is free, so there is nothing to look at
	Token                             identity.Token // that lets this host in; zero: none is there
	Seeds                             []string       // gossip addresses from the config
	Outbound                          bool           // it does not gossip
	Wait                              time.Duration  // for each attempt over the network
	Now                               func() time.Time
}

// host is one checkup under way.
type host struct {
	Config
	found []Finding

	me       node.Membership
	in       bool // it was admitted, and me is set
	self     identity.Certified
	roster   identity.Roster
	own      string // address of this node's own broker; "": it runs none, as far as can be told
	running  string // the process that holds the directory; "": none
	clockErr error  // by the broker's certificate this host's clock is wrong
	visits   []node.Visit
}

// Host looks at the host c tells of. It blocks for some seconds, and where a firewall swallows what is sent for at most
// Wait and 15 s for each broker; when ctx ends, what is left is skipped.
func Host(ctx context.Context, c Config) []Finding {
	h := &host{Config: c}
	h.directory()
	h.membership()
	h.journal()
	h.disk()
	h.token()
	h.ports()
	h.brokers(ctx)
	h.gossip(ctx)
	h.clock()
	return h.found
}

func (h *host) add(check string, state State, do, says string, args ...any) {
	h.found = append(h.found, Finding{check, state, fmt.Sprintf(says, args...), do})
}

const doToken = "an admin creates one with fleet token create; then run here: fleet node --join @FILE, or fleet node install --join-file FILE"

// token looks at the token, of which cli has found and parsed the text.
func (h *host) token() {
	t := h.Token
	now := h.Now()
	switch {
	case t.Root.IsZero() && h.in:
		h.add("token", Skipped, "", "none is needed: this host is in the fleet")
	case t.Root.IsZero():
		h.add("token", Bad, doToken, "there is none, and this host is not in a fleet")
	case h.in && !t.Root.Same(h.me.Root):
		h.add("token", Bad, "remove the token, or use another directory for the other fleet: --data DIR", "it belongs to the fleet %s, but this host is in %s", t.Root.ID(), h.me.Root.ID())
	case !now.Before(t.Record.Expires):
		h.add("token", Bad, doToken+"; or set this host's clock", "expired on %s; this host's clock says %s", stamp(t.Record.Expires), stamp(now))
	case t.Record.Created.After(now.Add(clockLimit)):
		h.add("token", Bad, "set this host's clock", "was created on %s, but this host's clock says %s: this clock or the admin's is wrong", stamp(t.Record.Created), stamp(now))
	default:
		h.add("token", OK, "", "%s, for a %s of the fleet %s, until %s", t.Record.ID(), t.Record.Role, t.Root.ID(), stamp(t.Record.Expires))
	}
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// known is whom this host knew when it ran last, peers first.
func (h *host) known() []gossip.Known {
	members, err := gossip.ReadMembers(node.MembersFile(h.Data))
	if err != nil {
		return nil
	}
	var peers, others []gossip.Known
	for _, m := range members {
		switch {
		case !m.Alive:
		case m.Peer:
			peers = append(peers, m)
		default:
			others = append(others, m)
		}
	}
	list := append(peers, others...)
	return list[:min(len(list), maxGossip)]
}
