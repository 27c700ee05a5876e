package attack

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"fleet/identity"
	"fleet/internal/captured"
	"fleet/job"
)

// capture makes a broker that shows these credentials, and connects it to the routes.
func capture(m *mesh, c identity.Credentials, routes ...string) (*captured.Broker, error) {
	b, err := captured.Serve(m.root.Anchor().ID(), c, captured.Place{Name: "captured", Host: "127.0.0.1", Routes: routes})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := b.Connected(ctx, len(routes)); err != nil {
		b.Stop()
		return nil, err
	}
	return b, nil
}

// send says something on a subject, past every permission.
func (m *mesh) send(t *testing.T, subject string, raw []byte) {
	t.Helper()
	if err := errors.Join(m.captured.Conn.Publish(subject, raw), m.captured.Conn.Flush()); err != nil {
		t.Fatal(err)
	}
}

// hear listens to a subject at the captured broker. When it returns, all brokers know of it.
func (m *mesh) hear(t *testing.T, subject string) *nats.Subscription {
	t.Helper()
	s, err := m.captured.Conn.SubscribeSync(subject)
	if err := errors.Join(err, m.captured.Conn.Flush()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Unsubscribe() })
	m.known(t)
	return s
}

// known waits until every broker knows of what the captured broker's connection has subscribed to: something that an admin
// sends by each of them arrives, and routes keep the order. Nobody answers it, for it names no place to answer to.
func (m *mesh) known(t *testing.T) {
	t.Helper()
	probes, err := m.captured.Conn.SubscribeSync(job.DocGetSubject)
	if err != nil {
		t.Fatal(err)
	}
	defer probes.Unsubscribe()
	tls, err := identity.AdminTLS(m.root.Anchor(), m.admin, unknown)
	if err != nil {
		t.Fatal(err)
	}
	missing := map[string]*nats.Conn{}
	for _, h := range m.hosts[:3] {
		nc, err := nats.Connect("tls://"+h.broker, nats.Secure(tls), nats.TLSHandshakeFirst())
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		missing[job.NewID(time.Now())] = nc
	}
	for late := time.Now().Add(patience); len(missing) > 0; {
		for probe, nc := range missing {
			if err := errors.Join(nc.Publish(job.DocGetSubject, []byte(probe)), nc.Flush()); err != nil {
				t.Fatal(err)
			}
		}
		for msg, err := probes.NextMsg(50 * time.Millisecond); err == nil; msg, err = probes.NextMsg(50 * time.Millisecond) {
			delete(missing, string(msg.Data))
		}
		if time.Now().After(late) {
			t.Fatalf("%d brokers do not know what is subscribed to", len(missing))
		}
	}
}

// dial connects to the first host's broker as a client that is not fleet's own might.
func (m *mesh) dial(c *tls.Config, more ...nats.Option) (*nats.Conn, error) {
	return nats.Connect("tls://"+m.hosts[0].broker, append([]nats.Option{nats.Secure(c), nats.TLSHandshakeFirst(),
		nats.NoReconnect(), nats.Timeout(refusedIn), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})}, more...)...)
}

// dialAs is dial with a node's certificate.
func (m *mesh) dialAs(t *testing.T, c identity.Credentials) *nats.Conn {
	t.Helper()
	nc, err := m.dial(m.nodeTLS(c))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

func (m *mesh) nodeTLS(c identity.Credentials) *tls.Config {
	return identity.NodeTLS(m.root.Anchor(), func() identity.Credentials { return c }, func() identity.Roster { return identity.Roster{} })
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}
