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

// loopLimit is how long a loop may take for one turn. The longest honest turn is the mesh loop's, which tries up to 16
// brokers for 10 s each where a firewall swallows what is sent.
const loopLimit = 4 * time.Minute

// pulse says when each loop that runs turned last. The time is monotonic: a machine that slept does not look hung.
type pulse struct {
	mu    sync.Mutex
	beats map[string]time.Time
}

// beat is called by the loop itself, once a turn.
func (p *pulse) beat(loop string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.beats == nil {
		p.beats = map[string]time.Time{}
	}
	p.beats[loop] = time.Now()
}

// end says that the loop is over; it is not missed any more.
func (p *pulse) end(loop string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.beats, loop)
}

// during runs a loop that beats only as it turns.
func (p *pulse) during(loop string, run func()) {
	p.beat(loop)
	defer p.end(loop)
	run()
}

// ages is how long ago each loop turned.
func (p *pulse) ages() map[string]time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	ages := map[string]time.Duration{}
	for loop, at := range p.beats {
		ages[loop] = time.Since(at)
	}
	return ages
}

// hung names a loop that does not turn any more, or is nil.
func (p *pulse) hung() error {
	for _, loop := range []string{loopMesh, loopRenew} {
		if age := p.ages()[loop]; age > loopLimit {
			return fmt.Errorf("the %s loop has not turned for %s; restart the node", loop, age.Round(time.Second))
		}
	}
	return nil
}
