package presence

import (
	"log/slog"
	"sync"
	"time"

	"fleet/identity"
	"fleet/internal/logkey"
)

// Table is what one peer knows. Its methods may be called from several goroutines; each is told what time it is, which
// must not go back.
type Table struct {
	self identity.ID
	log  *slog.Logger

	mu      sync.Mutex
	own     map[identity.ID]Host      // connected to this peer's broker
	tellers map[identity.ID]*teller   // peers that tell of theirs
	gone    map[identity.ID]*lost     // connected nowhere
	leaving map[identity.ID]time.Time // said goodbye
	buried  map[identity.ID]burial    // forgotten by an admin
	dirty   bool                      // the file is behind
	full    bool                      // more hosts were told of than are known; said once
	said    voice
}

// burial is that an admin has forgotten a host. Only a connection that came later counts.
type burial struct{ at, came time.Time }

// lost is a host that is connected nowhere.
type lost struct {
	Host
	until time.Time // until then it may be on its way to another broker
}

// teller is another peer with a broker, as far as it has told.
type teller struct {
	epoch int64
	seq   uint64
	heard time.Time
	hosts map[identity.ID]Host
	part  uint8                // the last one of a whole that is coming
	whole map[identity.ID]Host // the parts so far
	gap   bool                 // something was missed: the whole is wanted
}

// New returns an empty table of the peer self.
func New(self identity.ID, log *slog.Logger) *Table {
	return &Table{
		self: self, log: log, own: map[identity.ID]Host{}, tellers: map[identity.ID]*teller{}, gone: map[identity.ID]*lost{},
		leaving: map[identity.ID]time.Time{}, buried: map[identity.ID]burial{}, said: voice{ask: true},
	}
}

// Own takes in what changed at this peer's broker.
func (t *Table) Own(now time.Time, went []identity.ID, came []Host) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, id := range went {
		if h, ok := t.own[id]; ok {
			delete(t.own, id)
			t.lose(h, now, now.Add(moving))
			t.said.change(id)
		}
	}
	for _, h := range came {
		h.State, h.Since = Connected, h.Came
		t.own[h.Node] = h
		t.found(h)
		t.said.change(h.Node)
	}
}

// found notes that a host is connected.
func (t *Table) found(h Host) {
	if t.isBuried(h) {
		return
	}
	delete(t.gone, h.Node)
	delete(t.buried, h.Node)
	t.dirty = true
}

// isBuried says whether a connection is one that stood, or had ended, when an admin had the host forgotten.
func (t *Table) isBuried(h Host) bool {
	b, buried := t.buried[h.Node]
	return buried && !h.Came.After(b.came)
}

// lose notes that a connection ended. If the host holds no other it is gone, though until then it may be on its way.
func (t *Table) lose(h Host, at, until time.Time) {
	if _, held := t.held(h.Node); held {
		return
	}
	if t.isBuried(h) {
		return
	}
	h.State, h.Since = Failed, at
	if said, ok := t.leaving[h.Node]; ok && !said.Before(h.Came) && at.Sub(said) < goodbye {
		h.State = Left
	}
	if old, ok := t.gone[h.Node]; ok && old.State == Left && !old.Came.Before(h.Came) {
		return // the other broker that it was on has told before
	}
	if t.size() >= maxHosts {
		t.evict()
	}
	t.gone[h.Node] = &lost{h, until}
	t.dirty = true
}

// held returns a host that is connected to any broker.
func (t *Table) held(id identity.ID) (Host, bool) {
	if h, ok := t.own[id]; ok {
		return h, true
	}
	for _, s := range t.tellers {
		if h, ok := s.hosts[id]; ok {
			return h, true
		}
	}
	return Host{}, false
}

// Leave takes in a host's word that it stops. It counts once its connection ends.
func (t *Table) Leave(now time.Time, id identity.ID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.leaving) < maxHosts {
		t.leaving[id] = now
	}
	if l, ok := t.gone[id]; ok && l.State == Failed && now.Sub(l.Since) < goodbye {
		l.State = Left
		t.dirty = true
		t.said.change(id)
	}
}

// Tick lets time pass: peers that are silent lose their hosts, and who is gone for long enough is forgotten.
func (t *Table) Tick(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for id, s := range t.tellers {
		if now.Sub(s.heard) <= deaf {
			continue
		}
		delete(t.tellers, id)
		if len(s.hosts) > 0 {
			t.log.Info("a broker that has hosts connected does not send presence", logkey.Broker, id, logkey.Hosts, len(s.hosts))
		}
		until := s.heard.Add(storm)
		if least := now.Add(moving); least.After(until) { // it may be this machine that slept
			until = least
		}
		for _, h := range s.hosts {
			t.lose(h, s.heard, until)
		}
	}
	for id, l := range t.gone {
		if now.Sub(l.Since) > keep(l.Role) {
			delete(t.gone, id)
			t.dirty = true
			t.log.Info("host forgotten: it was down for too long", logkey.Node, id, logkey.Name, l.Name, logkey.Since, l.Since)
		}
	}
	for id, at := range t.leaving {
		if now.Sub(at) > goodbye {
			delete(t.leaving, id)
		}
	}
	for id, b := range t.buried {
		if now.Sub(b.at) > keepOthers {
			delete(t.buried, id)
		}
	}
}

func keep(r identity.Role) time.Duration {
	if r == identity.Ephemeral {
		return keepEphemeral
	}
	return keepOthers
}

// Hosts returns every host that is known, once, in no order.
func (t *Table) Hosts(now time.Time) []Host {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := make([]Host, 0, len(t.own)+len(t.gone))
	seen := make(map[identity.ID]bool, len(t.own)+len(t.gone))
	add := func(h Host) {
		if !seen[h.Node] && !t.isBuried(h) {
			seen[h.Node] = true
			list = append(list, h)
		}
	}
	for _, h := range t.own {
		add(h)
	}
	for _, s := range t.tellers {
		for _, h := range s.hosts {
			add(h)
		}
	}
	for _, l := range t.gone {
		h := l.Host
		if h.State == Failed && now.Before(l.until) {
			h.State, h.Since = Connected, h.Came
		}
		add(h)
	}
	return list
}

// Forget drops a host, and remembers that, so that others do not bring it back. A connection of it that still stands counts
// for nothing any more: a broker takes about a minute to notice that nobody is at the other end. Whether the host is alive is
// for the caller to know; with its next connection it is back.
func (t *Table) Forget(now time.Time, id identity.ID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	last := time.Time{}
	note := func(h Host, known bool) {
		if known && h.Came.After(last) {
			last = h.Came
		}
	}
	own, known := t.own[id]
	note(own, known)
	for _, s := range t.tellers {
		h, known := s.hosts[id]
		note(h, known)
	}
	if l, known := t.gone[id]; known {
		note(l.Host, true)
	}
	if last.IsZero() {
		last = now
	}
	delete(t.gone, id)
	if len(t.buried) < maxHosts {
		t.buried[id] = burial{at: now, came: last}
	}
	t.dirty = true
}
