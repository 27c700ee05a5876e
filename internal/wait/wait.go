// Package wait is the one way to let time pass that heeds a context.
package wait

import (
	"context"
	"time"
)

// For blocks for d, or until ctx ends; then it returns ctx's error.
func For(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
