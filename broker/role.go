package broker

import (
	"cmp"
	"slices"
	"time"
)

// Wanted is how many brokers a fleet carries once it has as many peers: one may be down for service and one may die
// meanwhile. Routes between brokers are a full mesh, so more cost more.
const Wanted = 3

// Candidate is a live peer.
type Candidate struct {
	ID      string
	Pinned  bool      // chosen by an admin to carry a broker
	Carries bool      // carries one now: the role does not move without need
	Started time.Time // when its node process started, in whole seconds: one that comes and goes is always the youngest
}

// Carriers returns the ids of the peers that should carry a broker: the pinned first, then those that do already, then
// the longest there. Every peer computes it from gossip by itself. Views may differ for seconds; a surplus broker does
// no harm.
func Carriers(live []Candidate) []string {
	order := slices.Clone(live)
	slices.SortFunc(order, func(a, b Candidate) int {
		return cmp.Or(first(a.Pinned, b.Pinned), first(a.Carries, b.Carries), a.Started.Compare(b.Started), cmp.Compare(a.ID, b.ID))
	})
	ids := make([]string, 0, Wanted)
	for _, c := range order[:min(len(order), Wanted)] {
		ids = append(ids, c.ID)
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
