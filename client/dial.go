package client

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	connectTimeout = 5 * time.Second // of one broker
	// headStart is how long one broker is tried alone before the next is tried beside it: hundreds of times what one that is
	// well needs, and what a command takes longer for each one on its list that is dead or hangs.
	headStart = 300 * time.Millisecond
	// pingEvery and pingsOut say when a broker that hangs is left: after 4 to 6 s, which leaves a question of 10 s the time to be
	// answered by way of another one.
	pingEvery = 2 * time.Second
	pingsOut  = 2
)

// dial connects to whichever broker lets this client in first. They are tried in random order, each with a head start on the
// next; one that refuses gives way at once. The connection may move to any of them later.
func dial(ctx context.Context, urls []string, options ...nats.Option) (*nats.Conn, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop() // of those that were slower
	type result struct {
		nc  *nats.Conn
		err error
	}
	results := make(chan result, len(urls))
	waiting, running := slices.Clone(urls), 0
	rand.Shuffle(len(waiting), func(i, j int) { waiting[i], waiting[j] = waiting[j], waiting[i] })
	next := time.NewTimer(0)
	defer next.Stop()
	defer func() {
		left := running
		go func() {
			for range left {
				if r := <-results; r.err == nil {
					r.nc.Close()
				}
			}
		}()
	}()
	var failed error
	for {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-next.C:
			if len(waiting) == 0 {
				continue
			}
			one := []string{waiting[0]}
			waiting = waiting[1:]
			running++
			go func() {
				nc, err := connect(ctx, append(options, func(o *nats.Options) error { o.Servers = one; return nil })...)
				results <- result{nc, err}
			}()
			next.Reset(headStart)
		case r := <-results:
			running--
			if r.err == nil {
				return r.nc, r.nc.SetServerPool(urls)
			}
			failed = telling(failed, r.err)
			if running == 0 && len(waiting) == 0 {
				return nil, failed
			}
			next.Reset(0)
		}
	}
}

// telling is the one of two errors that says more: a broker that refuses knows more than one that is not there.
func telling(a, b error) error {
	if a == nil || !errors.Is(b, nats.ErrNoServers) && !errors.Is(b, nats.ErrTimeout) && !errors.Is(explain(a), ErrStranger) {
		return b
	}
	return a
}
