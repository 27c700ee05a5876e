package broker

import (
	"cmp"
	"slices"
	"time"
)

const (
	// few is how many brokers a fleet runs once it has as many peers: one may be down for service and one may die
	// meanwhile. Routes between brokers are a full mesh, so more cost more.
	few = 3
	// many is how many a large fleet runs: each is a fifth of the connections to make anew when one dies.
	many = 5
	// least is how many are run also by peers that have just come: one may die.
	least = 2
	// large is from how many hosts on, and notLarge below how many again not: a fleet about that large does not change back
	// and forth.
	large, notLarge = 1000, 800
)

// Settle is how long a peer has to be there before it takes the role beside others, and for how long one that is too many
// keeps it. So a peer that comes and goes, or that the network takes away and gives back, moves the role once and then no
// more: gone for good it is replaced at once, and on its way back it is the one that waits.
const Settle = 20 * time.Second

// Candidate is a live peer.
type Candidate struct {
	ID      string
	Pinned  bool      // chosen by an admin to run a broker
	Runs    bool      // runs one now: the role does not move without need
	Started time.Time // when its node process started, in whole seconds: one that comes and goes is always the youngest
}

// Wanted is how many brokers a fleet of that many hosts should have, if it has the peers. running is how many it has.
func Wanted(hosts, running int) int {
	if hosts >= large || hosts >= notLarge && running >= many {
		return many
	}
	return few
}

// Choose returns the ids of the peers that should run a broker: the pinned first, then those that do already, then
// the longest there. One that has just started and runs none yet waits until it has settled, but not where hardly anybody
// else is there. Every peer computes it from gossip by itself. Views may differ for seconds; a surplus broker does no harm.
func Choose(live []Candidate, wanted int, now time.Time, settle time.Duration) []string {
	settled := func(c Candidate) bool { return c.Runs || now.Sub(c.Started) >= settle }
	order := slices.Clone(live)
	slices.SortFunc(order, func(a, b Candidate) int {
		return cmp.Or(first(settled(a), settled(b)), first(a.Pinned, b.Pinned), first(a.Runs, b.Runs), a.Started.Compare(b.Started), cmp.Compare(a.ID, b.ID))
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
