package gossip

import (
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// The only node that knows who should be there is restarted.
func TestARestartKeepsWhoShouldBeThere(t *testing.T) {
	for _, tt := range []struct {
		name     string
		goAway   func(m *mesh) // what happens to node 2
		restart  func(m *mesh) // what happens to node 1 then
		want     string
		atMostBy time.Duration // how far Since may be from when node 2 went
	}{
		{"failed before", func(m *mesh) { m.crash(2); time.Sleep(20 * time.Minute) }, func(m *mesh) { m.stop(1) }, "alive failed", 30 * time.Second},
		{"failed before, and a crash", func(m *mesh) { m.crash(2); time.Sleep(20 * time.Minute) }, func(m *mesh) { m.crash(1) }, "alive failed", 30 * time.Second},
		{"left before", func(m *mesh) { m.stop(2); time.Sleep(20 * time.Minute) }, func(m *mesh) { m.stop(1) }, "alive left", 30 * time.Second},
		{"goes with it", func(m *mesh) { m.crash(2) }, func(m *mesh) { m.crash(1) }, "alive failed", fileRefresh + 30*time.Second},
		{"failed long before", func(m *mesh) { m.crash(2); time.Sleep(55 * time.Minute) }, func(m *mesh) { m.stop(1) }, "alive failed", 30 * time.Second},
		{"forgotten before", func(m *mesh) { m.crash(2); time.Sleep(65 * time.Minute) }, func(m *mesh) { m.stop(1) }, "alive", 0},
		{"forgotten meanwhile", func(m *mesh) { m.crash(2); time.Sleep(55 * time.Minute) }, func(m *mesh) { m.stop(1); time.Sleep(10 * time.Minute) }, "alive", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, m *mesh) {
				file := t.TempDir() + "/members.json"
				remember := func(c *Config) { c.MembersFile, c.Forget = file, time.Hour }
				m.start(1, remember)
				n := m.start(2, func(c *Config) { c.Self.Pinned = true })
				if _, err := n.Join(t.Context(), []string{addrOf(1)}); err != nil {
					t.Fatal(err)
				}
				time.Sleep(10 * time.Minute)
				before := m.nodes["n1"].member(2)
				went := time.Now()
				tt.goAway(m)
				tt.restart(m)
				n1 := m.start(1, remember)
				if got := n1.states(); got != tt.want { // at once: nobody is asked first
					t.Fatalf("after the restart it sees %q, want %q", got, tt.want)
				}
				got := n1.member(2)
				if d := got.Since.Sub(went).Abs(); got.ID != "" && (d > tt.atMostBy || got.LastSeen != got.Since) {
					t.Errorf("since %v, last seen %v; it went at %v", got.Since, got.LastSeen, went)
				}
				before.State, before.Since, before.LastSeen = got.State, got.Since, got.LastSeen
				if before.Started = got.Started; got.ID != "" && got != before {
					t.Errorf("it is %+v now, and was %+v", got, before)
				}
				time.Sleep(time.Minute)
				if later := n1.states(); later != tt.want {
					t.Errorf("a minute later it sees %q", later)
				}
				// Whether it is named or forgotten, its address is still tried.
				m.start(2, nil)
				m.wait(2*time.Minute, "both have found each other", func() bool {
					return m.all(func(n *testNode) bool { return n.states() == "alive alive" })
				})
			})
		})
	}
}

func TestANewcomerLearnsWhoFailedBeforeItCame(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		m.startAll(4)
		time.Sleep(10 * time.Second) // a push/pull that is still open would carry a goodbye
		m.crash(3)
		m.stop(4)
		time.Sleep(time.Hour)
		n := m.start(5, nil)
		if _, err := n.Join(t.Context(), []string{addrOf(2)}); err != nil {
			t.Fatal(err)
		}
		if got := n.states(); got != "alive alive failed left alive" {
			t.Fatalf("it sees %s", got)
		}
		want := goneMember(m.nodes["n2"].member(3))
		want.LastSeen = want.Since
		if got := n.member(3); got != want {
			t.Errorf("it learnt %+v, others know %+v", got, want)
		}
		// It hands on what it learnt: those from whom it did may go.
		m.stop(1)
		m.stop(2)
		next := m.start(6, nil)
		if _, err := next.Join(t.Context(), []string{addrOf(5)}); err != nil {
			t.Fatal(err)
		}
		if got := next.states(); got != "left left failed left alive alive" {
			t.Errorf("the next one sees %s", got)
		}
		// Who comes back is alive for all.
		back := m.start(3, nil)
		if _, err := back.Join(t.Context(), []string{addrOf(6)}); err != nil {
			t.Fatal(err)
		}
		m.wait(time.Minute, "it is back", func() bool { return m.all(func(n *testNode) bool { return n.member(3).State == Alive }) })
	})
}

