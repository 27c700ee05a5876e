package broker_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"math/big"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"fleet/broker"
	"fleet/identity"
	"fleet/job"
)

// Who is not let in at all. After each of them an honest client still is.
func TestWhoIsRefused(t *testing.T) {
	w, other := newWorld(t), newWorld(t)
	b, _ := w.start()
	// believe makes a client that does not mind whom it talks to: the broker must refuse it by itself.
	believe := func(c *tls.Config) *tls.Config {
		c = c.Clone()
		c.VerifyConnection = nil
		return c
	}
	_, someKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	member := w.node(identity.Member)
	old := func() *tls.Config {
		c := believe(w.nodeTLS(member))
		c.MaxVersion, c.MinVersion = tls.VersionTLS12, tls.VersionTLS12
		return c
	}
	unsigned, err := identity.NewToken(w.root.Anchor(), other.admin, identity.Record{Role: identity.Member, Created: time.Now(), Expires: time.Now().Add(time.Hour)}, []string{"x:1"})
	if err != nil {
		t.Fatal(err)
	}
	stolen := w.token(identity.Record{})
	stolen.Secret = identity.NewKey[identity.Joining]()

	for _, tt := range []struct {
		name string
		tls  *tls.Config
		more []nats.Option
	}{
		{"no certificate", &tls.Config{InsecureSkipVerify: true}, nil},
		{"old TLS", old(), nil},
		{"a member of another fleet", believe(other.nodeTLS(other.node(identity.Member))), nil},
		{"a peer of another fleet", believe(other.nodeTLS(other.node(identity.Peer))), nil},
		{"an admin of another fleet", believe(w.adminTLS(other.admin)), nil},
		{"a self-signed key that the roster does not name", believe(w.adminTLS(identity.NewKey[identity.Admin]())), nil},
		{"a self-signed certificate of a web CA's kind", selfSigned(t), nil},
		{"a node's certificate without its issuer", show(someKey, member.Chain.Leaf), nil},
		{"a node whose certificate has expired", believe(w.nodeTLS(w.nodeAt(identity.Member, time.Now().Add(-identity.NodeLife-time.Minute)))), nil},
		{"a node from the future", believe(w.nodeTLS(w.nodeAt(identity.Member, time.Now().Add(48*time.Hour)))), nil},
		{"a node's certificate with another key", believe(w.nodeTLS(identity.Credentials{Key: identity.NewKey[identity.Node](), Chain: member.Chain})), nil},
		{"a token that no admin of this fleet signed", believe(w.tokenTLS(unsigned)), nil},
		{"a token's record without its secret", believe(w.tokenTLS(stolen)), nil},
		{"a token from a network that it is not for", believe(w.tokenTLS(w.token(identity.Record{Networks: []string{"10.0.0.0/8", "::1/128"}}))), nil},
		{"a name and a password", &tls.Config{InsecureSkipVerify: true}, []nats.Option{nats.UserInfo("admin", "admin")}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			nc, err := dial(b, tt.tls, tt.more...)
			if err == nil {
				// TLS 1.3 clients are told after their own part is done; nothing they say is heard.
				if err = nc.Flush(); err == nil {
					t.Error("was let in")
				}
				nc.Close()
			}
			w.works(b, b)
		})
	}
	allowed := w.connect(b, w.tokenTLS(w.token(identity.Record{Networks: []string{"127.0.0.0/8"}})))
	if err := allowed.Flush(); err != nil {
		t.Errorf("a token from its own network: %v", err)
	}
}

// show presents certificates that need not fit together.
func show(key ed25519.PrivateKey, chain ...[]byte) *tls.Config {
	return &tls.Config{InsecureSkipVerify: true, GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		return &tls.Certificate{Certificate: chain, PrivateKey: key}, nil
	}}
}

func selfSigned(t *testing.T) *tls.Config {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return show(key, der, der)
}

// Somebody without TLS is told nothing, not even that NATS listens there.
func TestPlaintextIsRefused(t *testing.T) {
	w := newWorld(t)
	b, _ := w.start()
	for name, addr := range map[string]netip.AddrPort{"clients": b.ClientAddr(), "routes": b.RouteAddr()} {
		conn, err := net.Dial("tcp", addr.String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(patience))
		conn.Write([]byte("CONNECT {\"verbose\":true}\r\nPING\r\nPUB fleet.job.all 1\r\nx\r\n"))
		answer := make([]byte, 1024)
		n := 0
		for err = nil; err == nil; {
			var m int
			m, err = conn.Read(answer[n:])
			n += m
		}
		if e, ok := err.(net.Error); ok && e.Timeout() {
			t.Errorf("%s: the connection stays open", name)
		}
		if text := string(answer[:n]); strings.Contains(text, "INFO") || strings.Contains(text, "PONG") {
			t.Errorf("%s: it was told %q", name, text)
		}
	}
	w.works(b, b)
}

