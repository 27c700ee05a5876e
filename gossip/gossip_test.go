package gossip

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"fleet/internal/bubble"
)

var testKey = []byte(strings.Repeat("k", 32))

// mesh is some nodes on a network in memory, in a bubble.
type mesh struct {
	t     *testing.T
	net   *network
	nodes map[string]*testNode
}

type testNode struct {
	*Gossip
	cancel context.CancelFunc
	done   chan error

	mu      sync.Mutex
	changes int
	differ  []string
	missed  int
}

func addrOf(i int) string { return fmt.Sprintf("10.0.0.%d:7946", i) }
func idOf(i int) string   { return fmt.Sprintf("n%d", i) }

// inBubble runs a scenario in fake time and stops all its nodes at the end; synctest fails if one of their goroutines
// stays.
func inBubble(t *testing.T, scenario func(t *testing.T, m *mesh)) {
	bubble.Test(t, func(t *testing.T) {
		m := &mesh{t, newNetwork(), map[string]*testNode{}}
		defer func() {
			for _, n := range m.nodes {
				n.cancel()
			}
			for id, n := range m.nodes {
				if err := <-n.done; err != nil {
					t.Errorf("Run of %s: %v", id, err)
				}
			}
			// memberlist does not wait for its goroutines; they end by their timers, but only while time passes.
			time.Sleep(time.Minute)
		}()
		scenario(t, m)
	})
}

// proofOf is what the key of that id makes of a challenge, in these tests.
func proofOf(id string, challenge []byte) []byte {
	sum := sha256.Sum256(append([]byte(id), challenge...))
	return sum[:]
}

func provenBy(id string, challenge, proof []byte) bool {
	return bytes.Equal(proof, proofOf(id, challenge))
}

// toldMissed is how often the node was told that it is missed.
func (n *testNode) toldMissed() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.missed
}

// start starts node i; change may alter its configuration. A node of the same number takes the place of the last one.
func (m *mesh) start(i int, change func(*Config)) *testNode {
	m.t.Helper()
	n := &testNode{done: make(chan error, 1)}
	cfg := Config{
		Self:  Member{ID: idOf(i), Host: fmt.Sprintf("web%d", i), Started: time.Now(), Peer: true, Protocol: 1},
		Fleet: "acme", Bind: netip.MustParseAddrPort(addrOf(i)), Keys: [][]byte{testKey}, Log: slog.New(slog.DiscardHandler),
		OnChange: func() { n.mu.Lock(); n.changes++; n.mu.Unlock() },
		OnDiffer: func(missing, ahead []Ref) {
			n.mu.Lock()
			n.differ = append(n.differ, fmt.Sprint(missing, ahead))
			n.mu.Unlock()
		},
	}
	cfg.OnMissed = func() { n.mu.Lock(); n.missed++; n.mu.Unlock() }
	cfg.Prove, cfg.Proven = func(challenge []byte) []byte { return proofOf(cfg.Self.ID, challenge) }, provenBy
	if change != nil {
		change(&cfg)
	}
	cfg.transport = m.net.attach(cfg.Bind.String())
	g, err := New(cfg)
	if err != nil {
		m.t.Fatal(err)
	}
	n.Gossip = g
	ctx, cancel := context.WithCancel(context.Background())
	n.cancel = cancel
	go func() { n.done <- g.Run(ctx) }()
	m.nodes[cfg.Self.ID] = n
	return n
}

// startAll starts nodes 1 to n, each joining the first, and waits until all know all.
func (m *mesh) startAll(n int) {
	m.t.Helper()
	for i := 1; i <= n; i++ {
		node := m.start(i, nil)
		if i > 1 {
			if _, err := node.Join(m.t.Context(), []string{addrOf(1)}); err != nil {
				m.t.Fatal(err)
			}
		}
	}
	want := strings.TrimSpace(strings.Repeat("alive ", n))
	m.wait(10*time.Second, "all know all", func() bool { return m.all(func(g *testNode) bool { return g.states() == want }) })
}

func (m *mesh) all(ok func(n *testNode) bool) bool {
	for _, n := range m.nodes {
		if !ok(n) {
			return false
		}
	}
	return true
}