func TestAWholeOutageIsLearnt(t *testing.T) {
	table := testTable()
	for i := range maxGone {
		m := goneOf(fmt.Sprintf("n%d", i), time.Now().Add(-time.Minute), Failed)
		table.members[m.ID] = m
	}
	for i := range 100 {
		m := goneOf(fmt.Sprintf("left%d", i), time.Now(), Left)
		table.members[m.ID] = m
	}
	s, err := decodeState(state{from: "n1", gone: table.goneMembers()}.encode())
	if err != nil {
		t.Fatal(err)
	}
	other := testTable()
	other.learn(s.gone)
	for _, m := range other.list() {
		if m.State != Failed {
			t.Fatalf("%s took the place of one that failed", m.ID)
		}
	}
	if len(other.list()) != maxGone {
		t.Errorf("%d of %d learnt", len(other.list()), maxGone)
	}
}

func TestForgottenMembersDoNotComeBack(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		m.start(1, func(c *Config) { c.Forget = 30 * time.Minute })
		for i := 2; i <= 3; i++ {
			n := m.start(i, func(c *Config) { c.Forget = 2 * time.Hour })
			if _, err := n.Join(t.Context(), []string{addrOf(1)}); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(10 * time.Second) // the same
		m.crash(3)
		time.Sleep(31 * time.Minute)
		newcomer := m.start(4, func(c *Config) { c.Forget = 30 * time.Minute })
		if _, err := newcomer.Join(t.Context(), []string{addrOf(2)}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		for range 60 {
			if a, b, c := m.nodes["n1"].states(), m.nodes["n2"].states(), newcomer.states(); a != "alive alive alive" || b != "alive alive failed alive" || c != a {
				t.Fatalf("they see %s, %s and %s", a, b, c)
			}
			time.Sleep(time.Minute)
		}
	})
}

// Nodes that notice one crash at different times forget it at different times; it must not go back and forth between them.
func TestForgettingIsOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		for i := 1; i <= 4; i++ {
			n := m.start(i, func(c *Config) { c.Forget = time.Hour })
			if _, err := n.Join(t.Context(), []string{addrOf(1)}); err != nil && i > 1 {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Minute)
		m.crash(4)
		time.Sleep(59 * time.Minute)
		gone := map[string]bool{}
		for range 600 {
			time.Sleep(time.Second)
			for id, n := range m.nodes {
				if n.member(4).ID == "" {
					gone[id] = true
				} else if gone[id] {
					t.Fatalf("%s forgot it and knows it again", id)
				}
			}
		}
		if len(gone) != 3 {
			t.Errorf("forgotten by %v", gone)
		}
	})
}

func testTable() *table {
	nothing := func() {}
	return newTable(&Config{Self: Member{ID: "self"}, ForgetEphemeral: time.Hour, Forget: 72 * time.Hour, Log: slog.New(slog.DiscardHandler)}, nothing, nothing, nothing)
}

func goneOf(id string, since time.Time, s State) Member {
	return Member{ID: id, Host: "web", Addr: netip.MustParseAddrPort("10.0.0.9:1"), State: s, Since: since, Started: time.Unix(1_000, 0)}
}

