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

// Begin implements gate.Journal, as the next four do.
func (m *memory) Begin(j journal.Job, now time.Time) (journal.Claim, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if c, seen := m.claims[j.ID]; seen {
		return c.told(), nil
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
	m.claims[j.ID] = claim{until: j.Expires, running: true}
	return journal.Claim{First: true}, nil
}

// ClaimChange has nothing to do: what is begun is claimed.
func (m *memory) ClaimChange(journal.Job, time.Time) error { return nil }

// Alone is what an earlier process counted: there was none.
func (m *memory) Alone(time.Time) ([]journal.Entry, error) { return nil, nil }

// Refuse does not remember: no action comes and no policy changes on hosts that do not exist.
func (m *memory) Refuse(journal.Job, journal.Refusal) {}

// Release lets go of a job.
func (m *memory) Release(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.claims, id)
}

// Find says how a job stands.
func (m *memory) Find(j journal.Job) (journal.Claim, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, seen := m.claims[j.ID]
	return c.told(), seen
}

func (c claim) told() journal.Claim { return journal.Claim{Running: c.running, Result: c.reply} }

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
