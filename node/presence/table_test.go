package presence

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fleet/identity"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// idOf makes a node id of a letter.
func idOf(letter string) identity.ID { return identity.ID(strings.Repeat(letter, 26)) }

// mesh is some peers that hear each other at once. Time passes only when a test says so.
type mesh struct {
	t     *testing.T
	now   time.Time
	peers map[string]*Table
	mute  map[string]bool // nobody hears it
}

func newMesh(t *testing.T, peers ...string) *mesh {
	m := &mesh{t: t, now: noon, peers: map[string]*Table{}, mute: map[string]bool{}}
	for _, p := range peers {
		m.peers[p] = New(idOf(p), slog.New(slog.DiscardHandler))
		m.peers[p].SetBroker(m.now, true)
	}
	m.pass(10 * time.Second)
	return m
}

// pass lets time pass in steps, in which every peer speaks.
func (m *mesh) pass(d time.Duration) {
	m.t.Helper()
	const step = 500 * time.Millisecond
	for end := m.now.Add(d); m.now.Before(end); {
		m.now = m.now.Add(step)
		for _, name := range m.names() {
			p := m.peers[name]
			p.Tick(m.now)
			for _, raw := range p.Say(m.now) {
				for other, q := range m.peers {
					if other == name || m.mute[name] {
						continue
					}
					if _, err := q.Hear(m.now, idOf(name), raw); err != nil {
						m.t.Fatal(err)
					}
				}
			}
		}
	}
}

