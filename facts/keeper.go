package facts

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"fleet/internal/logkey"
)

// Keeper holds a host's facts, ready at any moment.
type Keeper struct {
	cfg      Config
	interval time.Duration
	log      *slog.Logger
	collect  func(context.Context, Config) Snapshot // Collect, but in tests

	mu      sync.Mutex
	current Snapshot
	running *collection // nil while nobody collects
}

// collection is one run of Collect that several callers may wait for.
type collection struct {
	done chan struct{} // closed when snap and ok are set
	snap Snapshot
	ok   bool // false: it was cut short by its caller's context and does not count
}

// New collects for the first time before it returns, so that Current always has facts: a host that answered a filter
// without its custom facts would say that it does not match. It blocks as long as Collect does. An interval of 0 or
// less means no timer.
func New(cfg Config, interval time.Duration) *Keeper {
	k := newKeeper(cfg, interval, Collect)
	k.Refresh(context.Background())
	return k
}

func newKeeper(cfg Config, interval time.Duration, collect func(context.Context, Config) Snapshot) *Keeper {
	return &Keeper{cfg: cfg, interval: interval, log: logger(cfg.Log), collect: collect}
}

// Run collects anew whenever the interval is over. It blocks until ctx ends and then returns nil.
func (k *Keeper) Run(ctx context.Context) error {
	if k.interval <= 0 {
		<-ctx.Done()
		return nil
	}
	tick := time.NewTicker(k.interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			k.Refresh(ctx)
		}
	}
}

// Current returns what was collected last. It never blocks.
func (k *Keeper) Current() Snapshot {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.current
}

// Refresh collects anew and returns the result. A call that comes while another collects waits for that one and
// returns its result. When ctx ends first, Refresh returns what Current does, and a collection it led does not count.
func (k *Keeper) Refresh(ctx context.Context) Snapshot {
	for ctx.Err() == nil {
		k.mu.Lock()
		if c := k.running; c != nil {
			k.mu.Unlock()
			select {
			case <-ctx.Done():
			case <-c.done:
				if c.ok {
					return c.snap
				}
			}
			continue
		}
		c := &collection{done: make(chan struct{})}
		k.running = c
		k.mu.Unlock()
		k.lead(ctx, c)
		if c.ok {
			return c.snap
		}
	}
	return k.Current()
}

// lead does the work for everybody who waits for c.
func (k *Keeper) lead(ctx context.Context, c *collection) {
	c.snap = k.collect(ctx, k.cfg)
	c.ok = ctx.Err() == nil // executables were killed half-way: their facts would seem to be gone
	k.mu.Lock()
	before := k.current.Problems
	if c.ok {
		k.current = c.snap
	}
	k.running = nil
	k.mu.Unlock()
	close(c.done)
	if !c.ok {
		return
	}
	known := map[Problem]bool{}
	for _, p := range before {
		known[p] = true
	}
	for _, p := range c.snap.Problems {
		if !known[p] { // once, not with every refresh
			k.log.Warn("fact not available", logkey.File, p.File, logkey.Error, p.Error)
		}
	}
}
