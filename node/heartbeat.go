package node

import (
	"fmt"
	"sync"
	"time"
)

// The loops without which a node is of no use. Each says when it turns; one that has not for longer than it may take
// hangs, and only a restart helps.
const (
	loopMesh  = "mesh"
	loopRenew = "renewal"
)

// loopLimit is how long a loop may take for one turn. The longest honest turns wait some ten seconds, for an answer to a renewal or
// until a broker has started and gossip has announced it; a machine that is that slow needs no restart.
const loopLimit = 2 * time.Minute

// heartbeats says when each loop that runs turned last. The time is monotonic: a machine that slept does not look hung. The zero value
// is ready.
type heartbeats struct {
	mu   sync.Mutex
	last map[string]time.Time
}

// heartbeat is one loop's.
type heartbeat struct {
	of   *heartbeats
	loop string
}

// Beat is called by the loop itself, before its first turn and after each.
func (b heartbeat) Beat() {
	b.of.mu.Lock()
	defer b.of.mu.Unlock()
	if b.of.last == nil {
		b.of.last = map[string]time.Time{}
	}
	b.of.last[b.loop] = time.Now()
}

// End says that the loop is over; it is not missed any more.
func (b heartbeat) End() {
	b.of.mu.Lock()
	defer b.of.mu.Unlock()
	delete(b.of.last, b.loop)
}

// ages is how long ago each loop turned.
func (h *heartbeats) ages() map[string]time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	ages := map[string]time.Duration{}
	for loop, at := range h.last {
		ages[loop] = time.Since(at)
	}
	return ages
}

// hung names a loop that does not turn any more, or is nil.
func (h *heartbeats) hung() error {
	for _, loop := range []string{loopMesh, loopRenew} {
		if age := h.ages()[loop]; age > loopLimit {
			return fmt.Errorf("the %s loop has not turned for %s; restart the node", loop, age.Round(time.Second))
		}
	}
	return nil
}
