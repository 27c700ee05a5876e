package attack

import (
	"crypto/tls"
	"errors"
	"net"
	"net/url"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"fleet/identity"
	"fleet/job"
)

// capturedBroker is a broker in the hands of an attacker: it carries for whoever holds conn whatever he likes.
type capturedBroker struct {
	server *server.Server
	conn   *nats.Conn
}

// rogue is a nats-server of the attacker's own that shows these credentials on its routes.
func rogue(fleet identity.FleetID, name string, c identity.Credentials, routes ...string) (*server.Server, error) {
	shown := identity.RouteTLS(identity.PublicKey[identity.Root]{}, func() identity.Credentials { return c }, nil)
	shown.VerifyConnection = nil
	urls := make([]*url.URL, len(routes))
	for i, r := range routes {
		urls[i] = &url.URL{Scheme: "nats", Host: r}
	}
	s, err := server.NewServer(&server.Options{
		ServerName: name, Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true, NoSystemAccount: true, Routes: urls, MaxPayload: 1 << 20,
		Cluster: server.ClusterOpts{Name: "fleet-" + string(fleet), Host: "127.0.0.1", Port: server.RANDOM_PORT, TLSConfig: shown, TLSTimeout: 60, PoolSize: 1, ConnectRetries: 100},
	})
	if err != nil {
		return nil, err
	}
	s.Start()
	if !s.ReadyForConnections(patience) {
		return nil, errors.New("the rogue broker does not start")
	}
	return s, nil
}

func capture(m *mesh, c identity.Credentials, routes ...string) (*capturedBroker, error) {
	s, err := rogue(m.root.Public().ID(), "captured", c, routes...)
	if err != nil {
		return nil, err
	}
	late := time.After(patience)
	for tick := time.NewTicker(20 * time.Millisecond); s.NumRoutes() < len(routes); {
		select {
		case <-tick.C:
		case <-late:
			return nil, errors.New("the captured broker has no routes")
		}
	}
	nc, err := nats.Connect("", nats.InProcessServer(s))
	return &capturedBroker{s, nc}, err
}

func (c *capturedBroker) stop() {
	if c.conn != nil {
		c.conn.Close()
	}
	c.server.Shutdown()
	c.server.WaitForShutdown()
}

// send says something on a subject, past every permission.
func (m *mesh) send(t *testing.T, subject string, raw []byte) {
	t.Helper()
	if err := errors.Join(m.captured.conn.Publish(subject, raw), m.captured.conn.Flush()); err != nil {
		t.Fatal(err)
	}
}

// hear listens to a subject at the captured broker. When it returns, all brokers know of it.
func (m *mesh) hear(t *testing.T, subject string) *nats.Subscription {
	t.Helper()
	s, err := m.captured.conn.SubscribeSync(subject)
	if err := errors.Join(err, m.captured.conn.Flush()); err != nil {
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
	probes, err := m.captured.conn.SubscribeSync(job.DocGetSubject)
	if err != nil {
		t.Fatal(err)
	}
	defer probes.Unsubscribe()
	tls, err := identity.AdminTLS(m.root.Public(), m.admin, unknown)
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
	return identity.NodeTLS(m.root.Public(), func() identity.Credentials { return c }, func() identity.Roster { return identity.Roster{} })
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
