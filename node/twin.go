package node

import (
	"time"

	"fleet/gossip"
)

const (
	// twinAfter is how long an id must be claimed from two addresses to be two machines: a host that has just changed its
	// address clashes with its own past for up to a minute.
	twinAfter = 90 * time.Second
	// twinFresh is how long after a claim was last seen it counts: gossip meets it again at each exchange, every 30 s.
	twinFresh = 2 * time.Minute
)

// twin is where another machine uses this node's key, "" if none does.
func (n *Node) twin() string {
	for _, c := range twins(n.conflicts(), time.Now()) {
		if c.Self {
			return c.Other.Addr().String()
		}
	}
	return ""
}

// twins are the conflicts that last: one key on two machines.
func twins(conflicts []gossip.Conflict, now time.Time) []gossip.Conflict {
	var list []gossip.Conflict
	for _, c := range conflicts {
		if c.Last.Sub(c.First) >= twinAfter && now.Sub(c.Last) <= twinFresh {
			list = append(list, c)
		}
	}
	return list
}
