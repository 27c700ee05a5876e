package broker_test

import (
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"fleet/broker"
	"fleet/identity"
	"fleet/internal/identitytest"
)

func TestRoutesFormCarryAndGo(t *testing.T) {
	w := newWorld(t)
	a, _ := w.start()
	b, _ := w.start()
	if err := b.SetRoutes([]string{a.RouteAddr().String()}); err != nil {
		t.Fatal(err)
	}
	until(t, "a route", func() bool { return a.Routes() == 1 && b.Routes() == 1 })
	w.works(a, b)
	w.works(b, a)

	if err := b.SetRoutes(nil); err != nil {
		t.Fatal(err)
	}
	until(t, "the end of the route", func() bool { return a.Routes() == 0 && b.Routes() == 0 })
	w.works(a, a)
	w.works(b, b)
}

func TestABadRouteChangesNothing(t *testing.T) {
	w := newWorld(t)
	a, _ := w.start()
	b, _ := w.start()
	for range 2 { // an error must not be forgotten the second time
		if err := b.SetRoutes([]string{"no port"}); err == nil {
			t.Fatal("was taken")
		}
	}
	if err := b.SetRoutes([]string{a.RouteAddr().String()}); err != nil {
		t.Fatal(err)
	}
	until(t, "a route", func() bool { return b.Routes() == 1 })
}

// rogue is a nats-server of its own that shows these credentials and lets anybody in.
func rogue(t *testing.T, fleet identity.FleetID, c identity.Credentials, routes ...string) *server.Server {
	t.Helper()
	return rogueWith(t, fleet, c, func(*server.Options) {}, routes...)
}

// rogueWith is a rogue with other settings.
func rogueWith(t *testing.T, fleet identity.FleetID, c identity.Credentials, change func(*server.Options), routes ...string) *server.Server {
	t.Helper()
	shown := identity.RouteTLS(identity.Anchor{}, func() identity.Credentials { return c }, nil)
	shown.VerifyConnection = nil
	urls := make([]*url.URL, len(routes))
	for i, r := range routes {
		urls[i] = &url.URL{Scheme: "nats", Host: r}
	}
	o := server.Options{
		ServerName: "rogue", Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true, NoSystemAccount: true, Routes: urls,
		Cluster: server.ClusterOpts{Name: "fleet-" + string(fleet), Host: "127.0.0.1", Port: server.RANDOM_PORT, TLSConfig: shown, TLSTimeout: 60, PoolSize: 1, ConnectRetries: 100},
	}
	change(&o)
	s, err := server.NewServer(&o)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(patience) {
		t.Fatal("the rogue does not start")
	}
	return s
}

// Only peers of this fleet form routes, whichever side asks for them.
func TestARogueFormsNoRoute(t *testing.T) {
	w, other := newWorld(t), newWorld(t)
	revoked := w.node(identity.Peer)
	r := w.roster.Load().Revoking([]identity.Revocation{{ID: revoked.Key.Public().ID()}})
	w.roster.Store(&r)
	for _, tt := range []struct {
		name string
		c    identity.Credentials
		want bool
	}{
		{"a member", w.node(identity.Member), false},
		{"an ephemeral member", w.node(identity.Ephemeral), false},
		{"a peer of another fleet", other.node(identity.Peer), false},
		{"a revoked peer", revoked, false},
		{"a peer whose certificate has expired", w.nodeAt(identity.Peer, time.Now().Add(-identity.NodeLife-time.Minute)), false},
		{"a peer's certificate with another key", identity.Credentials{Key: identity.NewKey[identity.Node](), Chain: w.node(identity.Peer).Chain}, false},
		{"a good peer, so that the cases above mean something", w.node(identity.Peer), true},
	} {
		start := func(t *testing.T, log lines, routes ...string) *broker.Broker {
			b, err := broker.Start(t.Context(), w.config(w.node(identity.Peer), slog.New(log), routes...))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(b.Stop)
			return b
		}
		check := func(t *testing.T, log lines, b *broker.Broker) {
			t.Helper()
			if tt.want {
				until(t, "a route", func() bool { return b.Routes() == 1 })
				return
			}
			log.await(t, "TLS route handshake error")
			log.await(t, "TLS route handshake error") // it tried once more, so the first attempt is over
			if n := b.Routes(); n != 0 {
				t.Errorf("%d routes", n)
			}
			w.works(b, b)
		}
		t.Run(tt.name+" asks", func(t *testing.T) {
			t.Parallel()
			log := make(lines, 1024)
			b := start(t, log)
			rogue(t, w.root.Anchor().ID(), tt.c, b.RouteAddr().String())
			check(t, log, b)
		})
		t.Run(tt.name+" is asked", func(t *testing.T) {
			t.Parallel()
			log := make(lines, 1024)
			s := rogue(t, w.root.Anchor().ID(), tt.c)
			check(t, log, start(t, log, s.ClusterAddr().String()))
		})
	}
}

