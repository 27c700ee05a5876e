package broker_test

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"fleet/broker"
	"fleet/identity"
	"fleet/internal/identitytest"
	"fleet/job"
)

// patience bounds each wait for something that must happen; what is waited for takes milliseconds.
const patience = 20 * time.Second

// world is one fleet as its brokers see it.
type world struct {
	t      *testing.T
	root   identity.Quorum
	issuer identity.Issuer
	admin  identity.PrivateKey[identity.Admin]
	roster atomic.Pointer[identity.Roster]
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, root: identitytest.Root(), admin: identity.NewKey[identity.Admin]()}
	var err error
	if w.issuer, err = identity.NewIssuer(w.root.Anchor(), time.Now()); err != nil {
		t.Fatal(err)
	}
	w.roster.Store(&identity.Roster{Version: 1, Fleet: "test", Keys: identity.Keys{Issuing: w.issuer.Key.Public().ID()}, Roles: []identity.RoleEntry{{Name: "all", Rules: []identity.Rule{{Action: "*.*"}}}},
		Admins: []identity.AdminEntry{{Name: "ann", Key: w.admin.Public(), Roles: []string{"all"}}}})
	return w
}

// node makes a host of that role.
func (w *world) node(role identity.Role) identity.Credentials { return w.nodeAt(role, time.Now()) }

func (w *world) nodeAt(role identity.Role, at time.Time) identity.Credentials {
	w.t.Helper()
	return w.fleet().Host(w.t, "host", identity.Record{Role: role}, at)
}

func (w *world) fleet() identitytest.Fleet {
	return identitytest.Fleet{Root: w.root.Anchor(), Admin: w.admin, Issuer: w.issuer}
}

func (w *world) token(r identity.Record) identity.Token {
	w.t.Helper()
	return w.fleet().Token(w.t, r, time.Now())
}

// start starts a broker that a peer runs.
func (w *world) start(routes ...string) (*broker.Broker, identity.Credentials) {
	w.t.Helper()
	c := w.node(identity.Peer)
	b, err := broker.Start(w.t.Context(), w.config(c, slog.New(slog.DiscardHandler), routes...))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(b.Stop)
	return b, c
}

var anyPort = netip.MustParseAddrPort("127.0.0.1:0")

func (w *world) config(c identity.Credentials, log *slog.Logger, routes ...string) broker.Config {
	return broker.Config{
		Name: c.Key.Public().ID(), Client: anyPort, Route: anyPort, Routes: routes, Root: w.root.Anchor(),
		Credentials: func() identity.Credentials { return c }, Roster: func() identity.Roster { return *w.roster.Load() }, Log: log,
	}
}

func (w *world) nodeTLS(c identity.Credentials) *tls.Config {
	return identity.NodeTLS(w.root.Anchor(), func() identity.Credentials { return c }, func() identity.Roster { return *w.roster.Load() })
}

func (w *world) adminTLS(key identity.PrivateKey[identity.Admin]) *tls.Config {
	w.t.Helper()
	c, err := identity.AdminTLS(w.root.Anchor(), key, func() identity.Roster { return *w.roster.Load() })
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

func (w *world) tokenTLS(token identity.Token) *tls.Config {
	w.t.Helper()
	c, err := identity.JoinTLS(token)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// dial connects once, as a client that is not fleet's own might.
func dial(b *broker.Broker, c *tls.Config, more ...nats.Option) (*nats.Conn, error) {
	return nats.Connect("tls://"+b.ClientAddr().String(), append([]nats.Option{nats.Secure(c), nats.TLSHandshakeFirst(),
		nats.NoReconnect(), nats.Timeout(patience), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})}, more...)...)
}

func (w *world) connect(b *broker.Broker, c *tls.Config, more ...nats.Option) *nats.Conn {
	w.t.Helper()
	nc, err := dial(b, c, more...)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(nc.Close)
	return nc
}

// works sends a job from the admin to a member and its reply back.
func (w *world) works(admins, members *broker.Broker) {
	w.t.Helper()
	member := w.node(identity.Member)
	id := member.Key.Public().ID()
	m, a := w.connect(members, w.nodeTLS(member)), w.connect(admins, w.adminTLS(w.admin))
	reply := job.ReplySubject(id, w.admin.Public().ID(), "J")
	if _, err := m.Subscribe(job.NodeSubject(id), func(msg *nats.Msg) { m.Publish(reply, msg.Data) }); err != nil {
		w.t.Fatal(err)
	}
	replies, err := a.SubscribeSync(job.RepliesSubject(w.admin.Public().ID(), "J"))
	if err := errors.Join(err, m.Flush(), a.Flush()); err != nil {
		w.t.Fatal(err)
	}
	// Interest may still be on its way between brokers, so the job is sent until it is answered, as the client does.
	deadline := time.Now().Add(patience)
	for time.Now().Before(deadline) {
		if err := a.Publish(job.NodeSubject(id), []byte("job")); err != nil {
			w.t.Fatal(err)
		}
		if msg, err := replies.NextMsg(100 * time.Millisecond); err == nil && string(msg.Data) == "job" {
			return
		}
	}
	w.t.Error("an honest admin and an honest member do not reach each other")
}

// until waits for something that no event tells of.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-ctx.Done():
			t.Fatalf("%s did not happen", what)
		case <-tick.C:
		}
	}
}

// lines is a log that can be waited for.
type lines chan string

func (l lines) Enabled(context.Context, slog.Level) bool { return true }
func (l lines) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l lines) WithGroup(string) slog.Handler            { return l }
func (l lines) Handle(_ context.Context, r slog.Record) error {
	text := r.Message
	r.Attrs(func(a slog.Attr) bool { text += " " + a.String(); return true })
	select {
	case l <- text:
	default: // nobody waits for that much
	}
	return nil
}

// await returns the first line with all the parts.
func (l lines) await(t *testing.T, parts ...string) string {
	t.Helper()
	late := time.After(patience)
next:
	for {
		select {
		case line := <-l:
			for _, part := range parts {
				if !strings.Contains(line, part) {
					continue next
				}
			}
			return line
		case <-late:
			t.Fatalf("no line with %q was logged", parts)
		}
	}
}
