package attack

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base32"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fleet/client"
	"fleet/gossip"
	"fleet/identity"
	"fleet/job"
)

// besieged is a mesh of its own for those who hold the gossip key: what they announce stays around for days. It is started
// by the first test that needs it.
func besieged(t *testing.T) *mesh {
	t.Helper()
	m, err := up(shared.binary, t.TempDir(), 4)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.down(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// tryAll asks each real host with a job that is for it, whatever else is said to be in the fleet.
func (m *mesh) tryAll(t *testing.T) error {
	t.Helper()
	r, err := m.client.Run(t.Context(), client.Request{Plugin: "rpcutil", Action: "ping", Targets: targetsOf(m.hosts), Timeout: patience}, nil)
	if err != nil {
		return err
	}
	for _, o := range r.Outcomes {
		if o.State != job.OK {
			return fmt.Errorf("%s: %s %s", o.Name, o.State, o.Message)
		}
	}
	if len(r.Outcomes) != len(m.hosts) {
		return fmt.Errorf("%d of %d hosts answer", len(r.Outcomes), len(m.hosts))
	}
	return nil
}

// recovers shows that the honest next job is answered by all. Who has the gossip key can name a living host dead for some
// seconds, and runs do not wait for the dead (docs/SECURITY.md): so it is asked until they do.
func (m *mesh) recovers(t *testing.T) {
	t.Helper()
	until(t, "all answer the honest next job", func() bool { return m.tryAll(t) == nil })
}

func randomID() string {
	var b [16]byte
	rand.Read(b[:])
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b[:]))
}