// A broker that was fine when the route formed goes when the roster revokes its node, whoever asked for the route: it, we, or we because
// another broker told us of it.
func TestReloadEndsTheRoutesOfARevokedPeer(t *testing.T) {
	w := newWorld(t)
	for _, asked := range []string{"by it", "by us"} {
		t.Run("asked for "+asked, func(t *testing.T) {
			taken := w.node(identity.Peer)
			ours, _ := w.start()
			honest, _ := w.start()
			if err := honest.SetRoutes([]string{ours.RouteAddr().String()}); err != nil {
				t.Fatal(err)
			}
			until(t, "the honest route", func() bool { return ours.Routes() == 1 && honest.Routes() == 1 })
			var theirs *server.Server
			if asked == "by it" {
				theirs = rogue(t, w.root.Anchor().ID(), taken, ours.RouteAddr().String())
			} else {
				theirs = rogue(t, w.root.Anchor().ID(), taken)
				if err := ours.SetRoutes([]string{theirs.ClusterAddr().String()}); err != nil {
					t.Fatal(err)
				}
			}
			until(t, "all routes, also the one that nobody was told to form", func() bool { return ours.Routes() == 2 && honest.Routes() == 2 })
			revoke(t, w, taken, ours, honest)
			until(t, "the end of the revoked peer's routes", func() bool { return theirs.NumRoutes() == 0 && ours.Routes() == 1 && honest.Routes() == 1 })
			w.works(ours, honest)
		})
	}
}

// Two brokers that ask each other for a route at once keep one connection. nats-server counts it as asked for by both, and judges again
// only what others asked for: the revoked peer's connection goes all the same.
func TestReloadEndsARouteThatBothAskedFor(t *testing.T) {
	w := newWorld(t)
	taken := w.node(identity.Peer)
	ours, _ := w.start()
	honest, _ := w.start(ours.RouteAddr().String())
	until(t, "the honest route", func() bool { return ours.Routes() == 1 && honest.Routes() == 1 })
	asked, formed := make(chan struct{}, 8), make(chan struct{})
	theirs := rogueWith(t, w.root.Anchor().ID(), taken, func(o *server.Options) {
		o.Cluster.TLSConfig.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { // honest, which ours told of the rogue
			asked <- struct{}{}
			<-formed
			return nil, nil
		}
	}, ours.RouteAddr().String(), delayed(t, asked, honest.RouteAddr().String()))
	until(t, "the route that the rogue asked for", func() bool { return theirs.NumRoutes() == 2 })
	close(formed)
	until(t, "a route that both asked for", func() bool { return broker.AskedFor(honest) == 2 })
	revoke(t, w, taken, ours, honest)
	until(t, "the end of the revoked peer's routes", func() bool { return theirs.NumRoutes() == 0 && ours.Routes() == 1 && honest.Routes() == 1 })
	w.works(ours, honest)
	if honest.Outlived() {
		t.Error("a route has outlived the reload")
	}
}

// A captured peer may say that its route is elsewhere than where it is reached. nats-server remembers such a route under what was said,
// and nobody can have it closed: the broker says so, and whoever runs it stops it.
func TestARouteThatOutlivesAReloadIsTold(t *testing.T) {
	w := newWorld(t)
	taken := w.node(identity.Peer)
	ours, _ := w.start()
	honest, _ := w.start(ours.RouteAddr().String())
	until(t, "the honest route", func() bool { return ours.Routes() == 1 && honest.Routes() == 1 })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	theirs := rogueWith(t, w.root.Anchor().ID(), taken, func(o *server.Options) {
		o.Cluster.Port, o.Cluster.Advertise = port, net.JoinHostPort("::ffff:127.0.0.1", strconv.Itoa(port))
		o.Cluster.TLSConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return nil, errors.New("it lets others ask")
		}
	})
	if err := ours.SetRoutes([]string{theirs.ClusterAddr().String()}); err != nil {
		t.Fatal(err)
	}
	until(t, "the route that ours told of", func() bool { return theirs.NumRoutes() == 2 && honest.Routes() == 2 })
	revoke(t, w, taken, ours, honest)
	until(t, "that it is told", honest.Outlived)
	until(t, "the end of the other one", func() bool { return theirs.NumRoutes() == 1 && !ours.Outlived() })
}