func (m *mesh) names() []string {
	var names []string
	for name := range m.peers {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (m *mesh) host(name string, role identity.Role) Host {
	return Host{Node: idOf(name), Name: "web" + name, Role: role, Came: m.now}
}

func (m *mesh) connect(peer string, hosts ...Host) { m.peers[peer].Own(m.now, nil, hosts) }

func (m *mesh) cut(peer string, names ...string) {
	var ids []identity.ID
	for _, n := range names {
		ids = append(ids, idOf(n))
	}
	m.peers[peer].Own(m.now, ids, nil)
}

// want checks what every peer says: "webx connected, weby failed 5s, webz left 0s", by name.
func (m *mesh) want(what string) {
	m.t.Helper()
	for _, name := range m.names() {
		if got := m.view(name); got != what {
			m.t.Errorf("at %s peer %s says %q, want %q", m.now.Sub(noon), name, got, what)
		}
	}
}

func (m *mesh) view(peer string) string {
	var lines []string
	for _, h := range m.peers[peer].Hosts(m.now) {
		switch h.State {
		case Connected:
			lines = append(lines, h.Name+" connected")
		case Failed:
			lines = append(lines, fmt.Sprintf("%s failed %s", h.Name, m.now.Sub(h.Since).Truncate(time.Second)))
		case Left:
			lines = append(lines, fmt.Sprintf("%s left %s", h.Name, m.now.Sub(h.Since).Truncate(time.Second)))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, ", ")
}

func TestEveryPeerKnowsWhoIsConnectedToAnother(t *testing.T) {
	m := newMesh(t, "a", "b", "c")
	m.connect("a", m.host("x", identity.Member))
	m.connect("b", m.host("y", identity.Member))
	m.pass(time.Second)
	m.want("webx connected, weby connected")
}

func TestAHostWhoseConnectionEndsHasFailedUnlessItIsElsewhere(t *testing.T) {
	m := newMesh(t, "a", "b")
	m.connect("a", m.host("x", identity.Member), m.host("y", identity.Member))
	m.pass(time.Second)
	m.cut("a", "x", "y")
	m.pass(time.Second)
	m.want("webx connected, weby connected") // they may be on their way
	m.connect("b", m.host("y", identity.Member))
	m.pass(10 * time.Second)
	m.want("webx failed 11s, weby connected")
	m.connect("b", m.host("x", identity.Member))
	m.pass(time.Second)
	m.want("webx connected, weby connected")
}

func TestAHostOnTwoBrokersIsOneAndStaysWhenOneEnds(t *testing.T) {
	m := newMesh(t, "a", "b", "c")
	m.connect("a", m.host("x", identity.Member))
	m.connect("b", m.host("x", identity.Member))
	m.pass(time.Second)
	m.want("webx connected")
	m.cut("a", "x")
	m.pass(time.Minute)
	m.want("webx connected")
}

// The goodbye and the end of the connection are heard on two ways, so in either order, and not by everybody.
func TestWhoSaysGoodbyeHasLeft(t *testing.T) {
	for name, order := range map[string]func(m *mesh){
		"goodbye first": func(m *mesh) { m.peers["a"].Leave(m.now, idOf("x")); m.cut("a", "x") },
		"end first":     func(m *mesh) { m.cut("a", "x"); m.pass(time.Second); m.peers["a"].Leave(m.now, idOf("x")) },
		"other peer": func(m *mesh) {
			m.peers["a"].Leave(m.now, idOf("x"))
			m.peers["b"].Leave(m.now, idOf("x"))
			m.cut("a", "x")
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMesh(t, "a", "b")
			m.connect("a", m.host("x", identity.Member))
			m.pass(time.Second)
			order(m)
			m.pass(20 * time.Second)
			for _, p := range m.names() {
				if got := m.view(p); !strings.HasPrefix(got, "webx left 2") {
					t.Errorf("peer %s says %q", p, got)
				}
			}
		})
	}
}

// A goodbye is no proof for later: a host that came back and dies then has failed.
func TestAnOldGoodbyeDoesNotCount(t *testing.T) {
	m := newMesh(t, "a", "b")
	m.connect("a", m.host("x", identity.Member))
	m.pass(time.Second)
	m.peers["a"].Leave(m.now, idOf("x"))
	m.cut("a", "x")
	m.pass(time.Second)
	m.connect("a", m.host("x", identity.Member))
	m.pass(time.Second)
	m.cut("a", "x")
	m.pass(10 * time.Second)
	m.want("webx failed 10s")
}

func TestABrokersHostsHaveTimeToMoveWhenItDies(t *testing.T) {
	m := newMesh(t, "a", "b", "c")
	m.connect("a", m.host("x", identity.Member), m.host("y", identity.Member))
	m.pass(time.Second)
	delete(m.peers, "a")
	m.pass(10 * time.Second)
	m.want("webx connected, weby connected")
	m.connect("b", m.host("y", identity.Member))
	m.pass(20 * time.Second)
	m.want("webx failed 30s, weby connected")
}

func TestWhoIsGoneIsForgottenByItsKind(t *testing.T) {
	m := newMesh(t, "a", "b")
	m.connect("a", m.host("x", identity.Ephemeral), m.host("y", identity.Member))
	m.pass(time.Second)
	m.cut("a", "x", "y")
	m.pass(keepEphemeral - time.Minute)
	m.want("webx failed 59m0s, weby failed 59m0s")
	m.pass(2 * time.Minute)
	m.want("weby failed 1h1m0s")
	for _, p := range m.peers {
		p.Tick(m.now.Add(keepOthers))
	}
	m.now = m.now.Add(keepOthers)
	m.want("")
}

// Neither a restart nor a successor forgets whom to miss.
func TestWhoIsMissedOutlivesTheBroker(t *testing.T) {
	m := newMesh(t, "a")
	file := filepath.Join(t.TempDir(), "presence.json")
	m.connect("a", m.host("w", identity.Member), m.host("x", identity.Member), m.host("y", identity.Member), m.host("z", identity.Member))
	m.peers["a"].Leave(m.now, idOf("z"))
	m.cut("a", "x", "z")
	m.pass(10 * time.Second)
	if err := m.peers["a"].Save(m.now, file); err != nil {
		t.Fatal(err)
	}
	again := New(idOf("a"), slog.New(slog.DiscardHandler))
	m.now = m.now.Add(time.Minute)
	if err := again.Load(m.now, file); err != nil {
		t.Fatal(err)
	}
	m.peers["a"] = again
	again.SetBroker(m.now, true)
	m.want("webw connected, webx failed 1m10s, weby connected, webz left 1m10s")
	m.connect("a", m.host("w", identity.Member))
	m.pass(30 * time.Second)
	m.want("webw connected, webx failed 1m40s, weby failed 1m30s, webz left 1m40s")

	m.peers["b"] = New(idOf("b"), slog.New(slog.DiscardHandler)) // a peer without a broker hears all of it
	m.pass(10 * time.Second)
	m.want("webw connected, webx failed 1m50s, weby failed 1m40s, webz left 1m50s")
}

// What is lost on the way is noticed and asked for.
func TestALostMessageIsAskedFor(t *testing.T) {
	m := newMesh(t, "a", "b")
	m.connect("a", m.host("x", identity.Member))
	m.mute["a"] = true
	m.pass(time.Second)
	if got := m.view("b"); got != "" {
		t.Fatalf("b has heard %q", got)
	}
	delete(m.mute, "a")
	m.pass(15 * time.Second)
	m.want("webx connected")
}

// A peer that was restarted knows all that is connected elsewhere only when each of the others has told the whole of it.
func TestComplete(t *testing.T) {
	m := newMesh(t, "a", "b", "c")
	m.connect("a", m.host("x", identity.Member))
	m.pass(3 * time.Second)
	m.peers["b"] = New(idOf("b"), slog.New(slog.DiscardHandler))
	m.peers["b"].SetBroker(m.now, true)
	others := []identity.ID{idOf("a"), idOf("c")}
	if m.peers["b"].Complete(others) {
		t.Error("it has heard nobody yet")
	}
	if !m.peers["b"].Complete(nil) {
		t.Error("there is nobody else")
	}
	m.mute["c"] = true
	m.pass(3 * time.Second)
	if got := m.view("b"); got != "webx connected" || m.peers["b"].Complete(others) || !m.peers["b"].Complete(others[:1]) {
		t.Errorf("it has heard %q of one of two", got)
	}
	delete(m.mute, "c")
	m.pass(3 * time.Second)
	if !m.peers["b"].Complete(others) {
		t.Error("both have told all")
	}
}

// A whole larger than a message comes in pieces, and ten thousand are no burden.
func TestTenThousand(t *testing.T) {
	m := newMesh(t, "a", "b")
	var hosts []Host
	for i := range 10_000 {
		id := identity.NewKey[identity.Node]().Public().ID()
		hosts = append(hosts, Host{Node: id, Name: fmt.Sprintf("web%05d.example.org", i), Role: identity.Member, Came: m.now})
	}
	m.connect("a", hosts...)
	m.pass(time.Second)
	if n := len(m.peers["b"].Hosts(m.now)); n != len(hosts) {
		t.Errorf("b knows %d", n)
	}
	m.peers["b"] = New(idOf("b"), slog.New(slog.DiscardHandler))
	m.pass(10 * time.Second)
	if n := len(m.peers["b"].Hosts(m.now)); n != len(hosts) {
		t.Errorf("b knows %d after its restart", n)
	}
}

// A captured peer may invent hosts, but neither without bound nor at the cost of those that are there.
func TestALiarIsBounded(t *testing.T) {
	m := newMesh(t, "a")
	m.connect("a", m.host("x", identity.Member))
	var said strings.Builder
	m.peers["a"].log = slog.New(slog.NewTextHandler(&said, nil))
	liar := New(idOf("e"), slog.New(slog.DiscardHandler))
	liar.SetBroker(m.now, true)
	var phantoms []Host
	for i := range maxHosts + 4_000 {
		phantoms = append(phantoms, Host{Node: numbered(i), Name: "phantom", Role: identity.Member, Came: m.now})
	}
	liar.Own(m.now, nil, phantoms)
	liar.Own(m.now, nil, []Host{m.host("x", identity.Member)})
	liar.Own(m.now, []identity.ID{idOf("x")}, nil) // x is gone, it says
	for _, raw := range liar.Say(m.now) {
		if _, err := m.peers["a"].Hear(m.now, idOf("e"), raw); err != nil {
			t.Fatal(err)
		}
	}
	hosts := m.peers["a"].Hosts(m.now)
	if len(hosts) > maxHosts {
		t.Errorf("%d hosts are known", len(hosts))
	}
	i := slices.IndexFunc(hosts, func(h Host) bool { return h.Name == "webx" })
	if i < 0 || hosts[i].State != Connected {
		t.Error("a host that is there is not listed")
	}
	if strings.Count(said.String(), "more than this release can name") != 1 {
		t.Errorf("of those left out it says %q", said.String())
	}
}

// Hosts that have come and gone by the thousand do not keep out those that are there, on this peer's broker or on another's.
func TestTheLivingEvictTheDead(t *testing.T) {
	m := newMesh(t, "a", "b")
	a := m.peers["a"]
	var went []identity.ID
	var came []Host
	for i := range maxHosts {
		h := Host{Node: numbered(i), Name: fmt.Sprint("old", i), Role: identity.Member, Came: m.now}
		came, went = append(came, h), append(went, h.Node)
	}
	a.Own(m.now, nil, came)
	a.Own(m.now, went[:maxHosts/2], nil)
	m.now = m.now.Add(time.Hour)
	a.Own(m.now, went[maxHosts/2:], nil)
	m.now = m.now.Add(time.Minute)
	m.connect("a", m.host("x", identity.Member))
	m.connect("b", m.host("y", identity.Member))
	m.pass(10 * time.Second)
	states, dead := map[string]State{}, 0
	for _, h := range a.Hosts(m.now) {
		states[h.Name] = h.State
		if h.State == Failed {
			dead++
		}
	}
	if states["webx"] != Connected || states["weby"] != Connected {
		t.Errorf("of those that are there it says %d and %d", states["webx"], states["weby"])
	}
	if dead < maxHosts-2*evicted || dead >= maxHosts || states[fmt.Sprint("old", maxHosts-1)] != Failed {
		t.Errorf("it still names %d of those that are gone", dead)
	}
}

// numbered makes a node id of a number.
func numbered(i int) identity.ID {
	id := []byte(strings.Repeat("a", 26))
	for at := 1; i > 0; at, i = at+1, i/16 {
		id[at] = "abcdefghijklmnop"[i%16]
	}
	return identity.ID(id)
}

// Whom an admin has forgotten is not brought back by what others tell, nor by a connection that nobody is at the other end
// of; a new connection brings it back.
func TestForget(t *testing.T) {
	m := newMesh(t, "a", "b")
	m.connect("a", m.host("x", identity.Member), m.host("y", identity.Member))
	m.pass(time.Second)
	m.cut("a", "x")
	m.pass(10 * time.Second)
	m.peers["a"].Forget(m.now, idOf("x"))
	m.peers["a"].said.asked = true
	m.peers["b"].said.asked = true // b tells that x has failed
	m.pass(10 * time.Second)
	if got := m.view("a"); got != "weby connected" {
		t.Errorf("hearsay brought it back: %q", got)
	}
	m.peers["b"].Forget(m.now, idOf("x"))
	m.pass(time.Second)
	m.want("weby connected")
	m.connect("b", m.host("x", identity.Member))
	m.pass(time.Second)
	m.want("webx connected, weby connected")
}

func TestForgetAConnectionThatStillStands(t *testing.T) {
	m := newMesh(t, "a", "b")
	m.connect("a", m.host("x", identity.Member), m.host("y", identity.Member))
	m.pass(10 * time.Second)
	for _, p := range m.peers {
		p.Forget(m.now, idOf("x"))
	}
	m.peers["a"].said.asked = true // it tells all that it has, the connection among it
	m.pass(10 * time.Second)
	m.want("weby connected")
	m.cut("a", "x") // now the broker notices
	m.pass(time.Minute)
	m.want("weby connected")
	m.connect("b", m.host("x", identity.Member))
	m.pass(time.Second)
	m.want("webx connected, weby connected")
}