// Whoever connects verifies the broker just as strictly.
func TestClientsRefuseABrokerThatIsNone(t *testing.T) {
	w, other := newWorld(t), newWorld(t)
	foreign, _ := other.start()
	pretender := w.node(identity.Member)
	conf := w.config(pretender, slog.New(slog.DiscardHandler))
	member, err := broker.Start(t.Context(), conf)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(member.Stop)
	gone, last := w.start()

	node := w.nodeTLS(w.node(identity.Member))
	revoke := func() { // from here on the last broker's node is revoked
		r := w.roster.Load().Revoking([]identity.Revocation{{ID: last.Key.Public().ID()}})
		w.roster.Store(&r)
	}
	for _, tt := range []struct {
		name string
		b    *broker.Broker
		tls  *tls.Config
		err  string
	}{
		{"a node, a broker of another fleet", foreign, node, "not a broker of the fleet"},
		{"an admin, a broker of another fleet", foreign, w.adminTLS(w.admin), "not a broker of the fleet"},
		{"a new host, a broker of another fleet", foreign, w.tokenTLS(w.token(identity.Record{})), "not a broker of the fleet"},
		{"a node, a broker that a member made itself", member, node, "only peers run brokers"},
		{"an admin, a broker that a member made itself", member, w.adminTLS(w.admin), "only peers run brokers"},
		{"a new host, a broker that a member made itself", member, w.tokenTLS(w.token(identity.Record{})), "only peers run brokers"},
		{"a node, a broker whose node is revoked", gone, node, "is revoked"},
	} {
		if tt.b == gone {
			revoke()
		}
		if nc, err := dial(tt.b, tt.tls); err == nil {
			nc.Close()
			t.Errorf("%s: it was trusted", tt.name)
		} else if !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// A new roster disconnects whom it names no more, at once, and nobody else.
func TestReloadDisconnectsTheRevoked(t *testing.T) {
	w := newWorld(t)
	b, _ := w.start()
	bob := identity.NewKey[identity.Admin]()
	r := *w.roster.Load()
	r.Admins = append(r.Admins, identity.AdminEntry{Name: "bob", Key: bob.Public()})
	w.roster.Store(&r)

	closed := make(chan string, 8)
	watch := func(name string, c *tls.Config) *nats.Conn {
		return w.connect(b, c, nats.ClosedHandler(func(*nats.Conn) { closed <- name }))
	}
	stays, goes := w.node(identity.Member), w.node(identity.Member)
	stay, admin := watch("stays", w.nodeTLS(stays)), watch("ann", w.adminTLS(w.admin))
	watch("goes", w.nodeTLS(goes))
	watch("bob", w.adminTLS(bob))
	joining := watch("joining", w.tokenTLS(w.token(identity.Record{})))
	jobs, err := stay.SubscribeSync(job.AllSubject)
	if err != nil {
		t.Fatal(err)
	}
	if err := stay.Flush(); err != nil {
		t.Fatal(err)
	}

	next := r.Revoking([]identity.Revocation{{ID: goes.Key.Public().ID()}})
	next.Version, next.Admins = 2, r.Admins[:1]
	w.roster.Store(&next)
	if err := b.Reload(); err != nil {
		t.Fatal(err)
	}
	out := map[string]bool{}
	for range 2 {
		select {
		case name := <-closed:
			out[name] = true
		case <-time.After(patience):
			t.Fatalf("only %v were disconnected", out)
		}
	}
	if !out["goes"] || !out["bob"] {
		t.Errorf("disconnected: %v", out)
	}
	// Those who stay notice nothing: their subscriptions hold.
	if err := admin.Publish(job.AllSubject, []byte("job")); err != nil {
		t.Fatal(err)
	}
	if m, err := jobs.NextMsg(patience); err != nil || string(m.Data) != "job" {
		t.Errorf("%v, %v", m, err)
	}
	if err := joining.Flush(); err != nil {
		t.Errorf("joining: %v", err)
	}
	for name, c := range map[string]*tls.Config{"goes": w.nodeTLS(goes), "bob": w.adminTLS(bob)} {
		if nc, err := dial(b, c); err == nil && nc.Flush() == nil {
			t.Errorf("%s came back", name)
		}
	}
	w.works(b, b)
	if len(closed) > 0 {
		t.Errorf("%s was disconnected too", <-closed)
	}
}
