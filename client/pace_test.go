package client

import (
	"context"
	"testing"
	"time"

	"fleet/internal/bubble"
)

// However much there is to send, what goes out in any time is less than brokers allow, and nothing waits that need not.
func TestTheClientKeepsBelowWhatBrokersAllow(t *testing.T) {
	for _, size := range []int{10, 15_000} {
		bubble.Test(t, func(t *testing.T) {
			var p pace
			began, messages, bytes := time.Now(), 0, 0
			for time.Since(began) < 30*time.Second {
				if err := p.wait(t.Context(), size); err != nil {
					t.Fatal(err)
				}
				messages, bytes = messages+1, bytes+size
				passed := time.Since(began).Seconds()
				if float64(messages) > 10*2000+passed*2000 || float64(bytes) > (10+passed)*(16<<20) {
					t.Fatalf("%d messages, %d bytes in %.1f s", messages, bytes, passed)
				}
				if messages <= 8000 && passed > 0 {
					t.Fatalf("message %d of %d bytes waited", messages, size)
				}
			}
			if messages < 20*paceMessages && bytes < 20*paceBytes {
				t.Errorf("only %d messages of %d bytes in 30 s", messages, size)
			}
			if p.try(burstBytes) {
				t.Error("there is room for more than that")
			}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if p.wait(ctx, burstBytes) == nil {
				t.Error("it did not end with its context")
			}
		})
	}
}
