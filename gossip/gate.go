package gossip

import "sync"

// gate keeps memberlist's late calls out: its timers may still fire after Shutdown, when whoever gave us a log or a
// callback may be gone.
type gate struct {
	mu     sync.RWMutex
	closed bool
}

// pass runs f unless the gate is closed.
func (g *gate) pass(f func()) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	if !g.closed {
		f()
	}
}

// close waits for those inside, and lets nobody in any more.
func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
}
