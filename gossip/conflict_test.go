package gossip

import (
	"log/slog"
	"net/netip"
	"slices"
	"testing"
	"time"
)

const cloneAddr = "10.0.0.77:7946"

// startClone starts a second node 2 beside the one that is there, and returns both. m stops both.
func (m *mesh) startClone(change func(*Config)) (original, clone *testNode) {
	original = m.nodes["n2"]
	clone = m.start(2, func(c *Config) {
		c.Bind, c.Self.Host = netip.MustParseAddrPort(cloneAddr), "clone"
		if change != nil {
			change(c)
		}
	})
	m.nodes["n2 clone"], m.nodes["n2"] = clone, original
	return original, clone
}

// twice says whether n knows that the key of n2 is used at both addresses, by more than one round.
func (n *testNode) twice() bool {
	return slices.ContainsFunc(n.Conflicts(), func(c Conflict) bool { return c.ID == "n2" && c.Proven.After(c.Since) })
}

func (m *mesh) broker(i int) {
	if err := m.nodes[idOf(i)].SetBroker(true, 1, 2); err != nil {
		m.t.Error(err)
	}
}

// A copied disk: both machines, and who runs a broker, know within a minute that both have the key. It ends with the copy.
func TestAKeyOnTwoMachinesIsProven(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		m.startAll(3)
		m.broker(1)
		original, clone := m.startClone(nil)
		clone.Join(t.Context(), []string{addrOf(1)})
		m.wait(time.Minute, "all three know", func() bool { return m.nodes["n1"].twice() && original.twice() && clone.twice() })
		cs := m.nodes["n1"].Conflicts()
		if len(cs) != 1 || cs[0].Self || cs[0].Addr.String() != addrOf(2) || cs[0].Other.String() != cloneAddr || cs[0].Host != "clone" {
			t.Errorf("n1 knows %+v", cs)
		}
		if cs := original.Conflicts(); len(cs) != 1 || !cs[0].Self || cs[0].Other.String() != cloneAddr {
			t.Errorf("the original knows %+v", cs)
		}
		if m.nodes["n3"].twice() {
			t.Error("n3 asked, which nobody asks about")
		}
		if got := m.nodes["n1"].member(2); got.Addr.String() != addrOf(2) || got.State != Alive {
			t.Errorf("the original is %+v", got)
		}
		clone.cancel()
		<-clone.done
		delete(m.nodes, "n2 clone")
		time.Sleep(10 * time.Minute)
		for _, n := range m.nodes {
			if cs := n.Conflicts(); len(cs) != 0 {
				t.Errorf("not forgotten: %+v", cs)
			}
		}
	})
}

// Who runs a broker asks both, so it knows also while the two machines do not reach each other.
func TestTwoMachinesThatDoNotReachEachOther(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		m.startAll(2)
		m.broker(1)
		m.net.mu.Lock()
		m.net.cut = func(a, b string) bool { return a == addrOf(2) && b == cloneAddr || a == cloneAddr && b == addrOf(2) }
		m.net.mu.Unlock()
		original, clone := m.startClone(nil)
		clone.Join(t.Context(), []string{addrOf(1)})
		m.wait(2*time.Minute, "n1 knows", func() bool { return m.nodes["n1"].twice() })
		if original.twice() || clone.twice() {
			t.Error("they reached each other, so this shows nothing")
		}
		m.net.heal()
		m.wait(3*time.Minute, "both know", func() bool { return original.twice() && clone.twice() })
	})
}

// Whoever holds the gossip key, and not the node's, has made a claim and nothing else.
func TestAClaimWithoutTheKeyIsAClaim(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		m.startAll(2)
		m.broker(1)
		victim, liar := m.startClone(func(c *Config) {
			c.Prove = func(challenge []byte) []byte { return proofOf("another key", challenge) }
		})
		liar.Join(t.Context(), []string{addrOf(1), addrOf(2)})
		asked := func(n *testNode) bool {
			return slices.ContainsFunc(n.Conflicts(), func(c Conflict) bool { return !c.Asked.IsZero() })
		}
		m.wait(2*time.Minute, "both have asked", func() bool { return asked(victim) && asked(m.nodes["n1"]) })
		for range 40 {
			time.Sleep(5 * time.Second)
			for name, n := range map[string]*testNode{"n1": m.nodes["n1"], "the victim": victim} {
				for _, c := range n.Conflicts() {
					if !c.Proven.IsZero() || c.OtherProven || !c.Asked.IsZero() && !c.AddrProven {
						t.Fatalf("%s: %+v", name, c)
					}
				}
			}
		}
	})
}

