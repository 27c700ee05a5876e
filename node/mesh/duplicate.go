package mesh

import (
	"fmt"
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
	for _, c := range proven(s.Conflicts(), time.Now()) {
		if c.Self {
			return c.Other.Addr().String()
		}
	}
	return ""
}

// Claims says, a line each, which node ids are claimed from two addresses, and who has proven to have the key. Only a node whose own
// id it is, and one that runs a broker, asks for proof; others have nothing to say.
func (s *Members) Claims() []string {
	var lines []string
	now := time.Now()
	for _, c := range s.Conflicts() {
		if line := claimed(c, now); line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}

// proven are the conflicts in which both have shown that they have the key: one key on two machines. Once is not enough: it may be a
// host that moved from one address to the other within those seconds.
func proven(conflicts []gossip.Conflict, now time.Time) []gossip.Conflict {
	var list []gossip.Conflict
	for _, c := range conflicts {
		if isProven(c, now) {
			list = append(list, c)
		}
	}
	return list
}

func isProven(c gossip.Conflict, now time.Time) bool {
	return c.Proven.After(c.Since) && now.Sub(c.Proven) <= duplicateFresh
}

// claimed is what to say of a conflict; "": nothing yet.
func claimed(c gossip.Conflict, now time.Time) string {
	host := ""
	if c.Host != "" {
		host = fmt.Sprintf(", announced as %s,", c.Host)
	}
	const harmless = "a false claim, or the host's former address; it blocks nothing"
	switch {
	case isProven(c, now) && c.Self:
		return fmt.Sprintf("another machine, at %s, has proven to hold this host's key", c.Other)
	case isProven(c, now):
		return fmt.Sprintf("two machines, at %s and %s, have proven to hold the key of node %s", c.Addr, c.Other, c.ID)
	case c.Asked.IsZero() || c.AddrProven && c.OtherProven: // another round decides
		return ""
	case c.Self:
		return fmt.Sprintf("somebody at %s%s claims this host's node id without proof of its key: %s", c.Other, host, harmless)
	case c.AddrProven:
		return fmt.Sprintf("somebody at %s%s claims the id of node %s without proof of its key: %s", c.Other, host, c.ID, harmless)
	case c.OtherProven:
		return fmt.Sprintf("somebody at %s claims the id of node %s without proof of its key: %s", c.Addr, c.ID, harmless)
	}
	return fmt.Sprintf("the id of node %s is claimed from %s and %s, and neither has proven to hold its key: false claims, or the host's former addresses; they block nothing", c.ID, c.Addr, c.Other)
}