func TestWhatOthersSayOfAMember(t *testing.T) {
	now := time.Now()
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	known := goneOf("n2", ago(time.Hour), Failed)
	with := func(m Member, change func(*Member)) Member { change(&m); return m }
	restarted := func(m *Member) { m.Started = m.Started.Add(time.Second) }
	earlier := func(m *Member) { m.Started = m.Started.Add(-time.Second) }
	for _, tt := range []struct {
		name  string
		known Member // none if it has no id
		said  Member
		taken bool
	}{
		{"unknown, failed", Member{}, known, true},
		{"unknown, left", Member{}, goneOf("n2", ago(time.Hour), Left), true},
		{"unknown, about to be forgotten", Member{}, goneOf("n2", ago(70*time.Hour), Failed), false},
		{"unknown, to be forgotten", Member{}, goneOf("n2", ago(73*time.Hour), Failed), false},
		{"unknown, ephemeral to be forgotten", Member{}, with(known, func(m *Member) { m.Ephemeral = true }), false},
		{"this node itself", Member{}, goneOf("self", ago(time.Hour), Failed), false},
		{"alive here", with(known, func(m *Member) { m.State = Alive }), goneOf("n2", now, Failed), false},
		{"alive here, left there", with(known, func(m *Member) { m.State = Alive }), goneOf("n2", now, Left), false},
		{"alive here, a later process failed", with(known, func(m *Member) { m.State = Alive }), with(goneOf("n2", now, Failed), restarted), false},
		{"the same", known, known, false},
		{"a little later", known, goneOf("n2", ago(time.Hour-time.Minute), Failed), false},
		{"seen there for longer", known, goneOf("n2", ago(time.Minute), Failed), true},
		{"seen here for longer", known, goneOf("n2", ago(2*time.Hour), Failed), false},
		{"goodbye missed", known, goneOf("n2", ago(time.Hour+time.Minute), Left), true},
		{"goodbye long before it failed here", known, goneOf("n2", ago(2*time.Hour), Left), false},
		{"failure of one that said goodbye here", with(known, func(m *Member) { m.State = Left }), goneOf("n2", ago(time.Minute), Failed), false},
		{"returned after its goodbye and failed", with(known, func(m *Member) { m.State = Left }), with(goneOf("n2", ago(time.Minute), Failed), restarted), true},
		{"goodbye of an earlier process", known, with(goneOf("n2", now, Left), earlier), false},
		{"a later process, long before", known, with(goneOf("n2", ago(3*time.Hour), Left), restarted), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			table := testTable()
			if tt.known.ID != "" {
				table.members[tt.known.ID] = tt.known
			}
			table.learn([]Member{tt.said})
			want := tt.known
			if tt.taken {
				want = tt.said
			}
			if got := table.members[tt.said.ID]; got != want {
				t.Errorf("it is %+v, want %+v", got, want)
			}
		})
	}
}

func TestTimesFromTheFutureAreNow(t *testing.T) {
	table := testTable()
	table.learn([]Member{goneOf("n2", time.Now().Add(1000*time.Hour), Failed)})
	if m := table.members["n2"]; m.ID == "" || m.Since.After(time.Now()) {
		t.Errorf("%+v", m)
	}
}

// Whoever invents members that are gone must keep nobody out who is there.
func TestInventedMembersLeaveRoom(t *testing.T) {
	table := testTable()
	for i := range maxMembers {
		table.learn([]Member{goneOf(fmt.Sprintf("n%d", i), time.Now(), Failed)})
	}
	if n := len(table.members); n != maxLearnt {
		t.Errorf("%d were learnt", n)
	}
	meta, _ := encodeMeta(Member{Host: "a", Started: time.Unix(1, 0)}, false)
	if err := table.admit(node("real", meta)); err != nil {
		t.Errorf("one that is there: %v", err)
	}
}

func TestStatesAreCutOff(t *testing.T) {
	whole := goneState().encode()
	body := len(whole) - len(goneState().digest)
	for i := range body {
		if s, err := decodeState(whole[:i]); err == nil {
			t.Errorf("%d of %d bytes decode to %+v", i, body, s)
		}
	}
	if _, err := decodeState([]byte("\x01" + strings.TrimPrefix(string(whole), "\x02"))); err == nil {
		t.Error("layout 1 decodes")
	}
}
