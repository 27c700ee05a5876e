package checkup_test

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fleet/gossip"
	"fleet/identity"
	"fleet/internal/fleettest"
	"fleet/node"
	"fleet/node/checkup"
)

const patience = time.Minute

// look is a checkup with some of the configuration changed.
func look(t *testing.T, data string, change func(*checkup.Config)) []checkup.Finding {
	t.Helper()
	c := checkup.Config{Data: data, Bind: netip.MustParseAddr("127.0.0.1"), Wait: 20 * time.Second, Now: time.Now}
	if change != nil {
		change(&c)
	}
	found := checkup.Host(t.Context(), c)
	for _, f := range found {
		if f.State == checkup.Bad && f.Do == "" {
			t.Errorf("%s is bad, and nothing is said of what to do: %s", f.Check, f.Says)
		}
		if testing.Verbose() {
			t.Logf("%-8s %s: %s (%s)", f.State, f.Check, f.Says, f.Do)
		}
	}
	return found
}

// expect finds a check by the beginning of its name.
func expect(t *testing.T, found []checkup.Finding, check string, state checkup.State, says string) {
	t.Helper()
	for _, f := range found {
		if strings.HasPrefix(f.Check, check) {
			if f.State != state || !strings.Contains(f.Says, says) {
				t.Errorf("%s is %s: %q, want %s with %q", f.Check, f.State, f.Says, state, says)
			}
			return
		}
	}
	t.Errorf("no check %s in %+v", check, found)
}

func noBad(t *testing.T, found []checkup.Finding) {
	t.Helper()
	for _, f := range found {
		if f.State == checkup.Bad {
			t.Errorf("%s: %s", f.Check, f.Says)
		}
	}
}

// knows waits until the host has written down that it knows n others alive.
func knows(t *testing.T, h *fleettest.Host, n int) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(patience)
	for {
		members, _ := gossip.ReadMembers(node.MembersFile(h.Dir))
		alive := 0
		for _, m := range members {
			if m.Alive {
				alive++
			}
		}
		if alive == n {
			return
		}
		select {
		case <-limit:
			t.Fatalf("knows %d of %d", alive, n)
		case <-tick.C:
		}
	}
}

