package client_test

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"fleet/broker"
	"fleet/client"
	"fleet/identity"
	"fleet/internal/identitytest"
	"fleet/job"
	"fleet/job/filter"
	"fleet/plugins/plugin"
	"fleet/plugins/service"
)

// patience bounds waiting for what takes milliseconds.
const patience = 30 * time.Second

// world is a real broker with hosts that do just what a test tells them.
type world struct {
	t      *testing.T
	root   identity.Quorum
	issuer identity.Issuer
	admin  identity.PrivateKey[identity.Admin]
	roster identity.Roster
	broker *broker.Broker
	mute   atomic.Bool // nobody says who is there

	mu          sync.Mutex
	members     []job.Member
	revocations []identity.Revocation
	rosterless  bool // nobody hands out the roster
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, root: identitytest.Root(), admin: identity.NewKey[identity.Admin]()}
	var err error
	if w.issuer, err = identity.NewIssuer(w.root.Anchor(), time.Now()); err != nil {
		t.Fatal(err)
	}
	w.roster = identity.Roster{Version: 1, Fleet: "test", Keys: identity.Keys{Issuing: w.issuer.Key.Public().ID()}, Admins: []identity.AdminEntry{{Name: "ann", Key: w.admin.Public()}}}
	peer := w.credentials("peer", identity.Peer)
	anyPort := netip.MustParseAddrPort("127.0.0.1:0")
	w.broker, err = broker.Start(t.Context(), broker.Config{
		Name: peer.Key.Public().ID(), Client: anyPort, Route: anyPort, Root: w.root.Anchor(), Log: slog.New(slog.DiscardHandler),
		Credentials: func() identity.Credentials { return peer }, Roster: func() identity.Roster { return w.roster },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.broker.Stop)
	nc := w.connect(peer)
	w.subscribe(nc, job.DocGetSubject, func(m *nats.Msg) {
		w.mu.Lock()
		defer w.mu.Unlock()
		roster, err := identity.SignRoster(w.root, w.roster, time.Now())
		answer := job.DocumentAnswer{Documents: [][]byte{w.root.Raw(), roster}}
		for _, v := range w.revocations {
			raw, err2 := identity.SignRevocations(w.root, "ann", time.Now(), v)
			answer.Documents, err = append(answer.Documents, raw), errors.Join(err, err2)
		}
		raw, err2 := answer.Encode()
		if err := errors.Join(err, err2); err != nil {
			t.Error(err)
		}
		if !w.rosterless {
			m.Respond(raw)
		}
	})
	w.subscribe(nc, job.MembersSubject, func(m *nats.Msg) {
		w.mu.Lock()
		defer w.mu.Unlock()
		version, after := job.AskedMembers(m.Data)
		raw, err := job.Members{Protocol: version, Members: w.members}.Page(after).Encode()
		if err != nil {
			t.Error(err)
		}
		if !w.mute.Load() {
			m.Respond(raw)
		}
	})
	return w
}

func (w *world) credentials(name string, role identity.Role) identity.Credentials {
	w.t.Helper()
	return identitytest.Fleet{Root: w.root.Anchor(), Admin: w.admin, Issuer: w.issuer}.Host(w.t, name, identity.Record{Role: role}, time.Now())
}

func (w *world) connect(c identity.Credentials) *nats.Conn {
	w.t.Helper()
	tls := identity.NodeTLS(w.root.Anchor(), func() identity.Credentials { return c }, func() identity.Roster { return w.roster })
	nc, err := nats.Connect("tls://"+w.broker.ClientAddr().String(), nats.Secure(tls), nats.TLSHandshakeFirst())
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(nc.Close)
	return nc
}

func (w *world) subscribe(nc *nats.Conn, subject string, f func(*nats.Msg)) {
	w.t.Helper()
	_, err := nc.Subscribe(subject, f)
	if err := errors.Join(err, nc.Flush()); err != nil {
		w.t.Fatal(err)
	}
}

// host is a node that answers as told.
type host struct {
	w     *world
	name  string
	creds identity.Credentials
	conn  *nats.Conn
}

// asked is one copy of a job at a host.
type asked struct {
	*host
	job  job.Job
	hash job.Hash
	copy int // 1 for the first that came
}

func (h *host) id() identity.ID { return h.creds.Key.Public().ID() }

// reply sends a reply of this host.
func (a asked) reply(kind job.Kind, state job.State) {
	a.send(a.sign(job.Reply{Job: a.hash, Kind: kind, State: state}))
}

func (h *host) sign(r job.Reply) []byte {
	r.Time = time.Now().UnixMilli()
	signed, err := r.Sign(h.creds)
	if err != nil {
		h.w.t.Error(err)
	}
	return signed
}

