package gossip

import (
	"cmp"
	"context"
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"fleet/internal/logkey"

	"github.com/hashicorp/memberlist"
)

// Conflict is one id claimed from two addresses. Whoever holds the gossip key can claim any id, and a host that has just
// changed its address clashes with its own past: so it means nothing until both have signed a challenge with the id's key
// (Proven), as two machines with one disk do.
type Conflict struct {
	ID          string
	Host        string         // as announced from Other, "" if it was not
	Addr, Other netip.AddrPort // the one that stays, and the one that is refused
	Self        bool           // the id is this node's own, and Addr its address
	First, Last time.Time      // when it was noticed; one not noticed again for five minutes is forgotten

	Asked                   time.Time // when both were asked last and had their time to answer; zero: not yet, or not by this node
	AddrProven, OtherProven bool      // who had the key then

	// Since and Proven are the first and the last round of questions in which both had the key; zero: none. One round alone may
	// be a host that moved in just that moment.
	Since, Proven time.Time
}

// claim is what a conflict is about.
type claim struct {
	id    string
	other netip.AddrPort
}

func (c *Conflict) claim() claim { return claim{c.ID, c.Other} }

func (t *table) conflict(stays, refused *memberlist.Node) {
	addr, _ := nodeAddr(stays)
	other, _ := nodeAddr(refused)
	meta, _, _ := decodeMeta(refused.Meta)
	t.claimFrom(stays.Name, meta.Host, addr, other)
}

// claimFrom takes in that an id that is known at addr is claimed from other, by somebody who calls himself host.
func (t *table) claimFrom(id, host string, addr, other netip.AddrPort) {
	now := time.Now()
	t.mu.Lock()
	of := claim{id, other}
	c := t.conflicts[of]
	news := c == nil
	if news {
		if !t.roomFor(id) {
			t.mu.Unlock()
			return
		}
		c = &Conflict{ID: id, Other: other, Self: id == t.self, First: now}
		t.conflicts[of] = c
	}
	c.Addr, c.Last, c.Host = addr, now, cmp.Or(host, c.Host)
	t.mu.Unlock()
	if news {
		t.say(slog.LevelInfo, "two addresses claim one node id", *c)
		t.changed()
		t.claimed()
		if id == t.self {
			t.clash()
		}
	}
}

// say logs a line about a conflict, unless there were too many.
func (t *table) say(level slog.Level, text string, c Conflict) {
	pass, dropped := t.lines.take(time.Now())
	if dropped > 0 {
		t.log.Warn("more claims of node ids than are shown here", logkey.Omitted, dropped)
	}
	if pass {
		t.log.Log(context.Background(), level, text, logkey.Node, c.ID, logkey.Name, c.Host, logkey.Addr, c.Addr, logkey.Other, c.Other, logkey.Self, c.Self)
	}
}

// roomFor makes room for one more conflict about id. false: there is none.
func (t *table) roomFor(id string) bool {
	same := 0
	for of := range t.conflicts {
		if of.id == id {
			same++
		}
	}
	switch {
	case same >= maxClaims:
		return t.dropOldest(func(c *Conflict) bool { return c.ID == id })
	case len(t.conflicts) >= maxConflicts:
		return t.dropOldest(func(c *Conflict) bool { return !c.Self })
	}
	return true
}

// dropOldest drops the oldest of those that was not proven.
func (t *table) dropOldest(of func(*Conflict) bool) bool {
	var oldest *Conflict
	for _, c := range t.conflicts {
		if of(c) && c.Proven.IsZero() && (oldest == nil || c.Last.Before(oldest.Last)) {
			oldest = c
		}
	}
	if oldest != nil {
		delete(t.conflicts, oldest.claim())
	}
	return oldest != nil
}

// toAsk are the conflicts to look into now: those about this node, and, where it runs a broker and tells clients of them, about
// others. Whoever waits for the longest time comes first.
func (t *table) toAsk(all bool) []Conflict {
	list := slices.DeleteFunc(t.listConflicts(), func(c Conflict) bool { return !c.Self && !all })
	slices.SortFunc(list, func(a, b Conflict) int {
		switch {
		case a.Self && !b.Self:
			return -1
		case b.Self && !a.Self:
			return 1
		}
		return a.Asked.Compare(b.Asked)
	})
	return list[:min(len(list), maxAsked)]
}

// asked takes in who had the key in the round of questions about c that has ended.
func (t *table) asked(c Conflict, addrProven, otherProven bool) {
	now := time.Now()
	t.mu.Lock()
	known := t.conflicts[c.claim()]
	if known == nil || known.Addr != c.Addr {
		t.mu.Unlock()
		return
	}
	before := *known
	known.Asked, known.AddrProven, known.OtherProven = now, addrProven, otherProven
	both := addrProven && otherProven
	if both {
		if before.Proven.IsZero() || now.Sub(before.Proven) > proofFresh {
			known.Since = now
		}
		known.Proven, known.Last = now, now
	}
	c = *known
	t.mu.Unlock()
	if !before.Asked.IsZero() && both == (before.AddrProven && before.OtherProven) {
		return
	}
	if both {
		t.say(slog.LevelWarn, "one node key is used at two addresses; remove the copied data directory, or revoke the key", c)
	} else {
		t.say(slog.LevelWarn, "somebody claims a node id without proof of its key; it changes nothing", c)
	}
	t.changed()
}

func (t *table) listConflicts() []Conflict {
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []Conflict
	for _, c := range t.conflicts {
		if now.Sub(c.Last) <= conflictFresh {
			out = append(out, *c)
		}
	}
	return out
}