func TestAHostThatIsIn(t *testing.T) {
	f := fleettest.New(t)
	f.First().Start()
	c := f.Client()
	member := f.Join("web2", f.Token(identity.Record{Role: identity.Member}))
	f.Await(c, 2)
	knows(t, member, 1)

	found := look(t, member.Dir, nil)
	noBad(t, found)
	for check, says := range map[string]string{
		"data directory": "mode 0700", "lock": "a node is running here, process", "fleet": "web2, a member of the fleet " + string(f.Root.Anchor().ID()), "certificate": "it is renewed from",
		"roster": "admits it", "disk": "are free", "broker " + f.Broker(): "a peer would renew its certificate", "clock": "as the peer's",
	} {
		expect(t, found, check, checkup.OK, says)
	}
	expect(t, found, "token", checkup.Skipped, "none is needed")
	for _, network := range []string{"/tcp", "/udp"} {
		ok := false
		for _, f := range found {
			ok = ok || strings.HasPrefix(f.Check, "gossip 127.0.0.1:") && strings.HasSuffix(f.Check, network) && f.State == checkup.OK
		}
		if !ok {
			t.Errorf("gossip%s was not tried: %+v", network, found)
		}
	}

	t.Run("it was renamed", func(t *testing.T) {
		for name, says := range map[string]string{"db1": "its host name or config says db1, but it joined as web2, and that name counts; to change it: fleet node rename db1", "web2": "", "": ""} {
			found := look(t, member.Dir, func(c *checkup.Config) { c.Name = name })
			if says != "" {
				expect(t, found, "name", checkup.OK, says)
			} else if i := slices.IndexFunc(found, func(f checkup.Finding) bool { return f.Check == "name" }); i >= 0 {
				t.Errorf("called %q: %+v", name, found[i])
			}
		}
	})
	t.Run("its clock is off", func(t *testing.T) {
		for _, skew := range []time.Duration{5 * time.Minute, -5 * time.Minute} {
			found := look(t, member.Dir, func(c *checkup.Config) { c.Now = func() time.Time { return time.Now().Add(skew) } })
			expect(t, found, "clock", checkup.Bad, map[bool]string{true: "ahead of the peer's", false: "behind the peer's"}[skew > 0])
		}
	})
	t.Run("its clock is off by weeks", func(t *testing.T) {
		found := look(t, member.Dir, func(c *checkup.Config) { c.Now = func() time.Time { return time.Now().Add(30 * 24 * time.Hour) } })
		expect(t, found, "certificate", checkup.Bad, "expired on")
	})
	t.Run("its certificate is late", func(t *testing.T) {
		found := look(t, member.Dir, func(c *checkup.Config) { c.Now = func() time.Time { return time.Now().Add(13 * 24 * time.Hour) } })
		expect(t, found, "certificate", checkup.Bad, "should have been renewed")
	})
	t.Run("its files are open", func(t *testing.T) {
		loose := filepath.Join(member.Dir, "node.key")
		for path, mode := range map[string]os.FileMode{member.Dir: 0o755, loose: 0o644} {
			was, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, mode); err != nil {
				t.Fatal(err)
			}
			found := look(t, member.Dir, nil)
			os.Chmod(path, was.Mode().Perm())
			if path == loose {
				expect(t, found, "files", checkup.Bad, "node.key")
				expect(t, found, "fleet", checkup.Bad, "chmod 600")
			} else {
				expect(t, found, "data directory", checkup.Bad, "(mode 0755)")
			}
		}
	})
	t.Run("revoked", func(t *testing.T) {
		m, err := member.Membership()
		if err != nil {
			t.Fatal(err)
		}
		signed, err := identity.SignRevocations(f.Root, "ann", time.Now(), identity.RevokeNode(m.Key.Public().ID(), time.Now()))
		if err != nil {
			t.Fatal(err)
		}
		if err := c.PutDocument(t.Context(), signed); err != nil {
			t.Fatal(err)
		}
		refused := func() bool { // the broker says that it has the roster a moment before it goes by it
			return slices.ContainsFunc(look(t, member.Dir, nil), func(f checkup.Finding) bool { return f.State == checkup.Bad && strings.HasPrefix(f.Check, "broker") })
		}
		for limit := time.After(patience); !refused(); {
			select {
			case <-limit:
				t.Fatal("it was not refused")
			case <-time.After(100 * time.Millisecond):
			}
		}
		expect(t, look(t, member.Dir, nil), "broker "+f.Broker(), checkup.Bad, "belongs to this fleet, but refuses this node")
	})
	t.Run("all others are gone", func(t *testing.T) {
		f.First().Stop()
		found := look(t, member.Dir, func(c *checkup.Config) { c.Wait = time.Second }) // nothing comes, however long one waits
		expect(t, found, "broker "+f.Broker(), checkup.Bad, "nothing is listening there")
		expect(t, found, "clock", checkup.Skipped, "no broker was reached")
	})
}

