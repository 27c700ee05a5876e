package gossip

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"fleet/internal/logkey"

	"github.com/hashicorp/memberlist"
)

// table is what this node knows of all members. memberlist's callbacks write it while they hold memberlist's lock, so
// nothing here may call memberlist.
type table struct {
	self            string
	log             *slog.Logger
	forgetEphemeral time.Duration
	forgetOthers    time.Duration
	signal          func() // something changed; must not block
	clash           func() // this node's own id is claimed from elsewhere; must not block
	claimed         func() // an id is claimed from one more address; must not block
	lines           limiter

	version atomic.Int64 // counts the changes

	mu        sync.Mutex
	members   map[string]Member
	conflicts map[claim]*Conflict
	buried    map[string]time.Time // forgotten by an admin, and when; see Forget
}

func newTable(c *Config, signal, clash, claimed func()) *table {
	return &table{
		self: c.Self.ID, log: c.Log, forgetEphemeral: c.ForgetEphemeral, forgetOthers: c.Forget, signal: signal, clash: clash, claimed: claimed,
		lines:   limiter{most: logBurst, period: logPeriod},
		members: map[string]Member{}, conflicts: map[claim]*Conflict{}, buried: map[string]time.Time{},
	}
}

// admit says why a node must not enter the table. memberlist ignores the message then.
func (t *table) admit(n *memberlist.Node) error {
	if !validID(n.Name) {
		return fmt.Errorf("node id %q is not valid", n.Name)
	}
	if _, ok := nodeAddr(n); !ok {
		return errors.New("it has no valid address")
	}
	if _, _, err := decodeMeta(n.Meta); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, known := t.members[n.Name]; !known && len(t.members) >= maxMembers {
		return fmt.Errorf("there are %d members already", maxMembers)
	}
	return nil
}

// heard takes in what an admitted node announces.
func (t *table) heard(n *memberlist.Node) {
	m, leaving, err := decodeMeta(n.Meta)
	if err != nil { // admit has refused it
		return
	}
	m.ID = n.Name
	m.Addr, _ = nodeAddr(n)
	m.Since = time.Now()
	if leaving {
		m.State = Left
	}
	t.mu.Lock()
	old, known := t.members[n.Name]
	if known && old.State == m.State {
		m.Since = old.Since
	}
	t.members[n.Name] = m
	delete(t.buried, n.Name)
	t.mu.Unlock()
	if !known || old.State != m.State {
		t.tell(m)
	}
	t.changed()
}

// gone takes in that memberlist has given up on a node, or that the node has left.
func (t *table) gone(n *memberlist.Node) {
	t.mu.Lock()
	old, known := t.members[n.Name]
	m := old
	if known && old.State == Alive {
		m.State, m.Since = Failed, time.Now()
		if n.Name == t.self {
			m.State = Left
		}
		t.members[n.Name] = m
	}
	t.mu.Unlock()
	if m != old {
		t.tell(m)
		t.changed()
	}
}

// changed is called after each change of the members, without the lock.
func (t *table) changed() {
	t.version.Add(1)
	t.signal()
}

func (t *table) tell(m Member) {
	t.log.Info("member is "+m.State.String(), logkey.Node, m.ID, logkey.Name, m.Host, logkey.Addr, m.Addr)
}

// keep is how long m stays known after it is gone.
func (t *table) keep(m Member) time.Duration {
	if m.Ephemeral {
		return t.forgetEphemeral
	}
	return t.forgetOthers
}

// forget drops members that have been gone for longer than they are kept, which it returns, and conflicts that have ended.
func (t *table) forget() (forgotten []Member) {
	now := time.Now()
	t.mu.Lock()
	for id, m := range t.members {
		if m.State != Alive && id != t.self && now.Sub(m.Since) > t.keep(m) {
			delete(t.members, id)
			forgotten = append(forgotten, m)
		}
	}
	for of, c := range t.conflicts {
		if now.Sub(c.Last) > conflictFresh {
			delete(t.conflicts, of)
		}
	}
	for id, at := range t.buried { // by then nobody speaks of it any more
		if now.Sub(at) > t.forgetOthers+hearsayDelay {
			delete(t.buried, id)
		}
	}
	t.mu.Unlock()
	for _, m := range forgotten {
		t.log.Info("forgot a member", logkey.Node, m.ID, logkey.Name, m.Host, logkey.Since, m.Since)
	}
	if len(forgotten) > 0 {
		t.changed()
	}
	return forgotten
}

// list returns a copy of everything, in no order.
func (t *table) list() []Member {
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]Member, 0, len(t.members))
	for _, m := range t.members {
		m.LastSeen = m.Since
		if m.State == Alive {
			m.LastSeen = now
		}
		out = append(out, m)
	}
	return out
}

func (t *table) get(id string) (m Member, known bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	m, known = t.members[id]
	return m, known
}

func nodeAddr(n *memberlist.Node) (netip.AddrPort, bool) {
	a, ok := netip.AddrFromSlice(n.Addr)
	return netip.AddrPortFrom(a.Unmap(), n.Port), ok && n.Port != 0
}