// announce speaks gossip with the key that every host has, and says of itself whatever it likes.
func (m *mesh) announce(t *testing.T, self gossip.Member, more func(*gossip.Config)) *gossip.Gossip {
	t.Helper()
	text, err := identity.ReadSecretFile(filepath.Join(m.hosts[3].dir, "gossip.key"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := hex.DecodeString(strings.TrimPrefix(strings.TrimSpace(text), "fleet-gossip-secret:"))
	if err != nil {
		t.Fatal(err)
	}
	self.Protocol = job.Protocol
	c := gossip.Config{Self: self, Fleet: string(m.root.Anchor().ID()), Bind: netip.MustParseAddrPort("127.0.0.1:0"), Keys: [][]byte{key}, Log: slog.New(slog.DiscardHandler)}
	if more != nil {
		more(&c)
	}
	g, err := gossip.New(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); g.Run(ctx) }()
	t.Cleanup(func() { stop(); <-done })
	var seeds []string
	for _, h := range m.hosts {
		seeds = append(seeds, h.gossip)
	}
	if _, err := g.Join(t.Context(), seeds); err != nil {
		t.Fatal(err)
	}
	return g
}

// besiegedFor is longer than a node takes to look at the mesh again without news (five seconds).
const besiegedFor = 7 * time.Second

// hold keeps asking for a while.
func (m *mesh) hold(t *testing.T) {
	t.Helper()
	for end := time.After(besiegedFor); ; {
		if err := m.tryAll(t); err != nil {
			t.Fatalf("the honest next job: %v", err)
		}
		select {
		case <-end:
			return
		default:
		}
	}
}

// Who has the gossip key announces brokers that are none. The real ones stay, and a host whose broker address is a lie, or
// a liar, goes on to the next.
func TestGossipKeyHolder(t *testing.T) {
	m := besieged(t)
	t.Run("announces phantoms", func(t *testing.T) {
		ancient := time.Unix(1, 0)
		for i := range 4 {
			id := randomID()
			m.announce(t, gossip.Member{ID: id, Host: fmt.Sprintf("phantom%d", i), Started: ancient, Peer: true, Pinned: true, Broker: true, BrokerPort: 9, RoutePort: 9}, nil)
			for _, h := range m.hosts {
				if _, err := h.log.find(0, `msg="member is alive"`, id); err != nil {
					t.Fatalf("%s: %v", h.name, err) // the attack must have arrived to mean something
				}
			}
		}
		m.hold(t)
		for _, h := range m.hosts {
			if h.log.count("stopped the broker") > 0 {
				t.Errorf("%s was talked out of its broker", h.name)
			}
		}
		// The member's broker dies, and all that gossip offers beside the phantoms are the other two.
		web4 := m.hosts[3]
		web4.stop()
		if err := web4.start(); err != nil {
			t.Fatal(err)
		}
		until(t, "web4 answers again", func() bool {
			r, err := m.client.Run(t.Context(), client.Request{Plugin: "rpcutil", Action: "ping", Targets: []client.Target{{Node: web4.id, Name: "web4"}}, Timeout: time.Second}, nil)
			return err == nil && r.Outcomes[0].State == job.OK
		})
	})
	t.Run("spoofs a broker address", func(t *testing.T) { testSpoofedBroker(t, m) })
	t.Run("invents hosts that are gone", func(t *testing.T) { testInventedHosts(t, m) })
	t.Run("floods with packets", func(t *testing.T) { testPacketFlood(t, m) })
}

// testSpoofedBroker announces a broker where the attacker listens with a member's stolen certificate, and the id of a
// real broker at another address.
func testSpoofedBroker(t *testing.T, m *mesh) {
	l, err := tls.Listen("tcp", "127.0.0.1:0", m.nodeServerTLS(m.hosts[3].creds))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	heard := make(chan error, 1024)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				c.SetDeadline(time.Now().Add(refusedIn))
				if err := c.(*tls.Conn).Handshake(); err != nil {
					heard <- err
					return
				}
				n, err := c.Read(make([]byte, 1)) // in TLS 1.3 the client's refusal comes after the handshake
				if n > 0 {
					err = nil
				}
				heard <- err
			}()
		}
	}()
	port := uint16(l.Addr().(*net.TCPAddr).Port)
	m.announce(t, gossip.Member{ID: randomID(), Host: "liar", Started: time.Unix(1, 0), Peer: true, Pinned: true, Broker: true, BrokerPort: port, RoutePort: port}, nil)
	select {
	case err := <-heard: // the brokers dial its route, since it claims to be older
		if err == nil {
			t.Error("a host told the liar something")
		}
	case <-time.After(patience):
		t.Error("nobody dialled the liar, so this shows nothing")
	}
	web1 := m.hosts[0]
	twin := m.announce(t, gossip.Member{ID: string(web1.id), Host: "web1", Started: time.Now(), Peer: true, Broker: true, BrokerPort: port, RoutePort: port}, nil)
	until(t, "web1 says that its id is claimed by another", func() bool {
		// On a busy machine a push/pull may fail, and nobody else tells web1 of its twin.
		twin.Join(t.Context(), []string{web1.gossip})
		return web1.log.count("two addresses claim one node id", string(web1.id)) > 0
	})
	m.recovers(t)
}