func TestAHostThatIsToJoin(t *testing.T) {
	f, other := fleettest.New(t), fleettest.New(t)
	f.First().Start()
	f.Await(f.Client(), 1)
	good := f.Token(identity.Record{Role: identity.Member})
	nobody, plain := listener(t), listener(t)
	go serveNothing(plain)
	nobody.Close()
	tests := []struct {
		name   string
		token  identity.Token
		seed   string // instead of the token's
		now    time.Duration
		check  string
		state  checkup.State
		says   string
		broker checkup.State // beside it, how the broker's check comes out
	}{
		{"all is well", good, "", 0, "token", checkup.OK, "for a member of the fleet", checkup.OK},
		{"expired", f.Token(identity.Record{Role: identity.Member, Created: time.Now().Add(-2 * time.Hour), Expires: time.Now().Add(-time.Hour)}), "", 0, "token", checkup.Bad, "expired on", checkup.Bad},
		{"from the future", good, "", -time.Hour, "token", checkup.Bad, "this clock or the admin's is wrong", checkup.OK},
		{"no token", identity.Token{}, "", 0, "token", checkup.Bad, "there is none", ""},
		{"another fleet's", other.Token(identity.Record{Role: identity.Member}), f.Broker(), 0, "broker", checkup.Bad, "a certificate of this fleet", checkup.Bad},
		{"nobody there", good, nobody.Addr().String(), 0, "broker", checkup.Bad, "nothing is listening there", checkup.Bad},
		{"no broker", good, plain.Addr().String(), 0, "broker", checkup.Bad, "", checkup.Bad},
		{"a name that is none", good, "no..such..host:7421", 0, "broker", checkup.Bad, "cannot be resolved", checkup.Bad},
		{"a stranger's token", strangers(t, f), "", 0, "broker", checkup.Bad, "refuses this token", checkup.Bad},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.seed != "" {
				tt.token.Seeds = []string{tt.seed}
			}
			found := look(t, filepath.Join(t.TempDir(), "none"), func(c *checkup.Config) {
				c.Token, c.Now = tt.token, func() time.Time { return time.Now().Add(tt.now) }
			})
			expect(t, found, tt.check, tt.state, tt.says)
			if tt.broker != "" {
				expect(t, found, "broker", tt.broker, "")
			}
			expect(t, found, "data directory", checkup.Skipped, "does not exist yet")
			expect(t, found, "gossip", checkup.Skipped, "gets the gossip key when it joins")
			expect(t, found, "clock", checkup.Skipped, "")
			for _, f := range found {
				if text := f.Says + f.Do; !tt.token.Secret.IsZero() && strings.Contains(text, tt.token.Secret.Secret()) {
					t.Errorf("%s shows the secret", f.Check)
				}
			}
		})
	}
}

// strangers is a token by an admin who is not in the roster.
func strangers(t *testing.T, f *fleettest.Fleet) identity.Token {
	t.Helper()
	now := time.Now()
	token, err := identity.NewToken(f.Root.Anchor(), identity.NewKey[identity.Admin](), identity.Record{Role: identity.Member, Created: now, Expires: now.Add(time.Hour)}, []string{f.Broker()})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func listener(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// serveNothing takes connections and closes them.
func serveNothing(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		c.Close()
	}
}

func TestOwnPorts(t *testing.T) {
	held := listener(t)
	free := listener(t)
	free.Close()
	port := func(l net.Listener) uint16 { return netip.MustParseAddrPort(l.Addr().String()).Port() }
	dir := t.TempDir()
	os.Chmod(dir, 0o700)
	found := look(t, dir, func(c *checkup.Config) { c.GossipPort = port(held) })
	expect(t, found, "port "+strings.Split(held.Addr().String(), ":")[1]+"/tcp", checkup.Bad, "another program uses the port")
	found = look(t, dir, func(c *checkup.Config) { c.GossipPort = port(free) })
	expect(t, found, "port "+strings.Split(free.Addr().String(), ":")[1]+"/tcp", checkup.OK, "free for gossip")
	expect(t, found, "lock", checkup.OK, "no node is running here")
	d, err := node.OpenDataDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	found = look(t, dir, func(c *checkup.Config) { c.GossipPort = port(held) })
	expect(t, found, "port "+strings.Split(held.Addr().String(), ":")[1]+"/tcp", checkup.OK, "by the node running here")
}

// The journal is looked at from the outside: of a node that runs, of one that does not, damaged, moved aside, gone.
func TestTheJournal(t *testing.T) {
	f := fleettest.New(t)
	first := f.First()
	path := filepath.Join(first.Dir, "journal.db")
	expect(t, look(t, first.Dir, nil), "journal", checkup.OK, "all jobs that were written are there")
	first.Start()
	f.Await(f.Client(), 1)
	expect(t, look(t, first.Dir, nil), "journal", checkup.OK, "in use by the node running here")
	first.Stop()
	if err := os.Truncate(path, 5000); err != nil {
		t.Fatal(err)
	}
	expect(t, look(t, first.Dir, nil), "journal", checkup.Bad, "cut off")
	first.Start()
	f.Await(f.Client(), 1)
	expect(t, look(t, first.Dir, nil), "journal", checkup.Bad, "begun anew; kept of it: journal.db.damaged-")
	first.Stop()
	aside, _ := filepath.Glob(path + ".damaged-*")
	for _, file := range append(aside, path) {
		os.Remove(file)
	}
	expect(t, look(t, first.Dir, nil), "journal", checkup.Bad, "it is gone")
}
