package broker

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"fleet/identity"
	"fleet/internal/logkey"
	"fleet/job"
)

// stormTimeout bounds the TLS handshake and authentication of one connection. It is long because thousands of hosts come
// back at once after a broker dies: with the default of two seconds most are thrown out in the queue and try again.
const stormTimeout = 60 // seconds

// routeTimeout is the same for a route. It is short because a handshake holds up every reload; see reloadWith.
const routeTimeout = 5 // seconds

// Config is what a broker needs. All fields but Routes are required.
type Config struct {
	Name        identity.ID    // the node that runs it
	Client      netip.AddrPort // where nodes and admins connect
	Route       netip.AddrPort // where other brokers connect
	Routes      []string       // host:port of other brokers, see SetRoutes
	Root        identity.Anchor
	Credentials func() identity.Credentials // asked at each handshake, so that renewed certificates are used
	Roster      func() identity.Roster      // asked at each handshake
	Log         *slog.Logger
}

// Broker is a running server. Its methods are for one goroutine at a time, but for Clients, Nodes, Routes and Neighbours.
type Broker struct {
	config Config
	routes []string
	judged identity.Roster // by which the routes were judged last
	closed time.Time       // when routes were closed because somebody is not welcome any more
	server *server.Server

	presence *presence
	guests   *guests
	quota    *quota
	room     room
	accepted accepted

	endWatch context.CancelFunc
	watching sync.WaitGroup
}

// Start starts a broker and waits until it takes connections. A port that is taken is an error. Stop ends it.
func Start(ctx context.Context, c Config) (*Broker, error) {
	b := &Broker{config: c, routes: c.Routes, judged: c.Roster(), presence: newPresence(), guests: newGuests(), quota: newQuota(), room: roomIn(memory())}
	opts, err := b.options(b.routes)
	if err != nil {
		return nil, err
	}
	b.server, err = server.NewServer(opts)
	if err != nil {
		return nil, fmt.Errorf("broker: %w", err)
	}
	log := natsLog{c.Log.With(logkey.Component, "broker"), make(chan string, 1), b.guests, b.quota}
	b.server.SetLoggerV2(log, false, false, false)
	b.server.Start()
	watch, end := context.WithCancel(context.Background()) // until Stop: ctx is for the start only
	b.endWatch = end
	b.watching.Go(func() { b.watch(watch) })
	for !b.server.ReadyForConnections(100 * time.Millisecond) {
		var reason error
		select {
		case text := <-log.fatal: // the server goes on after it, without the listener
			reason = errors.New(text)
		case <-ctx.Done():
			reason = ctx.Err()
		default:
			continue
		}
		b.Stop()
		return nil, fmt.Errorf("the broker cannot listen on %s and %s: %w", c.Client, c.Route, reason)
	}
	return b, nil
}

// Stop closes all connections and the listeners, and waits until they are closed.
func (b *Broker) Stop() {
	b.endWatch()
	b.watching.Wait()
	b.server.Shutdown()
	b.server.WaitForShutdown()
}

// ClientAddr is where it listens for nodes and admins, with the port that was really taken.
func (b *Broker) ClientAddr() netip.AddrPort { return addrPort(b.server.Addr()) }

// RouteAddr is where it listens for brokers, with the port that was really taken.
func (b *Broker) RouteAddr() netip.AddrPort { return addrPort(b.server.ClusterAddr()) }

// Routes is the number of connections to other brokers.
func (b *Broker) Routes() int { return b.server.NumRoutes() }

// Clients is the number of connections of nodes and admins.
func (b *Broker) Clients() int { return b.server.NumClients() }

// Nodes is the number of nodes with a connection. It may lag behind by a connection that is being closed.
func (b *Broker) Nodes() int { return b.presence.count() }

