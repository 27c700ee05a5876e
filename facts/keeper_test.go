package facts

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"fleet/internal/bubble"
)

// counter is a Collect that takes a second and counts.
type counter struct {
	mu sync.Mutex
	n  int64
}

func (c *counter) collect(ctx context.Context, _ Config) Snapshot {
	c.mu.Lock()
	c.n++
	s := Snapshot{Facts: Facts{"n": c.n}, Problems: []Problem{{"a.txt", "is broken"}}}
	c.mu.Unlock()
	select {
	case <-ctx.Done():
	case <-time.After(time.Second):
	}
	return s
}

func TestKeeperTimer(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		k := newKeeper(Config{Log: slog.New(slog.NewTextHandler(&log, nil))}, time.Minute, (&counter{}).collect)
		k.Refresh(t.Context())
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { k.Run(ctx) })
		for want := int64(1); want < 4; want++ {
			if n := k.Current().Facts["n"]; n != want {
				t.Errorf("after %d minutes: %v", want-1, n)
			}
			time.Sleep(time.Minute + 2*time.Second)
			synctest.Wait()
		}
		cancel()
		wg.Wait()
		if n := strings.Count(log.String(), "a.txt"); n != 1 {
			t.Errorf("the problem was logged %d times:\n%s", n, log.String())
		}
	})
}

func TestKeeperSharesACollection(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		k := newKeeper(Config{}, 0, (&counter{}).collect)
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				if n := k.Refresh(t.Context()).Facts["n"]; n != int64(1) {
					t.Errorf("got collection %v", n)
				}
			})
		}
		wg.Wait()
		if n := k.Refresh(t.Context()).Facts["n"]; n != int64(2) {
			t.Errorf("later: got collection %v", n)
		}
	})
}

func TestKeeperCancelled(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		k := newKeeper(Config{}, 0, (&counter{}).collect)
		k.Refresh(t.Context())
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { // leads, gives up
			if n := k.Refresh(ctx).Facts["n"]; n != int64(1) {
				t.Errorf("the cancelled leader got %v, not the last good one", n)
			}
		})
		synctest.Wait()
		wg.Go(func() { // follows, has to take the lead
			if n := k.Refresh(t.Context()).Facts["n"]; n != int64(3) {
				t.Errorf("the follower got %v", n)
			}
		})
		synctest.Wait()
		if n := k.Current().Facts["n"]; n != int64(1) {
			t.Errorf("current is %v while collecting", n)
		}
		cancel()
		wg.Wait()
	})
}

func TestNew(t *testing.T) {
	k := New(Config{Root: "testdata/alpine"}, 0)
	wants{"operatingsystem": "Alpine"}.check(t, k.Current().Facts)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := k.Run(ctx); err != nil {
		t.Error(err)
	}
}
