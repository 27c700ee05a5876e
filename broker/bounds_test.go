package broker

import (
	"testing"
	"time"

	"fleet/identity"
)

func TestBucket(t *testing.T) {
	start := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	var b bucket
	for i, want := range []bool{true, true, true, false, false} {
		if got := b.take(start, 1, 2, 3); got != want {
			t.Errorf("take %d: %v", i, got)
		}
	}
	if !b.take(start.Add(500*time.Millisecond), 1, 2, 3) || b.take(start.Add(500*time.Millisecond), 1, 2, 3) {
		t.Error("half a second fills in one")
	}
	if !b.take(start.Add(time.Hour), 3, 2, 3) || b.take(start.Add(time.Hour), 1, 2, 3) {
		t.Error("an hour fills it, and no more")
	}
}

// A flood of lines costs only whoever causes it, and is counted.
func TestQuotaOfLogLines(t *testing.T) {
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	q := newQuota()
	take := func(key identity.ID, n int) (written int) {
		for range n {
			if _, ok := q.take(now, key); ok {
				written++
			}
		}
		return written
	}
	if n := take("flooder", 10_000); n != logBurst {
		t.Errorf("%d lines written", n)
	}
	if n := take("other", 1) + take("", 1); n != 2 {
		t.Errorf("%d of 2 lines of others written", n)
	}
	now = now.Add(time.Second)
	if left, ok := q.take(now, "flooder"); !ok || left != 10_000-logBurst {
		t.Errorf("a second later: %v, %d left out", ok, left)
	}
	now = now.Add(time.Hour)
	if take("other", 1); len(q.by) != 1 {
		t.Errorf("%d keys are still known", len(q.by))
	}
}