// A host with a new address clashes with its past, which does not answer.
func TestANewAddressIsNoSecondMachine(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		m.startAll(3)
		m.broker(1)
		m.crash(2)
		moved := m.start(2, func(c *Config) { c.Bind = netip.MustParseAddrPort(cloneAddr) })
		moved.Join(t.Context(), []string{addrOf(1)})
		for range 60 {
			time.Sleep(2 * time.Second)
			for _, n := range m.nodes {
				for _, c := range n.Conflicts() {
					if !c.Proven.IsZero() {
						t.Fatalf("%+v", c)
					}
				}
			}
		}
	})
}

// A challenge that is handed on to the host that has the key is not signed: it names the address that was asked.
func TestNobodySignsForAnotherAddress(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		m.startAll(2)
		asker := m.nodes["n1"]
		ask := func(asked string) bool {
			q := asker.question("n2", netip.MustParseAddrPort(asked))
			asker.open.begin(map[nonce]*question{q.nonce: q}, make(chan struct{}))
			asker.send(netip.MustParseAddrPort(addrOf(2)), q.raw)
			time.Sleep(time.Second)
			asker.open.begin(nil, nil)
			return q.proven
		}
		if !ask(addrOf(2)) {
			t.Error("n2 does not sign at its own address")
		}
		if ask(cloneAddr) {
			t.Error("n2 signed for another address")
		}
	})
}

func TestWrongAnswersAreVerifiedAFewTimes(t *testing.T) {
	verified := 0
	q := &question{challenge: challenge{nonce: newNonce()}}
	qs := questions{open: map[nonce]*question{q.nonce: q}, done: make(chan struct{})}
	for range 100 {
		qs.take(answer{q.nonce, []byte("wrong")}, func(string, []byte, []byte) bool { verified++; return false })
	}
	if verified != maxWrong || q.proven {
		t.Errorf("%d verified", verified)
	}
}

// However many claims are invented, what was proven stays, and so does what is said of this node itself.
func TestInventedClaimsHideNothing(t *testing.T) {
	nothing := func() {}
	table := newTable(&Config{Self: Member{ID: "self"}, Log: slog.New(slog.DiscardHandler)}, nothing, nothing, nothing)
	at := func(i int) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 1)
	}
	table.claimFrom("self", "", at(0), at(1))
	table.claimFrom("n2", "", at(0), at(2))
	for _, c := range table.toAsk(true) {
		table.asked(c, true, c.ID == "n2")
	}
	for i := range 1000 {
		table.claimFrom("n2", "", at(0), at(1000+i))
		table.claimFrom("n"+itoa(100+i), "", at(0), at(1000+i))
	}
	all := table.listConflicts()
	kept := func(id string, other netip.AddrPort) bool {
		return slices.ContainsFunc(all, func(c Conflict) bool { return c.ID == id && c.Other == other })
	}
	if len(all) != maxConflicts || !kept("n2", at(2)) || !kept("self", at(1)) {
		t.Errorf("%d conflicts: %+v", len(all), all)
	}
	round := table.toAsk(true)
	if len(round) != maxAsked || !round[0].Self {
		t.Errorf("a round of %d", len(round))
	}
	if only := table.toAsk(false); len(only) != 1 || !only[0].Self {
		t.Errorf("without a broker: %+v", only)
	}
}

func TestLimiter(t *testing.T) {
	l, now := limiter{most: 2, period: time.Second}, time.Now()
	for i, want := range []bool{true, true, false, false} {
		if pass, _ := l.take(now); pass != want {
			t.Errorf("%d: %v", i, pass)
		}
	}
	if pass, dropped := l.take(now.Add(2 * time.Second)); !pass || dropped != 2 {
		t.Errorf("later: %v, %d dropped", pass, dropped)
	}
}