// Who has the gossip key announces the ids of three hosts at other addresses, signing challenges with a key of its own. It is named as a
// claim; changes on the three still run, and nobody is told to revoke them.
func TestClaimedIDs(t *testing.T) {
	m := besieged(t)
	victims := m.hosts[:3]
	var liars []*gossip.Gossip
	key := identity.NewKey[identity.Node]()
	for _, h := range victims {
		liars = append(liars, m.announce(t, gossip.Member{ID: string(h.id), Host: h.name, Started: time.Now(), Peer: true}, func(c *gossip.Config) {
			c.Prove = func(challenge []byte) []byte { return identity.ProveKey(key, challenge) }
		}))
	}
	for i, h := range victims {
		until(t, h.name+" names the claim", func() bool {
			liars[i].Join(t.Context(), []string{h.gossip}) // a push/pull may fail on a busy machine
			return h.log.count("somebody claims a node id without proof of its key", string(h.id), liars[i].Addr().String()) > 0
		})
	}
	until(t, "fleet status names each claim", func() bool {
		r, err := m.client.Run(t.Context(), client.Request{Plugin: "node", Action: "status", Targets: targetsOf(victims), Timeout: patience}, nil)
		if err != nil || len(r.Duplicates) > 0 {
			t.Fatalf("%+v %v", r.Duplicates, err)
		}
		named := 0
		for _, o := range r.Outcomes {
			if strings.Contains(fmt.Sprint(o.Data["trouble"]), "claims this host's node id without proof of its key") {
				named++
			}
		}
		return named == len(victims)
	})
	until(t, "changes on them run", func() bool {
		r, err := m.client.Run(t.Context(), client.Request{
			Plugin: "service", Action: "restart", Args: map[string]any{"service": "claimed"}, Targets: targetsOf(victims), Timeout: patience,
		}, nil)
		if err != nil || len(r.Duplicates) > 0 {
			t.Fatalf("%+v %v", r.Duplicates, err)
		}
		for _, o := range r.Outcomes {
			if o.State == job.Denied || strings.Contains(o.Message, "revoke") {
				t.Fatalf("%s: %s %s", o.Name, o.State, o.Message)
			}
		}
		return !slices.ContainsFunc(victims, func(h *host) bool { return h.ran("claimed") == 0 })
	})
	for _, h := range victims {
		if h.log.count("one node key is used at two addresses") > 0 {
			t.Errorf("%s took a claim for a second machine", h.name)
		}
	}
	m.recovers(t)
}

func targetsOf(hosts []*host) (targets []client.Target) {
	for _, h := range hosts {
		targets = append(targets, client.Target{Node: h.id, Name: h.name})
	}
	return targets
}

func testInventedHosts(t *testing.T, m *mesh) {
	m.invent(t, 2000)
	if _, err := m.hosts[0].log.find(0, "others know of members that are gone", "count="); err != nil {
		t.Error(err)
	}
	m.recovers(t)
}

// invent joins gossip as a host that knows of so many others, who are gone.
func (m *mesh) invent(t *testing.T, n int) {
	t.Helper()
	type saved struct {
		ID       string         `json:"id"`
		Host     string         `json:"host"`
		Addr     netip.AddrPort `json:"addr"`
		State    string         `json:"state"`
		Since    time.Time      `json:"since"`
		Seen     time.Time      `json:"seen"`
		Started  time.Time      `json:"started"`
		Protocol uint8          `json:"protocol"`
	}
	now := time.Now().UTC().Truncate(time.Second)
	var list []saved
	for i := range n {
		list = append(list, saved{randomID(), fmt.Sprintf("invented%d", i), netip.MustParseAddrPort("127.0.0.1:9"), "failed", now, now, now, 1})
	}
	slices.SortFunc(list, func(a, b saved) int { return strings.Compare(a.ID, b.ID) })
	raw, err := json.Marshal(map[string]any{"schema": "fleet.members/1", "members": list})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "members.json")
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	m.announce(t, gossip.Member{ID: randomID(), Host: "inventor", Started: time.Now()}, func(c *gossip.Config) { c.MembersFile = file })
}

// testPacketFlood throws bytes at the gossip ports, over UDP and TCP, and holds connections to the broker that say nothing.
func testPacketFlood(t *testing.T, m *mesh) {
	junk := make([]byte, 1400)
	rand.Read(junk)
	for _, h := range m.hosts {
		u, err := net.Dial("udp", h.gossip)
		if err != nil {
			t.Fatal(err)
		}
		defer u.Close()
		for i := range 20_000 {
			junk[0] = byte(i)
			u.Write(junk[:1+i%len(junk)]) // what does not fit the kernel's buffer is lost, which is the point
		}
		for range 50 {
			c, err := net.Dial("tcp", h.gossip)
			if err != nil {
				continue
			}
			defer c.Close()
			c.Write(junk)
		}
	}
	for range 300 {
		c, err := net.Dial("tcp", m.hosts[0].broker)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	m.recovers(t)
	c, err := m.connect(t.Context(), m.admin) // a newcomer gets through, too
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}