// Whoever connects and says nothing does not hold up a reload, and so a revocation, for as long as he likes.
func TestReloadDoesNotWaitForTheSilent(t *testing.T) {
	w := newWorld(t)
	ours, _ := w.start()
	for _, addr := range []netip.AddrPort{ours.ClientAddr(), ours.RouteAddr()} {
		silent, err := net.Dial("tcp", addr.String())
		if err != nil {
			t.Fatal(err)
		}
		defer silent.Close()
	}
	w.works(ours, ours) // so the silent are accepted: they came before
	done := make(chan error, 1)
	go func() { done <- ours.Reload() }()
	select {
	case err := <-done:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(patience):
		t.Fatal("the reload waits for those who say nothing")
	}
}

// delayed is an address that leads to another one as soon as start lets it.
func delayed(t *testing.T, start <-chan struct{}, addr string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		near, err := l.Accept()
		if err != nil {
			return
		}
		defer near.Close()
		<-start
		far, err := net.Dial("tcp", addr)
		if err != nil {
			return
		}
		go func() {
			io.Copy(far, near)
			far.Close()
		}()
		io.Copy(near, far)
	}()
	return l.Addr().String()
}

// revoke has the brokers learn that a node is revoked.
func revoke(t *testing.T, w *world, who identity.Credentials, brokers ...*broker.Broker) {
	t.Helper()
	r := w.roster.Load().Revoking([]identity.Revocation{{ID: who.Key.Public().ID()}})
	w.roster.Store(&r)
	for _, b := range brokers {
		if err := b.Reload(); err != nil {
			t.Fatal(err)
		}
	}
}

// A certificate by an issuing key that was replaced forms no route and no connection, and those that stand are closed.
func TestCertificatesFromBeforeARotationAreNotAccepted(t *testing.T) {
	w := newWorld(t)
	old, oldPeer := w.node(identity.Member), w.node(identity.Peer)
	was := identitytest.Self(t, w.root.Anchor(), old, time.Now())
	var err error
	if w.issuer, err = identity.NewIssuer(w.root.Anchor(), time.Now()); err != nil {
		t.Fatal(err)
	}
	next := identity.Keys{Issuing: w.issuer.Key.Public().ID(), Gossip: identity.GossipID([]byte("key"))}
	if was.Issuer == next.Issuing {
		t.Fatal("both certificates name one issuing key")
	}
	force := func(k identity.Keys, brokers ...*broker.Broker) {
		r := *w.roster.Load()
		r.Keys = k
		w.roster.Store(&r)
		for _, b := range brokers {
			if err := b.Reload(); err != nil {
				t.Fatal(err)
			}
		}
	}
	overlap := next
	overlap.Older = []identity.ID{was.Issuer}
	force(overlap)
	ours, _ := w.start()
	stranger := rogue(t, w.root.Anchor().ID(), oldPeer, ours.RouteAddr().String())
	theirs := w.connect(ours, w.nodeTLS(old))
	until(t, "a route", func() bool { return ours.Routes() == 1 })

	force(overlap, ours)
	if err := theirs.Flush(); err != nil {
		t.Errorf("while both are accepted: %v", err)
	}
	until(t, "the route again", func() bool { return ours.Routes() == 1 })
	force(next, ours)
	until(t, "the end of the old", func() bool { return ours.Routes() == 0 && theirs.IsClosed() })
	if nc, err := dial(ours, w.nodeTLS(old)); err == nil {
		nc.Close()
		t.Error("an old certificate is let in")
	}
	w.works(ours, ours)
	if stranger.NumRoutes() != 0 {
		t.Error("the old peer has a route")
	}
}

// A port that is taken is an error that says so, soon; the node goes on without a broker meanwhile.
func TestATakenPortIsAnError(t *testing.T) {
	w := newWorld(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	taken := l.Addr().(*net.TCPAddr).AddrPort()
	for name, change := range map[string]func(*broker.Config){
		"clients": func(c *broker.Config) { c.Client = taken },
		"routes":  func(c *broker.Config) { c.Route = taken },
	} {
		t.Run(name, func(t *testing.T) {
			c := w.config(w.node(identity.Peer), slog.New(slog.DiscardHandler))
			change(&c)
			b, err := broker.Start(t.Context(), c)
			if err == nil {
				b.Stop()
				t.Fatal("it started")
			}
			if !strings.Contains(err.Error(), "address already in use") || !strings.Contains(err.Error(), taken.String()) {
				t.Errorf("it does not say what is wrong: %v", err)
			}
		})
	}
}
