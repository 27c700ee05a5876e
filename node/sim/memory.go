package sim

import (
	"sync"
	"time"

	"fleet/node/audit"
	"fleet/node/journal"
)

// memory is a journal that forgets with the process: the same answers as package journal gives, without its disk.
type memory struct {
	mu      sync.Mutex
	claims  map[string]claim
	cleaned time.Time
}

type claim struct {
	until   time.Time
	running bool
	reply   []byte // signed; of a change
}

// cleanEvery is how often claims that have run out are dropped.
const cleanEvery = time.Minute

// ClaimChange implements gate.Journal.
func (m *memory) ClaimChange(id string, expires, now time.Time) (journal.Claim, error) {
	return m.claim(id, expires, now)
}

// ClaimRead implements gate.Journal.
func (m *memory) ClaimRead(id string, _, expires, now time.Time) (journal.Claim, error) {
	return m.claim(id, expires, now)
}

// Find implements gate.Journal.
func (m *memory) Find(id string) (journal.Claim, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, seen := m.claims[id]
	return journal.Claim{Running: c.running, Result: c.reply}, seen
}

func (m *memory) claim(id string, expires, now time.Time) (journal.Claim, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if c, seen := m.claims[id]; seen {
		return journal.Claim{Running: c.running, Result: c.reply}, nil
	}
	if m.claims == nil {
		m.claims = map[string]claim{}
	}
	if now.Sub(m.cleaned) > cleanEvery {
		m.cleaned = now
		for old, c := range m.claims {
			if now.After(c.until) {
				delete(m.claims, old)
			}
		}
	}
	m.claims[id] = claim{until: expires, running: true}
	return journal.Claim{First: true}, nil
}

// Start implements runner.Journal, as the next three do. Nobody asks such a host for its jobs later.
func (m *memory) Start(string, journal.Entry) error { return nil }

// Resume has nothing to do: there is no earlier process.
func (m *memory) Resume(string) {}

// EndRead says that a read has ended; the runner keeps its reply.
func (m *memory) EndRead(id string) { m.end(id, nil) }

// EndChange keeps the reply of a change.
func (m *memory) EndChange(id string, reply []byte, _ string, _ time.Time) error {
	m.end(id, reply)
	return nil
}

func (m *memory) end(id string, reply []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.claims[id]
	c.running, c.reply = false, reply
	m.claims[id] = c
}

// unaudited stands in for an audit: nobody reads what was decided on hosts that do not exist.
type unaudited struct{}

func (unaudited) Add(audit.Entry) error        { return nil }
func (unaudited) AddDurable(audit.Entry) error { return nil }
func (unaudited) AddLimited(audit.Entry) error { return nil }
