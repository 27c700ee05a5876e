package broker

import (
	"context"
	"runtime"
	"testing"
)

// Each collection is told, until the context ends.
func TestCollectionsAreTold(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	told := make(chan struct{}, 1)
	tellCollected(ctx, told)
	for range 3 {
		runtime.GC()
		<-told
	}
	stop()
	runtime.GC() // tells a last time
	<-told
	for range 3 {
		runtime.GC()
	}
	select {
	case <-told:
		t.Error("one was told after the end")
	default:
	}
}