// send seals what it is given, signed or not, and sends it.
func (a asked) send(signed []byte) {
	raw, err := job.SealReply(a.job, a.hash, signed)
	if err != nil {
		a.w.t.Error(err)
	}
	a.conn.Publish(job.ReplySubject(a.id(), a.job.Signer.ID(), a.job.ID), raw) // closed: the run has ended without this one
}

// host adds a host that is alive; answer is called for each copy of a job, one at a time.
func (w *world) host(name string, answer func(asked)) *host {
	w.t.Helper()
	h := &host{w: w, name: name, creds: w.credentials(name, identity.Member)}
	h.conn = w.connect(h.creds)
	copies := map[string]int{}
	var mu sync.Mutex
	receive := func(m *nats.Msg) {
		mu.Lock()
		defer mu.Unlock()
		u, err := job.Decode(m.Data)
		if err != nil {
			w.t.Error(err)
			return
		}
		j, err := u.Verify(w.admin.Public())
		if err != nil {
			w.t.Error(err)
			return
		}
		copies[j.ID]++
		answer(asked{h, j, u.Hash(), copies[j.ID]})
	}
	w.subscribe(h.conn, job.AllSubject, receive)
	w.subscribe(h.conn, job.NodeSubject(h.id()), receive)
	w.is(h.id(), name, job.Alive)
	return h
}

// is says how a host stands, to whoever asks from now on.
func (w *world) is(id identity.ID, name string, p job.Presence) {
	w.mu.Lock()
	defer w.mu.Unlock()
	m := job.Member{Node: id, Name: name, Presence: p, Since: time.Now().UnixMilli(), LastSeen: time.Now().UnixMilli(), Role: identity.Member}
	for i := range w.members {
		if w.members[i].Node == id {
			w.members[i] = m
			return
		}
	}
	w.members = append(w.members, m)
}

// duplicate says that two machines use a host's key.
func (w *world) duplicate(id identity.ID, addrs ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range w.members {
		if w.members[i].Node == id {
			w.members[i].Duplicate = addrs
		}
	}
}

// forget drops a host from membership.
func (w *world) forget(id identity.ID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var rest []job.Member
	for _, m := range w.members {
		if m.Node != id {
			rest = append(rest, m)
		}
	}
	w.members = rest
}

func (w *world) client() *client.Client {
	w.t.Helper()
	c, err := client.Connect(w.t.Context(), client.Config{Root: w.root.Anchor(), Key: w.admin,
		Brokers: []string{w.broker.ClientAddr().String()}, Log: slog.New(slog.DiscardHandler), Declared: declared})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(c.Close)
	return c
}

// declared is what the client knows of the plugin service.
func declared(pluginName, action string) (plugin.Action, bool) {
	return plugin.Find([]plugin.Declaration{service.Declaration()}, pluginName, action)
}

// request asks how a service is, whoever matches; it waits as long as the test has patience, unless told otherwise.
func request() client.Request {
	return client.Request{Plugin: "service", Action: "status", Args: map[string]any{"service": "nginx"}, Timeout: patience}
}

// run runs r to its end and checks what must hold of every run.
func (w *world) run(ctx context.Context, r client.Request) (client.Run, error) {
	w.t.Helper()
	run, err := w.client().Run(ctx, r, func(p client.Progress) {
		if p.Total > 0 && p.Done > p.Total {
			w.t.Errorf("progress: %d of %d are done", p.Done, p.Total)
		}
	})
	seen := map[string]bool{}
	for _, o := range run.Outcomes {
		key := string(o.Node) + " " + o.Name
		if seen[key] || o.State == "" {
			w.t.Errorf("%s is listed twice or in no state: %+v", o.Name, o)
		}
		seen[key] = true
		if (o.State == job.Silent || o.State == job.Lost) && o.Message == "" {
			w.t.Errorf("%s is %s and nothing is said about it", o.Name, o.State)
		}
	}
	if err == nil && len(run.Outcomes)+run.NoMatch != run.Expected {
		w.t.Errorf("%d outcomes and %d that do not match are not the %d expected", len(run.Outcomes), run.NoMatch, run.Expected)
	}
	return run, err
}

// states is how each host ended, by name.
func states(run client.Run) map[string]job.State {
	out := map[string]job.State{}
	for _, o := range run.Outcomes {
		out[o.Name] = o.State
	}
	return out
}

func outcome(t *testing.T, run client.Run, name string) client.Outcome {
	t.Helper()
	for _, o := range run.Outcomes {
		if o.Name == name {
			return o
		}
	}
	t.Fatalf("%s is not in the run: %+v", name, run)
	return client.Outcome{}
}

func named(t *testing.T, names ...string) filter.Filter {
	t.Helper()
	f, err := filter.Build(filter.Flags{Identity: names})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func ok(a asked) { a.reply(job.Result, job.OK) }

func silent(asked) {}

var logNothing = slog.New(slog.DiscardHandler)
