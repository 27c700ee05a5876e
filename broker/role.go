package broker

import (
	"cmp"
	"slices"
	"time"
)

const (
	// few is how many brokers a fleet carries once it has as many peers: one may be down for service and one may die
	// meanwhile. Routes between brokers are a full mesh, so more cost more.
	few = 3
	// many is how many a large fleet carries: each is a fifth of the connections to make anew when one dies.
	many = 5
	// least is how many are carried also by peers that have just come: one may die.
	least = 2
	// large is from how many hosts on, and notLarge below how many again not: a fleet about that large does not change back
	// and forth.
	large, notLarge = 1000, 800
)

// Settle is how long a peer has to be there before it takes up the role beside others, and for how long one that is too many
// carries on. So a peer that comes and goes, or that the network takes away and gives back, moves the role once and then no
// more: gone for good it is replaced at once, and on its way back it is the one that waits.
const Settle = 20 * time.Second

// Candidate is a live peer.
type Candidate struct {
	ID      string
	Pinned  bool      // chosen by an admin to carry a broker
	Carries bool      // carries one now: the role does not move without need
	Started time.Time // when its node process started, in whole seconds: one that comes and goes is always the youngest
}

// Wanted is how many brokers a fleet of that many hosts should have, if it has the peers. carriers is how many it has.
func Wanted(hosts, carriers int) int {
	if hosts >= large || hosts >= notLarge && carriers >= many {
		return many
	}
	return few
}

// Carriers returns the ids of the peers that should carry a broker: the pinned first, then those that do already, then
// the longest there. Who has just started and does not carry one yet waits until it has settled, but not where hardly anybody
// else is there. Every peer computes it from gossip by itself. Views may differ for seconds; a surplus broker does no harm.
func Carriers(live []Candidate, wanted int, now time.Time, settle time.Duration) []string {
	settled := func(c Candidate) bool { return c.Carries || now.Sub(c.Started) >= settle }
	order := slices.Clone(live)
	slices.SortFunc(order, func(a, b Candidate) int {
		return cmp.Or(first(settled(a), settled(b)), first(a.Pinned, b.Pinned), first(a.Carries, b.Carries), a.Started.Compare(b.Started), cmp.Compare(a.ID, b.ID))
	})
	ids := make([]string, 0, wanted)
	for i, c := range order[:min(len(order), wanted)] {
		if i < least || settled(c) {
			ids = append(ids, c.ID)
		}
	}
	return ids
}

// first orders what is true before what is not.
func first(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}
