package gossip

import (
	"slices"
	"testing"
	"time"
)

// Who has just died still counts as alive in the table, and answers nobody.
func TestReach(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		m.startAll(4)
		time.Sleep(10 * time.Second)
		m.net.crash(m.nodes[idOf(2)].Addr().String()) // at this moment: stopping it takes as long as noticing
		n := m.nodes["n1"]
		if got := n.states(); got != "alive alive alive alive" {
			t.Fatalf("the table says %q a moment after the crash: this test would show nothing", got)
		}
		m.stop(4)
		began := time.Now()
		answered, silent := n.Reach([]string{idOf(1), idOf(2), idOf(3), idOf(4), "stranger"})
		slices.Sort(answered)
		slices.Sort(silent)
		if !slices.Equal(answered, []string{idOf(1), idOf(3)}) || !slices.Equal(silent, []string{idOf(2), idOf(4)}) {
			t.Errorf("answered %v, silent %v", answered, silent)
		}
		if took := time.Since(began); took > 700*time.Millisecond { // fake time
			t.Errorf("it took %s", took)
		}
	})
}
