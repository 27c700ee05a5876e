package node

import (
	"strings"
	"testing"
	"time"

	"fleet/internal/bubble"
)

func TestHeartbeats(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		var h heartbeats
		if err := h.hung(); err != nil {
			t.Errorf("nothing runs yet: %v", err)
		}
		mesh, renewal := heartbeat{&h, loopMesh}, heartbeat{&h, loopRenew}
		for range 10 {
			mesh.Beat()
			renewal.Beat()
			time.Sleep(loopLimit / 2)
			if err := h.hung(); err != nil {
				t.Fatalf("it turns: %v", err)
			}
		}
		mesh.Beat()
		time.Sleep(loopLimit + time.Second)
		renewal.Beat()
		if err := h.hung(); err == nil || !strings.Contains(err.Error(), "the mesh loop has not turned for 2m1s") {
			t.Errorf("it hangs: %v", err)
		}
		mesh.End()
		if err := h.hung(); err != nil {
			t.Errorf("it has ended in order: %v", err)
		}
	})
}
