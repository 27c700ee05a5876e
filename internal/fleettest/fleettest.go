package fleettest

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"fleet/client"
	"fleet/facts"
	"fleet/gossip"
	"fleet/identity"
	"fleet/internal/identitytest"
	"fleet/internal/logkey"
	"fleet/job"
	"fleet/node"
	"fleet/plugins"
	"fleet/plugins/jobs"
	nodeplugin "fleet/plugins/node"
	"fleet/plugins/plugin"
	"fleet/plugins/rpcutil"
)

// Fleet is a founded fleet. Add hosts with Start and Join.
type Fleet struct {
	T      testing.TB
	Root   identity.Quorum
	Key    identity.PrivateKey[identity.Root] // the root's only one
	Admin  identity.PrivateKey[identity.Admin]
	Roster identity.Roster
	Signed []byte // the roster as it was signed at the beginning
	issuer identity.Issuer
	dir    string
	broker string // address of the first host's broker
	hosts  []*Host
	Plugin func(name string) []plugin.Plugin // extra plugins for a host; may be nil
	Config func(*node.Config)                // what is to be otherwise on a host; may be nil
}

// Host is one node.
type Host struct {
	Name string
	Dir  string
	f    *Fleet
	stop context.CancelFunc
	done chan struct{}
}

// New founds a fleet with one host, web1, which is not running yet.
func New(t testing.TB) *Fleet {
	t.Helper()
	f := &Fleet{T: t, Key: identity.NewKey[identity.Root](), Admin: identity.NewKey[identity.Admin](), dir: t.TempDir()}
	f.Root = identitytest.RootOf(1, f.Key)
	var err error
	if f.issuer, err = identity.NewIssuer(f.Root.Anchor(), time.Now()); err != nil {
		t.Fatal(err)
	}
	f.Roster = identity.Roster{Version: 1, Fleet: "test", Keys: identity.Keys{Issuing: f.issuer.Key.Public().ID()}, Roles: []identity.RoleEntry{{Name: "all", Rules: []identity.Rule{{Action: "*.*"}}}},
		Admins: []identity.AdminEntry{{Name: "ann", Key: f.Admin.Public(), Roles: []string{"all"}}}}
	if f.Signed, err = identity.SignRoster(f.Root, f.Roster, time.Now()); err != nil {
		t.Fatal(err)
	}
	h := f.host("web1")
	f.broker = freeAddr(t).String()
	d := h.open()
	defer d.Close()
	if _, err := node.Found(d, f.Token(identity.Record{Role: identity.Peer}), f.issuer, h.Name, f.Root.Authority, f.Signed, time.Now()); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *Fleet) host(name string) *Host {
	h := &Host{Name: name, Dir: filepath.Join(f.dir, name+"-"+strconv.Itoa(len(f.hosts))), f: f}
	f.hosts = append(f.hosts, h)
	return h
}

func (h *Host) open() *node.DataDir {
	h.f.T.Helper()
	d, err := node.OpenDataDir(h.Dir)
	if err != nil {
		h.f.T.Fatal(err)
	}
	return d
}

// First is the founding host.
func (f *Fleet) First() *Host { return f.hosts[0] }

// Up founds a fleet of n hosts, web1 to webN, the first three of them peers, and waits until the client sees all alive.
func Up(t testing.TB, n int) (*Fleet, *client.Client) {
	t.Helper()
	f := New(t)
	f.First().Start()
	c := f.Client()
	for i := 2; i <= n; i++ {
		role := identity.Peer
		if i > 3 {
			role = identity.Member
		}
		f.Join("web"+strconv.Itoa(i), f.Token(identity.Record{Role: role}))
	}
	f.Await(c, n)
	return f, c
}

// Token makes a token that leads to the first host. Expires defaults to an hour from now.
func (f *Fleet) Token(r identity.Record) identity.Token {
	f.T.Helper()
	if r.Expires.IsZero() {
		r.Created, r.Expires = time.Now(), time.Now().Add(time.Hour)
	}
	t, err := identity.NewToken(f.Root.Anchor(), f.Admin, r, []string{f.broker})
	if err != nil {
		f.T.Fatal(err)
	}
	return t
}

// TryJoin lets a new host in and starts it, or returns why not.
func (f *Fleet) TryJoin(ctx context.Context, name string, t identity.Token) (*Host, error) {
	h := f.host(name)
	d := h.open()
	_, err := node.Join(ctx, d, t, name, slog.New(slog.DiscardHandler))
	d.Close()
	if err != nil {
		return nil, err
	}
	h.Start()
	return h, nil
}

// Join is TryJoin that must succeed.
func (f *Fleet) Join(name string, t identity.Token) *Host {
	f.T.Helper()
	h, err := f.TryJoin(f.T.Context(), name, t)
	if err != nil {
		f.T.Fatal(err)
	}
	return h
}

var loopback = netip.MustParseAddr("127.0.0.1")

