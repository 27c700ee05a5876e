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
		for i, want := range map[int]int{1: 0, 3: 1} { // itself was not asked, and has no need to be told
			if got := m.nodes[idOf(i)].toldMissed(); got != want {
				t.Errorf("%s was told %d times that it is missed", idOf(i), got)
			}
		}
	})
}

// Whoever says so again and again makes a node look no more often.
func TestMissedWithoutEnd(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		m.startAll(2)
		n := m.nodes["n1"]
		for range 100 {
			for range 10 {
				n.send(m.nodes["n2"].Addr(), []byte{kindMissed})
			}
			n.send(m.nodes["n2"].Addr(), []byte{kindMissed, 0})
			time.Sleep(100 * time.Millisecond)
		}
		if got := m.nodes["n2"].toldMissed(); got < 5*maxMissed || got > 12*maxMissed {
			t.Errorf("it is told %d times in 10 s", got)
		}
	})
}
