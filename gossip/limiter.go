package gossip

import (
	"sync"
	"time"
)

// limiter lets only so many through in each period.
type limiter struct {
	most   int
	period time.Duration

	mu      sync.Mutex
	start   time.Time // of the current period
	passed  int       // in it
	dropped int
}

// take says whether one more may pass now, and how many were dropped in the period that has ended with it.
func (l *limiter) take(now time.Time) (pass bool, dropped int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Sub(l.start) > l.period {
		dropped = l.dropped
		l.start, l.passed, l.dropped = now, 0, 0
	}
	if l.passed >= l.most {
		l.dropped++
		return false, dropped
	}
	l.passed++
	return true, dropped
}