// options makes fresh options each time: nats-server keeps and changes those that it was given.
func (b *Broker) options(routes []string) (*server.Options, error) {
	c := b.config
	urls := make([]*url.URL, len(routes))
	for i, r := range routes {
		if _, _, err := net.SplitHostPort(r); err != nil {
			return nil, fmt.Errorf("broker: route %q: %w", r, err)
		}
		urls[i] = &url.URL{Scheme: "nats", Host: r}
	}
	return &server.Options{
		ServerName: string(c.Name),
		Host:       c.Client.Addr().String(), Port: port(c.Client),
		NoSigs: true, NoLog: false,
		MaxPayload: job.MaxPayload, MaxControlLine: maxControlLine, MaxSubs: maxSubs, MaxSubTokens: maxSubTokens,
		MaxPending: int64(min(maxPending, b.room.pending)), MaxConn: b.room.connections,
		PingInterval: 15 * time.Second, MaxPingsOut: 3,
		DisableShortFirstPing: true, // in a storm of connections it meets a handshake and breaks it

		TLS: true, TLSVerify: true, TLSHandshakeFirst: true, TLSTimeout: stormTimeout, AuthTimeout: stormTimeout,
		TLSConfig:                  identity.ServerTLS(c.Root, c.Credentials, c.Roster),
		CustomClientAuthentication: &door{b},
		CustomRouterAuthentication: &routeDoor{b},

		Routes: urls,
		Cluster: server.ClusterOpts{
			Name: "fleet-" + string(c.Root.ID()),
			Host: c.Route.Addr().String(), Port: port(c.Route),
			TLSConfig: b.accepted.note(identity.RouteTLS(c.Root, c.Credentials, c.Roster)), TLSTimeout: routeTimeout,
			NoAdvertise:    true, // clients learn brokers from gossip, with addresses that they can reach
			ConnectRetries: 30,   // with 0 a mesh of 50 never completed, and messages were lost in silence
			PoolSize:       1,
			// A question to any of the brokers' nodes may go down any route, so one that leads nowhere is noticed about as soon as
			// gossip notices.
			PingInterval: 3 * time.Second, MaxPingsOut: 2,
		},
		NoSystemAccount: true, // with it a mesh of 100 servers took 43 s and more to form, without it 3 s
	}, nil
}

// port is the port as nats-server wants it: its 0 means the default port, and its -1 any that is free.
func port(a netip.AddrPort) int {
	if a.Port() == 0 {
		return server.RANDOM_PORT
	}
	return int(a.Port())
}

func addrPort(a net.Addr) netip.AddrPort {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(t.AddrPort().Addr().Unmap(), t.AddrPort().Port())
}

// door admits connections and says what each may do. It is asked after the TLS handshake, and again at a reload.
type door struct{ *Broker }

// Check implements nats-server's Authentication.
func (d *door) Check(conn server.ClientAuthentication) bool {
	p, err := d.config.principal(shownBy(conn))
	if err == nil && p.Token != nil {
		err = p.Token.UsableFrom(addrPort(conn.RemoteAddress()).Addr())
	}
	if err != nil {
		d.quota.warn(d.config.Log, topic{}, "connection refused", logkey.Addr, conn.RemoteAddress(), logkey.Error, err)
		return false
	}
	if !d.admit(guestOf(conn, p)) {
		return false
	}
	// Username stays empty: with one set, every reload disconnects everybody.
	conn.RegisterUser(&server.User{Permissions: permissions(p), ConnectionDeadline: p.Until})
	if p.Node != nil {
		d.presence.note(conn, *p.Node)
	}
	return true
}

func (c *Config) principal(shown []*x509.Certificate) (identity.Principal, error) {
	return identity.Authenticate(c.Root, c.Roster(), shown, time.Now())
}

// shownBy are the certificates of whoever connected.
func shownBy(conn server.ClientAuthentication) []*x509.Certificate {
	if s := conn.GetTLSConnectionState(); s != nil {
		return s.PeerCertificates
	}
	return nil
}
