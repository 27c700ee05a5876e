package gossip

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/memberlist"
)

// A key is replaced while the mesh runs, and nobody who takes part is taken for dead on the way.
func TestKeysRotateWhileTheMeshRuns(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		m.startAll(4)
		next := []byte(strings.Repeat("n", 32))
		behind := m.nodes[idOf(4)] // hears of nothing
		following := func(do func(*testNode)) {
			for i := 1; i <= 3; i++ {
				do(m.nodes[idOf(i)])
			}
		}
		for _, step := range []struct {
			keys [][]byte
			want string
		}{
			{[][]byte{testKey, next}, "alive alive alive alive"},
			{[][]byte{next, testKey}, ""}, // what becomes of the one that cannot read the others any more takes its time
			{[][]byte{next}, "alive alive alive failed"},
		} {
			following(func(n *testNode) {
				if err := n.SetKeys(step.keys); err != nil {
					t.Fatal(err)
				}
				for range 2 { // nodes do not change in one moment
					time.Sleep(2 * time.Second)
					following(func(n *testNode) {
						if s := n.states(); !strings.HasPrefix(s, "alive alive alive ") {
							t.Fatalf("with %d keys %s sees %s", len(step.keys), n.cfg.Self.ID, s)
						}
					})
				}
			})
			if step.want != "" {
				m.wait(2*time.Minute, step.want, func() bool {
					ok := true
					following(func(n *testNode) { ok = ok && n.states() == step.want })
					return ok
				})
			}
		}
		if _, err := behind.Join(t.Context(), []string{addrOf(1)}); err == nil || !strings.Contains(err.Error(), "gossip key") {
			t.Errorf("the one that stayed behind: %v", err)
		}
		if err := behind.SetKeys([][]byte{next}); err != nil {
			t.Fatal(err)
		}
		m.wait(2*time.Minute, "the one that stayed behind is back", func() bool {
			return m.all(func(n *testNode) bool { return n.states() == "alive alive alive alive" })
		})
	})
}

func TestKeysStandInOrderAndOthersAreGone(t *testing.T) {
	key := func(c string) []byte { return []byte(strings.Repeat(c, 32)) }
	ring, err := memberlist.NewKeyring([][]byte{key("a"), key("b"), key("c")}, key("a"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"ab", "ba", "dba", "d", "abcd", "cb", "cb", "a"} {
		var keys [][]byte
		for _, c := range want {
			keys = append(keys, key(string(c)))
		}
		seen := ring.GetKeys()
		before := slices.Clone(seen)
		if err := setKeys(ring, keys); err != nil {
			t.Fatal(err)
		}
		got := ring.GetKeys()
		if len(got) != len(keys) || !bytes.Equal(got[0], keys[0]) {
			t.Errorf("%s: %q", want, got)
		}
		for _, k := range keys {
			if !slices.ContainsFunc(got, func(g []byte) bool { return bytes.Equal(g, k) }) {
				t.Errorf("%s: %q lacks %q", want, got, k)
			}
		}
		if !slices.EqualFunc(seen, before, bytes.Equal) {
			t.Errorf("%s: keys moved under those who were reading them", want)
		}
	}
}

func TestKeysThatAreNone(t *testing.T) {
	for name, keys := range map[string][][]byte{
		"none": nil, "too short": {[]byte("short")}, "one twice": {testKey, testKey},
	} {
		if err := (&Gossip{}).SetKeys(keys); err == nil {
			t.Errorf("%s: was taken", name)
		}
	}
}