// Start runs the node and returns when it listens for jobs. It is stopped with the test, or by Stop.
func (h *Host) Start() {
	h.f.T.Helper()
	d := h.open()
	ready := make(chan struct{})
	var port uint16 // any that is free, but for the address that tokens and clients are told
	if h == h.f.First() {
		port = netip.MustParseAddrPort(h.f.broker).Port()
	}
	var extra []plugin.Plugin
	if h.f.Plugin != nil {
		extra = h.f.Plugin(h.Name)
	}
	c := config(d, h.Dir, port, extra, sync.OnceFunc(func() { close(ready) }), h.f.log(h.Name))
	c.Pinned = port != 0 // so that it takes the role again after a restart, once it has settled
	if h.f.Config != nil {
		h.f.Config(&c)
	}
	n, err := node.New(c)
	if err != nil {
		h.f.T.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	h.stop, h.done = cancel, make(chan struct{})
	go func() {
		defer close(h.done)
		defer d.Close()
		if err := n.Run(ctx); err != nil {
			h.f.T.Errorf("%s: %v", h.Name, err)
		}
	}()
	h.f.T.Cleanup(h.Stop)
	select {
	case <-ready:
	case <-h.done:
		h.f.T.Fatalf("%s ended before it was ready", h.Name)
	case <-h.f.T.Context().Done():
	}
}

// config is how every host runs.
func config(d *node.DataDir, dir string, port uint16, extra []plugin.Plugin, ready func(), log *slog.Logger) node.Config {
	return node.Config{
		Dir: d, Bind: loopback, BrokerPort: port,
		Settle: 500 * time.Millisecond, Profile: gossip.Loopback, Facts: facts.Config{Dirs: []string{filepath.Join(dir, "facts.d")}},
		Plugins: func(host plugins.Host) (*plugins.Set, error) {
			return plugins.New(append([]plugin.Plugin{rpcutil.New(host, host), nodeplugin.New(host, host), jobs.New(host)}, extra...)...)
		},
		Version: "test", Ready: ready, Log: log,
	}
}

// Stop ends the node in order and waits for it. A second call does nothing.
func (h *Host) Stop() {
	h.stop()
	<-h.done
}

// Broker is the address of the first host's broker.
func (f *Fleet) Broker() string { return f.broker }

// Client connects as the admin. It is closed with the test.
func (f *Fleet) Client() *client.Client {
	f.T.Helper()
	return f.ClientAs(f.Admin)
}

// ClientAs connects as the admin with this key, once the first host runs its broker: after a restart it settles first. It is closed
// with the test.
func (f *Fleet) ClientAs(key identity.PrivateKey[identity.Admin]) *client.Client {
	f.T.Helper()
	var c *client.Client
	for err := error(nil); c == nil; {
		if f.T.Context().Err() != nil {
			f.T.Fatal(err)
		}
		c, err = client.Connect(f.T.Context(), client.Config{Root: f.Root.Anchor(), Key: key, Brokers: []string{f.broker}, Log: f.log("client"), Declared: f.Declared})
	}
	f.T.Cleanup(c.Close)
	return c
}

// Declared looks an action up as the hosts declare it: their extra plugins before the built-in ones.
func (f *Fleet) Declared(pluginName, action string) (plugin.Action, bool) {
	var list []plugin.Declaration
	if f.Plugin != nil {
		for _, p := range f.Plugin(f.First().Name) {
			list = append(list, p.Declaration())
		}
	}
	return plugin.Find(append(list, plugins.BuiltinDeclarations()...), pluginName, action)
}

// As is the job for another action, as a client sends it. A change is for all hosts, unless it has targets.
func (f *Fleet) As(j job.Job, pluginName, action string, args map[string]any) job.Job {
	f.T.Helper()
	a, known := f.Declared(pluginName, action)
	meaning, err := a.Meaning(args)
	if !known || err != nil {
		f.T.Fatalf("no host has %s %s: %v", pluginName, action, err)
	}
	j.Plugin, j.Action, j.Args, j.Declared = pluginName, action, args, job.Declared{Change: a.Kind == plugin.Change, Meaning: meaning}
	if a.Kind == plugin.Read || j.Targets != nil {
		return j
	}
	for _, h := range f.hosts {
		m, err := h.Membership()
		if err != nil {
			f.T.Fatal(err)
		}
		j.Targets = append(j.Targets, m.Key.Public().ID())
	}
	return j
}

// Await blocks until the brokers know n hosts alive. Any of them may answer a question, and each has its own view: so
// several answers in a row must say it.
func (f *Fleet) Await(c *client.Client, n int) {
	f.T.Helper()
	for agreed := 0; agreed < 6; {
		members, err := c.Members(f.T.Context())
		alive := 0
		for _, m := range members {
			if m.Presence == job.Alive {
				alive++
			}
		}
		if agreed++; err != nil || alive != n {
			agreed = 0
		}
		if f.T.Context().Err() != nil {
			f.T.Fatalf("%d of %d hosts are alive: %v", alive, n, err)
		}
	}
}

func (f *Fleet) log(name string) *slog.Logger {
	if !testing.Verbose() {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(f.T.Output(), nil)).With(logkey.Host, name)
}

// freeAddr finds a port on loopback that was free a moment ago.
func freeAddr(t testing.TB) netip.AddrPort {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).AddrPort()
}

// Issue makes a certificate that was issued at another time to the host with this statement.
func (f *Fleet) Issue(statement []byte, at time.Time) identity.Chain {
	f.T.Helper()
	chain, err := f.issuer.Issue(statement, at)
	if err != nil {
		f.T.Fatal(err)
	}
	return chain
}

// Membership reads what the host has on disk, also while it runs.
func (h *Host) Membership() (node.Membership, error) { return node.ReadMembership(h.Dir) }