// wait lets fake time pass until ok holds, at most limit.
func (m *mesh) wait(limit time.Duration, what string, ok func() bool) {
	m.t.Helper()
	start := time.Now()
	for !ok() {
		if time.Since(start) > limit {
			for id, n := range m.nodes {
				m.t.Logf("%s sees %s", id, n.states())
			}
			m.t.Fatalf("%s: not within %v", what, limit)
		}
		time.Sleep(50 * time.Millisecond)
	}
	m.t.Logf("%s after %v", what, time.Since(start))
}

// stop ends node i in order, and waits.
func (m *mesh) stop(i int) {
	n := m.nodes[idOf(i)]
	n.cancel()
	if err := <-n.done; err != nil {
		m.t.Errorf("Run of %s: %v", idOf(i), err)
	}
	delete(m.nodes, idOf(i))
}

// crash ends node i as seen from outside: from now on nobody reaches it and it reaches nobody.
func (m *mesh) crash(i int) {
	m.net.crash(m.nodes[idOf(i)].Addr().String())
	m.stop(i)
}

// states is how the members stand, by host name: "alive failed".
func (n *testNode) states() string {
	var s []string
	for _, m := range n.Members() {
		s = append(s, m.State.String())
	}
	return strings.Join(s, " ")
}

// told is what OnDiffer was called with.
func (n *testNode) told() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.differ)
}

func (n *testNode) member(i int) Member {
	for _, m := range n.Members() {
		if m.ID == idOf(i) {
			return m
		}
	}
	return Member{}
}

func TestNodesFindEachOther(t *testing.T) {
	for _, n := range []int{1, 2, 5, 12} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			inBubble(t, func(t *testing.T, m *mesh) {
				m.startAll(n)
				got := m.nodes["n1"].member(n)
				want := Member{ID: idOf(n), Host: fmt.Sprintf("web%d", n), Addr: netip.MustParseAddrPort(addrOf(n)), Peer: true, Protocol: 1,
					Since: got.Since, LastSeen: time.Now(), Started: got.Started}
				if got != want {
					t.Errorf("member is %+v, want %+v", got, want)
				}
			})
		})
	}
}

func TestCrashIsSeenAsFailed(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		m.startAll(5)
		before := time.Now()
		m.crash(3)
		m.wait(20*time.Second, "all see it failed", func() bool {
			return m.all(func(n *testNode) bool { return n.states() == "alive alive failed alive alive" })
		})
		if got := m.nodes["n1"].member(3); got.Since.Before(before) || got.LastSeen != got.Since {
			t.Errorf("failed since %v, last seen %v; crashed after %v", got.Since, got.LastSeen, before)
		}
	})
}

func TestLeaveIsSeenAsLeft(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		m.startAll(5)
		m.stop(2)
		m.wait(time.Second, "all see it left", func() bool {
			return m.all(func(n *testNode) bool { return n.states() == "alive left alive alive alive" })
		})
		time.Sleep(5 * time.Minute)
		if got := m.nodes["n1"].states(); got != "alive left alive alive alive" {
			t.Errorf("later it is %s", got)
		}
	})
}

func TestLeaveIsSeenAsLeftDespiteLoss(t *testing.T) {
	for _, tt := range []struct{ loss, nodes int }{{40, 20}, {100, 6}} {
		t.Run(fmt.Sprint(tt.loss, " percent"), func(t *testing.T) {
			inBubble(t, func(t *testing.T, m *mesh) {
				m.startAll(tt.nodes)
				m.net.lose(tt.loss)
				m.stop(2)
				m.stop(3)
				m.wait(5*time.Minute, "all see them left", func() bool {
					return m.all(func(n *testNode) bool { return n.member(2).State == Left && n.member(3).State == Left })
				})
			})
		})
	}
}

