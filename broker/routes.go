package broker

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"fleet/identity"
	"fleet/internal/logkey"
)

// SetRoutes replaces the list of other brokers (host:port of their routes). Clients are not disturbed.
func (b *Broker) SetRoutes(routes []string) error {
	if slices.Equal(b.routes, routes) {
		return nil
	}
	if err := b.reload(routes); err != nil {
		return err
	}
	b.routes = slices.Clone(routes)
	return nil
}

// Reload makes the server judge all its connections again: call it when the roster changed. Nodes and admins who are
// still welcome notice nothing, but that an answer under way may get lost. After a node was revoked or the keys were
// replaced, this broker forms the routes anew that it asked for: nats-server does not judge them again. See Outlived.
func (b *Broker) Reload() error {
	now := b.config.Roster()
	if !b.judged.RevokesSame(now) || !b.judged.Keys.Same(now.Keys) {
		b.closed = time.Now()
		b.accepted.closeUnwelcome(func(shown []*x509.Certificate) bool { _, err := b.peer(shown); return err == nil })
		if err := b.closeRoutes(); err != nil {
			return err
		}
		b.judged = now
	}
	return b.reload(b.routes)
}

// outliving is how long a route may still be listed that is being closed.
const outliving = 3 * time.Second

// Outlived reports whether a route has outlived a Reload that was to close it: then only Stop ends it. A captured peer can give an
// address for its route under which nats-server remembers it and nobody else can know it (Cluster.Advertise).
func (b *Broker) Outlived() bool {
	if b.closed.IsZero() || time.Since(b.closed) < outliving {
		return false
	}
	z, err := b.server.Routez(nil)
	if err != nil {
		return false // there is no server any more
	}
	return slices.ContainsFunc(z.Routes, func(r *server.RouteInfo) bool {
		return r.DidSolicit && r.Start.Before(b.closed) && !b.accepted.has(r)
	})
}

// closeRoutes ends the routes that this broker asked for. Those of which another broker told it are not in its list: nats-server asks for
// such a route by itself, under another kind of URL, and closes it only as one that was in the list and is not any more. One that the
// other broker asked for as well may stand on the other's connection, and be listed as asked for by this one: see accepted.
func (b *Broker) closeRoutes() error {
	z, err := b.server.Routez(nil)
	if err != nil {
		return fmt.Errorf("broker: list routes: %w", err)
	}
	opts, err := b.options(b.routes)
	if err != nil {
		return err
	}
	for _, r := range z.Routes {
		if r.DidSolicit {
			opts.Routes = append(opts.Routes, &url.URL{Scheme: "nats-route", Host: net.JoinHostPort(r.IP, strconv.Itoa(r.Port)), Path: "/"})
		}
	}
	if err := b.reloadWith(opts); err != nil {
		return err
	}
	return b.reload(nil)
}

func (b *Broker) reload(routes []string) error {
	opts, err := b.options(routes)
	if err != nil {
		return err
	}
	return b.reloadWith(opts)
}

// reloadWith has nats-server take other options. It does that between two handshakes: it waits until none is under way, and begins none
// meanwhile. So whoever connects and says nothing would hold up a revocation for as long as a handshake may take. Those that take long
// then are ended; on the routes' port, where nobody can end them alone, routeTimeout bounds them. It blocks that long at most.
func (b *Broker) reloadWith(opts *server.Options) error {
	opts.Port, opts.Cluster.Port = int(b.ClientAddr().Port()), int(b.RouteAddr().Port()) // ports cannot be reloaded
	done := make(chan error, 1)
	go func() { done <- b.server.ReloadOptions(opts) }()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			if err != nil {
				return fmt.Errorf("broker: reload: %w", err)
			}
			return nil
		case <-tick.C:
			b.endHandshakes()
		}
	}
}

