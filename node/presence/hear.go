package presence

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"fleet/identity"
	"fleet/internal/logkey"
)

// Hear takes in what another peer says; from is the peer that the subject names, which its broker has seen the certificate of.
// Asked is that it wants to hear all that this one knows, which Say gives next.
func (t *Table) Hear(now time.Time, from identity.ID, raw []byte) (asked bool, err error) {
	if from == t.self {
		return false, nil
	}
	m, hosts, err := decode(raw)
	if err != nil {
		return false, fmt.Errorf("presence as told by %s: %w", from, err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if m.Ask {
		t.said.asked = true
	}
	if m.Seq == 0 {
		return m.Ask, nil
	}
	s := t.teller(now, from, m)
	if s == nil {
		return m.Ask, nil
	}
	if m.Part == 0 {
		t.takeChanges(now, s, hosts)
	} else {
		t.takePart(now, s, m, hosts)
	}
	return m.Ask, nil
}

// teller returns the peer that speaks, or nil where this was heard before. It sees to the numbers.
func (t *Table) teller(now time.Time, from identity.ID, m message) *teller {
	s := t.tellers[from]
	switch {
	case s == nil && len(t.tellers) >= maxTellers:
		return nil
	case s == nil:
		s = &teller{epoch: m.Epoch, hosts: map[identity.ID]Host{}}
		t.tellers[from] = s
	case m.Epoch < s.epoch, m.Epoch == s.epoch && m.Seq <= s.seq:
		return nil
	case m.Epoch > s.epoch:
		s.epoch, s.seq = m.Epoch, 0
	}
	if m.Seq != s.seq+1 {
		s.gap, s.whole = true, nil
	}
	s.seq, s.heard = m.Seq, now
	return s
}

// Complete reports whether all of these peers have told all that is connected to their brokers.
func (t *Table) Complete(peers []identity.ID) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, id := range peers {
		if s := t.tellers[id]; s == nil || s.gap || s.whole != nil {
			return false
		}
	}
	return true
}

func (t *Table) takeChanges(now time.Time, s *teller, hosts []Host) {
	for _, h := range hosts {
		if h.State == Connected {
			t.add(s.hosts, h)
			continue
		}
		was, ok := s.hosts[h.Node]
		delete(s.hosts, h.Node)
		if ok {
			at := now
			if now.Sub(h.Since).Abs() < clocksApart {
				at = h.Since
			}
			t.lose(was, at, now.Add(moving))
		}
		t.learn(now, h)
	}
}

func (t *Table) takePart(now time.Time, s *teller, m message, hosts []Host) {
	switch {
	case m.Part == 1:
		s.whole = map[identity.ID]Host{}
	case s.whole == nil || m.Part != s.part+1:
		s.gap, s.whole = true, nil
		return
	}
	s.part = m.Part
	var gone []Host
	for _, h := range hosts {
		if h.State == Connected {
			t.add(s.whole, h)
		} else {
			gone = append(gone, h)
		}
	}
	if m.Part == m.Parts {
		old := s.hosts
		s.hosts, s.whole, s.gap = s.whole, nil, false
		for _, h := range old {
			t.lose(h, now, now.Add(moving))
		}
	}
	for _, h := range gone {
		t.learn(now, h)
	}
}

// add puts a host that is connected to a broker among that broker's, unless there are too many that live.
func (t *Table) add(to map[identity.ID]Host, h Host) {
	_, known := to[h.Node]
	if !known && t.size() >= maxHosts {
		t.evict()
	}
	if !known && t.size() >= maxHosts {
		if !t.full {
			t.full = true
			t.log.Error("hosts that do not gossip are left out of answers: there are more than this release can name", logkey.Limit, maxHosts)
		}
		return
	}
	to[h.Node] = h
	t.found(h)
}

// evict forgets a part of the hosts that are gone, those gone for longest first: where autoscaled hosts come and go by the
// thousand, the dead must not keep the living out.
func (t *Table) evict() {
	gone := slices.Collect(maps.Values(t.gone))
	if len(gone) == 0 {
		return
	}
	slices.SortFunc(gone, func(a, b *lost) int {
		return cmp.Or(a.Since.Compare(b.Since), strings.Compare(string(a.Node), string(b.Node)))
	})
	gone = gone[:min(len(gone), evicted)]
	for _, l := range gone {
		delete(t.gone, l.Node)
	}
	t.dirty = true
	t.log.Warn("forgot hosts that are gone, to make room for those that are there", logkey.Hosts, len(gone), logkey.Since, gone[len(gone)-1].Since)
}

// size is how many hosts are known, those on several brokers more than once.
func (t *Table) size() int {
	n := len(t.own) + len(t.gone)
	for _, s := range t.tellers {
		n += max(len(s.hosts), len(s.whole))
	}
	return n
}

// learn takes in that a host is gone, as another peer says. What is connected here or elsewhere is not gone; of two words
// on one host the one on its later connection counts, and of one connection that it left rather than that it failed.
func (t *Table) learn(now time.Time, h Host) {
	if h.Since.After(now) {
		h.Since = now
	}
	if h.Came.After(h.Since) {
		h.Came = h.Since
	}
	if _, held := t.held(h.Node); held {
		return
	}
	if t.isBuried(h) {
		return
	}
	old, known := t.gone[h.Node]
	switch {
	// Less than it stays known, so that who is forgotten here does not come back from a peer whose clock is behind.
	case !known && (now.Sub(h.Since) > keep(h.Role)/20*19 || len(t.gone) >= maxHosts/2):
		return
	case known && h.Came.Sub(old.Came).Abs() > goodbye:
		if h.Came.Before(old.Came) {
			return
		}
	case known && !(h.State == Left && old.State == Failed):
		return
	}
	until := h.Since.Add(moving)
	if known && old.until.After(until) {
		until = old.until
	}
	t.gone[h.Node] = &lost{h, until}
	t.dirty = true
}