func TestNodeReturns(t *testing.T) {
	ways := map[string]func(m *mesh){
		"after a crash, at once": func(m *mesh) { m.crash(3) },
		"after a crash":          func(m *mesh) { m.crash(3); time.Sleep(5 * time.Minute) },
		"after a leave, at once": func(m *mesh) { m.stop(3) },
		"after a leave":          func(m *mesh) { m.stop(3); time.Sleep(5 * time.Minute) },
	}
	for name, goAway := range ways {
		for _, addr := range []string{addrOf(3), "10.0.0.99:7946"} {
			t.Run(name+" at "+addr, func(t *testing.T) {
				inBubble(t, func(t *testing.T, m *mesh) {
					m.startAll(3)
					goAway(m)
					n := m.start(3, func(c *Config) { c.Bind, c.Self.Pinned = netip.MustParseAddrPort(addr), true })
					if _, err := n.Join(t.Context(), []string{addrOf(1)}); err != nil {
						t.Fatal(err)
					}
					m.wait(2*time.Minute, "all see it alive, as it is now", func() bool {
						return m.all(func(n *testNode) bool {
							x := n.member(3)
							return n.states() == "alive alive alive" && x.Pinned && x.Addr.String() == addr
						})
					})
				})
			})
		}
	}
}

func TestWrongKeyAndWrongFleetStayOut(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"key":   func(c *Config) { c.Keys = [][]byte{[]byte(strings.Repeat("x", 32))} },
		"fleet": func(c *Config) { c.Fleet = "other" },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, m *mesh) {
				m.startAll(2)
				n := m.start(3, change)
				_, err := n.Join(t.Context(), []string{addrOf(1), addrOf(2)})
				t.Log(err)
				if err == nil {
					t.Fatal("joined")
				}
				time.Sleep(2 * time.Minute) // Run tries again
				if a, b := m.nodes["n1"].states(), n.states(); a != "alive alive" || b != "alive" {
					t.Errorf("the mesh sees %s, the stranger %s", a, b)
				}
			})
		})
	}
}

func TestKeysRotate(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		next := []byte(strings.Repeat("n", 32))
		m.start(1, func(c *Config) { c.Keys = [][]byte{testKey, next} })
		n := m.start(2, func(c *Config) { c.Keys = [][]byte{next, testKey} })
		if _, err := n.Join(t.Context(), []string{addrOf(1)}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if got := m.nodes["n1"].states(); got != "alive alive" {
			t.Error(got)
		}
	})
}

func TestPartitionHeals(t *testing.T) {
	for _, length := range []time.Duration{15 * time.Second, 10 * time.Minute} {
		t.Run(length.String(), func(t *testing.T) {
			inBubble(t, func(t *testing.T, m *mesh) {
				m.startAll(5)
				m.net.split(func(addr string) int {
					if addr == addrOf(1) || addr == addrOf(2) {
						return 1
					}
					return 2
				})
				m.wait(time.Minute, "both parts see the other failed", func() bool {
					return m.nodes["n1"].states() == "alive alive failed failed failed" && m.nodes["n5"].states() == "failed failed alive alive alive"
				})
				time.Sleep(length)
				m.net.heal()
				m.wait(3*time.Minute, "one mesh again", func() bool {
					return m.all(func(n *testNode) bool { return n.states() == "alive alive alive alive alive" })
				})
			})
		})
	}
}

func TestAloneNodeKeepsTryingItsSeed(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		n := m.start(2, nil)
		if _, err := n.Join(t.Context(), []string{addrOf(1)}); err == nil {
			t.Fatal("joined nobody")
		}
		time.Sleep(10 * time.Minute)
		m.start(1, nil)
		m.wait(time.Minute, "it is in", func() bool { return n.states() == "alive alive" })
	})
}

func TestBrokerIsAnnounced(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		m.startAll(5)
		for _, on := range []bool{true, false} {
			if err := m.nodes["n4"].SetBroker(on, 4222, 6222); err != nil {
				t.Fatal(err)
			}
			m.wait(2*time.Second, "all know the broker's state", func() bool {
				return m.all(func(n *testNode) bool {
					x := n.member(4)
					return x.Broker == on && (x.BrokerPort == 4222) == on && (x.RoutePort == 6222) == on && x.State == Alive
				})
			})
		}
		if err := m.nodes["n4"].SetBroker(true, 0, 0); err == nil || m.nodes["n4"].member(4).Broker {
			t.Errorf("a broker without a port: %v", err)
		}
		n1 := m.nodes["n1"]
		n1.mu.Lock()
		defer n1.mu.Unlock()
		if n1.changes == 0 {
			t.Error("OnChange was never called")
		}
	})
}

