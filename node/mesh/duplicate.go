package mesh

import (
	"time"

	"fleet/gossip"
)

// Conflicts are the ids that gossip hears from two addresses, also for a moment only.
func (s *Members) Conflicts() []gossip.Conflict {
	if s.gossip == nil {
		return nil
	}
	return s.gossip.Conflicts()
}

// DuplicateKey is where another machine uses this node's key, "" if none does.
func (s *Members) DuplicateKey() string {
	for _, c := range lasting(s.Conflicts(), time.Now()) {
		if c.Self {
			return c.Other.Addr().String()
		}
	}
	return ""
}

// lasting are the conflicts that last: one key on two machines.
func lasting(conflicts []gossip.Conflict, now time.Time) []gossip.Conflict {
	var list []gossip.Conflict
	for _, c := range conflicts {
		if c.Last.Sub(c.First) >= duplicateAfter && now.Sub(c.Last) <= duplicateFresh {
			list = append(list, c)
		}
	}
	return list
}
