package client

import (
	"context"
	"sync"
	"time"

	"fleet/internal/wait"
)

// A broker disconnects an admin who publishes more than 2,000 messages or 16 MiB a second for long, or ten times that at once
// (broker/bounds.go), and lets him in again only after 10 s. A change sends each of its hosts a job of up to 20 kB, and again where it
// does not answer, so the client keeps below that by itself.
const (
	paceMessages, paceBytes   = 1500, 12 << 20 // a second
	burstMessages, burstBytes = 12_000, 120 << 20
)

// pace is how much a client may publish. It is safe for use by several goroutines; the zero pace has had no use yet.
type pace struct {
	mu              sync.Mutex
	messages, bytes float64 // used, and not regained
	at              time.Time
}

// try takes room for a message, if there is any.
func (p *pace) try(size int) bool { return p.take(size) == 0 }

// wait takes room for a message, as soon as there is.
func (p *pace) wait(ctx context.Context, size int) error {
	for {
		d := p.take(size)
		if d == 0 {
			return nil
		}
		if err := wait.For(ctx, d); err != nil {
			return err
		}
	}
}

// take takes room for a message, or says after how long there may be some.
func (p *pace) take(size int) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	passed := now.Sub(p.at).Seconds()
	p.messages, p.bytes, p.at = max(0, p.messages-passed*paceMessages), max(0, p.bytes-passed*paceBytes), now
	if over := max((p.messages+1-burstMessages)/paceMessages, (p.bytes+float64(size)-burstBytes)/paceBytes); over > 0 {
		return max(time.Millisecond, time.Duration(over*float64(time.Second)))
	}
	p.messages, p.bytes = p.messages+1, p.bytes+float64(size)
	return 0
}