// endHandshakes closes the connections of nodes and admins that have not said who they are in handshakeFor.
func (b *Broker) endHandshakes() {
	now := time.Now()
	z, err := b.server.Connz(&server.ConnzOptions{Limit: math.MaxInt32})
	if err != nil {
		return // there is no server any more
	}
	for _, c := range z.Conns {
		if _, known := b.guests.who(c.Cid); !known && now.Sub(c.Start) > handshakeFor {
			b.close(drop{c.Cid, guest{}, c.IP, excess{why: tooLongStranger}})
		}
	}
}

// routeDoor admits other brokers that ask for a route. The handshake has judged them already (identity.RouteTLS, both
// ways); this one is asked again at a reload.
type routeDoor struct{ *Broker }

// Check implements nats-server's Authentication.
func (d *routeDoor) Check(conn server.ClientAuthentication) bool {
	_, err := d.peer(shownBy(conn))
	if err != nil {
		d.quota.warn(d.config.Log, topic{}, "route refused", logkey.Addr, conn.RemoteAddress(), logkey.Error, err)
	}
	return err == nil
}

// peer is who runs a broker and shows these certificates.
func (b *Broker) peer(shown []*x509.Certificate) (identity.Principal, error) {
	p, err := b.config.principal(shown)
	if err == nil && (p.Node == nil || p.Node.Role != identity.Peer) {
		err = errors.New("only peers run brokers")
	}
	return p, err
}

// accepted are the connections on which other brokers asked for a route, once their handshake was well. nats-server does not judge
// all of them again: when both brokers ask, one connection is kept, and counts as asked for by this broker, wherever it came from.
type accepted struct {
	mu    sync.Mutex
	conns map[net.Conn]shown
}

type shown struct {
	certificates []*x509.Certificate
	since        time.Time
}

// note makes c note the connections that it accepts. Those that this broker makes with it are not noted.
func (a *accepted) note(c *tls.Config) *tls.Config {
	noting := c.Clone()
	noting.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		one := c.Clone()
		one.VerifyConnection = func(s tls.ConnectionState) error {
			if err := c.VerifyConnection(s); err != nil {
				return err
			}
			a.mu.Lock()
			defer a.mu.Unlock()
			if a.conns == nil {
				a.conns = map[net.Conn]shown{}
			}
			a.conns[hello.Conn] = shown{s.PeerCertificates, time.Now()}
			return nil
		}
		return one, nil
	}
	return noting
}

// closeUnwelcome closes the connections of those who are not welcome any more. nats-server notices that as it does any other end.
func (a *accepted) closeUnwelcome(welcome func([]*x509.Certificate) bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for conn, s := range a.conns {
		if !welcome(s.certificates) {
			conn.Close()
			delete(a.conns, conn)
		}
	}
}

// has reports whether a route stands on one of these connections.
func (a *accepted) has(r *server.RouteInfo) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for conn := range a.conns {
		if from(conn) == listedFrom(r) {
			return true
		}
	}
	return false
}

// from is where a connection comes from, host:port, and listedFrom the same of a route.
func from(conn net.Conn) string {
	a := addrPort(conn.RemoteAddr())
	return netip.AddrPortFrom(a.Addr().WithZone(""), a.Port()).String()
}

func listedFrom(r *server.RouteInfo) string { return net.JoinHostPort(r.IP, strconv.Itoa(r.Port)) }

// forgetRoutes drops the accepted connections on which there is no route any more, once they are some.
func (b *Broker) forgetRoutes() {
	if b.accepted.len() <= b.server.NumRoutes()+someEnded {
		return
	}
	if z, err := b.server.Routez(nil); err == nil {
		b.accepted.forget(z.Routes)
	}
}

// someEnded is how many connections that have ended are remembered.
const someEnded = 16

// forget drops connections on which none of these routes is. A new one becomes a route within routeTimeout.
func (a *accepted) forget(routes []*server.RouteInfo) {
	standing := map[string]bool{}
	for _, r := range routes {
		standing[listedFrom(r)] = true
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for conn, s := range a.conns {
		if !standing[from(conn)] && time.Since(s.since) > 2*routeTimeout*time.Second {
			delete(a.conns, conn)
		}
	}
}

// len is how many there are.
func (a *accepted) len() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.conns)
}