func TestMembersAreForgotten(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		times := func(c *Config) { c.ForgetEphemeral, c.Forget = 10*time.Minute, 30*time.Minute }
		m.start(1, times)
		for i := 2; i <= 3; i++ {
			n := m.start(i, func(c *Config) { times(c); c.Self.Ephemeral = i == 2 })
			if _, err := n.Join(t.Context(), []string{addrOf(1)}); err != nil {
				t.Fatal(err)
			}
		}
		n1 := m.nodes["n1"]
		m.crash(2)
		m.stop(3)
		for _, step := range []struct {
			after time.Duration
			want  string
		}{{time.Minute, "alive failed left"}, {10 * time.Minute, "alive left"}, {20 * time.Minute, "alive"}} {
			time.Sleep(step.after)
			if got := n1.states(); got != step.want {
				t.Errorf("%v later: %s, want %s", step.after, got, step.want)
			}
		}
	})
}

func TestDigestsTellWhatIsMissing(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		old := openTestStore(t, t.TempDir())
		current := openTestStore(t, t.TempDir())
		putAll(t, old, "roster acme 3 a", "job x 1 a")
		putAll(t, current, "roster acme 4 b", "job x 1 a")
		m.start(1, func(c *Config) { c.Docs = current })
		n2 := m.start(2, func(c *Config) {
			c.Docs, c.Self.Broker, c.Self.BrokerPort, c.Self.RoutePort = old, true, 7421, 7422
		})
		if _, err := n2.Join(t.Context(), []string{addrOf(1)}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if told, want := n2.told(), "[roster/acme version 4] []"; !slices.Contains(told, want) {
			t.Errorf("n2 was told %q, want %q", told, want)
		}
		// Node 2 runs a broker, so it hands documents out: whoever is ahead of it must know.
		m.wait(2*time.Minute, "node 1 knows that it is ahead of a broker's node", func() bool {
			return slices.Contains(m.nodes["n1"].told(), "[] [roster/acme version 4]")
		})
		putAll(t, current, "job y 1 c")
		m.wait(2*time.Minute, "push/pull brings the news", func() bool {
			return slices.Contains(n2.told(), "[job/y version 1 roster/acme version 4] []")
		})
	})
}

func TestMembersFileReplacesTheSeed(t *testing.T) {
	for _, how := range []string{"crash", "leave"} {
		t.Run(how, func(t *testing.T) {
			inBubble(t, func(t *testing.T, m *mesh) {
				file := t.TempDir() + "/members.json"
				m.start(1, nil)
				n := m.start(2, func(c *Config) { c.MembersFile = file })
				if _, err := n.Join(t.Context(), []string{addrOf(1)}); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Minute)
				// The others go too, so that nobody remembers node 2.
				if how == "leave" {
					m.stop(1)
					time.Sleep(time.Second)
					m.stop(2)
				} else {
					m.crash(2)
					m.crash(1)
				}
				m.start(1, nil)
				n = m.start(2, func(c *Config) { c.MembersFile = file })
				m.wait(time.Minute, "it is in without a seed", func() bool { return n.states() == "alive alive" })
			})
		})
	}
}

func TestJoinSaysWhatIsWrong(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		n := m.start(1, nil)
		for _, addr := range []string{"10.0.0.9", "10.0.0.9:0", "10.0.0.9:x", addrOf(1), addrOf(9)} {
			joined, err := n.Join(t.Context(), []string{addr})
			if joined != 0 || err == nil || !strings.Contains(err.Error(), addr) {
				t.Errorf("Join %s: %d, %v", addr, joined, err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if _, err := n.Join(ctx, []string{addrOf(9)}); err == nil || time.Since(start) != time.Second {
			t.Errorf("Join with a limit of 1s: %v after %v", err, time.Since(start))
		}
	})
}
