package captured

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"fleet/identity"
	"fleet/internal/wait"
	"fleet/job"
)

// starting bounds how long the nats-server may take to start.
const starting = time.Minute

// Broker is a nats-server that shows a node's certificate and asks nobody for one.
type Broker struct {
	Server *server.Server
	Conn   *nats.Conn // may do everything
}

// Place says where a Broker listens, and to whom it connects.
type Place struct {
	Name       string   // as the other brokers see it: a node's id, or any other
	Host       string   // an address
	ClientPort int      // 0: any that is free, and without TLS
	RoutePort  int      // 0: any that is free
	Routes     []string // host:port of other brokers' routes
	Advertise  string   // host:port that other brokers are told to dial; then it dials no others than those of Routes, once each
}

// Serve starts a Broker of that fleet. It has no route yet when Serve returns; see Connected.
func Serve(fleet identity.FleetID, c identity.Credentials, p Place) (*Broker, error) {
	shown := func() identity.Credentials { return c }
	routes := identity.RouteTLS(identity.Anchor{}, shown, nil)
	routes.VerifyConnection = nil
	if p.Advertise != "" {
		var shownTo atomic.Int64
		show := routes.GetClientCertificate
		routes.GetClientCertificate = func(r *tls.CertificateRequestInfo) (*tls.Certificate, error) {
			if shownTo.Add(1) > int64(len(p.Routes)) {
				return nil, errors.New("others have to dial this one")
			}
			return show(r)
		}
	}
	urls := make([]*url.URL, len(p.Routes))
	for i, r := range p.Routes {
		urls[i] = &url.URL{Scheme: "nats", Host: r}
	}
	free := func(port int) int {
		if port == 0 {
			return server.RANDOM_PORT
		}
		return port
	}
	options := &server.Options{
		ServerName: p.Name, Host: p.Host, Port: free(p.ClientPort), NoSigs: true, NoLog: true, NoSystemAccount: true, MaxPayload: job.MaxPayload, Routes: urls,
		Cluster: server.ClusterOpts{Name: "fleet-" + string(fleet), Host: p.Host, Port: free(p.RoutePort), TLSConfig: routes, TLSTimeout: 60, PoolSize: 1, ConnectRetries: 100, Advertise: p.Advertise},
	}
	if p.ClientPort != 0 {
		options.TLS, options.TLSHandshakeFirst = true, true
		options.TLSConfig = identity.ServerTLS(identity.Anchor{}, shown, nil)
		options.TLSConfig.VerifyConnection = nil
	}
	s, err := server.NewServer(options)
	if err != nil {
		return nil, err
	}
	b := &Broker{Server: s}
	s.Start()
	if !s.ReadyForConnections(starting) {
		b.Stop()
		return nil, errors.New("the captured broker does not start")
	}
	if b.Conn, err = nats.Connect("", nats.InProcessServer(s)); err != nil {
		b.Stop()
		return nil, err
	}
	return b, nil
}

// Connected waits until it has n routes, or ctx ends.
func (b *Broker) Connected(ctx context.Context, n int) error {
	for b.Server.NumRoutes() < n {
		if wait.For(ctx, 20*time.Millisecond) != nil {
			return fmt.Errorf("the captured broker has %d routes, not %d", b.Server.NumRoutes(), n)
		}
	}
	return nil
}

// Stop closes all connections and waits until they are closed.
func (b *Broker) Stop() {
	if b.Conn != nil {
		b.Conn.Close()
	}
	b.Server.Shutdown()
	b.Server.WaitForShutdown()
}

// hogs is how often a captured broker subscribes for one of the honest brokers' nodes. A question goes to any subscriber of their
// queue group, so of three honest ones it leaves one question in 700.
const hogs = 2000

// Hog answers what is asked on a subject in place of the brokers' nodes, until stop is called. The honest brokers hear of that a
// moment after Hog or stop has returned.
func (b *Broker) Hog(subject string, answer nats.MsgHandler) (stop func(), err error) {
	all := make([]*nats.Subscription, 0, hogs)
	stop = func() {
		for _, s := range all {
			s.Unsubscribe()
		}
		b.Conn.Flush()
	}
	for range hogs {
		s, err := b.Conn.QueueSubscribe(subject, "brokers", answer)
		if err != nil {
			stop()
			return nil, err
		}
		all = append(all, s)
	}
	return stop, b.Conn.Flush()
}
