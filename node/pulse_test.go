package node

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"fleet/internal/bubble"
)

func TestPulse(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		var p pulse
		if err := p.hung(); err != nil {
			t.Errorf("nothing runs yet: %v", err)
		}
		turn, stop := make(chan struct{}), make(chan struct{})
		done := make(chan struct{})
		go func() {
			defer close(done)
			p.during(loopMesh, func() {
				for {
					select {
					case <-turn:
						p.beat(loopMesh)
					case <-stop:
						return
					}
				}
			})
		}()
		p.beat(loopRenew)
		for range 10 {
			time.Sleep(loopLimit / 2)
			turn <- struct{}{}
			p.beat(loopRenew)
			synctest.Wait()
			if err := p.hung(); err != nil {
				t.Fatalf("it turns: %v", err)
			}
		}
		time.Sleep(loopLimit + time.Second)
		p.beat(loopRenew)
		if err := p.hung(); err == nil || !strings.Contains(err.Error(), "the mesh loop has not turned for 4m1s") {
			t.Errorf("it hangs: %v", err)
		}
		close(stop)
		<-done
		if err := p.hung(); err != nil {
			t.Errorf("it has ended in order: %v", err)
		}
	})
}
