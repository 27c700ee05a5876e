package gossip

import (
	"testing"
	"time"
)

// Whom an admin has forgotten on one node does not come back to it from others that still know it, nor with its file after a
// restart; it does come back when it is there again, and its next failure counts.
func TestForget(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		file := t.TempDir() + "/members.json"
		n1 := m.start(1, func(c *Config) { c.MembersFile = file })
		for _, i := range []int{2, 3} {
			if _, err := m.start(i, nil).Join(t.Context(), []string{addrOf(1)}); err != nil {
				t.Fatal(err)
			}
		}
		m.wait(time.Minute, "all there", func() bool { return n1.states() == "alive alive alive" })
		for _, i := range []int{1, 3} {
			if known, err := n1.Forget(idOf(i)); err == nil || !known {
				t.Errorf("n%d is alive: %v, %v", i, known, err)
			}
		}
		m.crash(3)
		m.wait(time.Minute, "the failure", func() bool { return n1.states() == "alive alive failed" })
		if known, err := n1.Forget(idOf(3)); err != nil || !known {
			t.Errorf("%v, %v", known, err)
		}
		if known, err := n1.Forget(idOf(3)); err != nil || known {
			t.Errorf("a second time: %v, %v", known, err)
		}
		time.Sleep(10 * time.Minute) // many exchanges with n2, which knows n3 as failed
		if got := n1.states(); got != "alive alive" {
			t.Errorf("hearsay brought it back: %q", got)
		}
		m.nodes["n2"].Forget(idOf(3))
		m.stop(1)
		n1 = m.start(1, func(c *Config) { c.MembersFile = file })
		m.wait(time.Minute, "the restart", func() bool { return n1.states() == "alive alive" })

		if _, err := m.start(3, nil).Join(t.Context(), []string{addrOf(1)}); err != nil {
			t.Fatal(err)
		}
		m.wait(time.Minute, "the return", func() bool { return n1.states() == "alive alive alive" })
		m.crash(3)
		m.wait(time.Minute, "the next failure", func() bool { return n1.states() == "alive alive failed" })
	})
}
