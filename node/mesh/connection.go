package mesh

import (
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"fleet/gossip"
	"fleet/identity"
	"fleet/internal/logkey"
	"fleet/job"
)

// servers are the brokers to connect to, the preferred first: its own, if it runs one; else those that gossip names, or without
// gossip a broker's node; else, while none is known, those that were told at admission.
func (l *loop) servers(members []gossip.Member) []string {
	if l.broker != nil {
		addr := l.broker.ClientAddr()
		if addr.Addr().IsUnspecified() {
			addr = netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), addr.Port())
		}
		return []string{job.BrokerURL(addr.String())}
	}
	told, urls := urlsOf(l.m.config.Brokers), others(members, l.m.self)
	if l.m.gossip == nil {
		urls = urlsOf(l.m.outbound.brokers())
		if l.conn == nil || !l.conn.IsConnected() { // all of them may have been replaced while it was away
			urls = append(urls, told...)
		}
	}
	if len(urls) == 0 {
		urls = told
	}
	slices.Sort(urls)
	return ranked(l.m.self, slices.Compact(urls))
}

func urlsOf(addrs []string) []string {
	urls := make([]string, len(addrs))
	for i, a := range addrs {
		urls[i] = job.BrokerURL(a)
	}
	return urls
}

// ranked orders brokers as a node prefers them. Each node prefers others, so they spread evenly; when a broker goes, those
// on it spread over the rest; when one comes, only those go there who prefer it. (Rendezvous hashing: Thaler and Ravishankar,
// IEEE/ACM Transactions on Networking 6(1), 1998.)
func ranked(self identity.ID, urls []string) []string {
	weight := func(url string) string { h := sha256.Sum256([]byte(string(self) + " " + url)); return string(h[:]) }
	slices.SortFunc(urls, func(a, b string) int { return strings.Compare(weight(a), weight(b)) })
	return urls
}

// follow keeps the connection with one of the brokers, which come in the order in which this node prefers them. It leaves one
// that is none of them at once, and for the first of them the one it is on after they have been the same for a while.
func (l *loop) follow(urls []string) {
	if len(urls) == 0 {
		return
	}
	if l.conn == nil {
		l.connect(urls)
		return
	}
	at := l.conn.ConnectedUrl() // before the pool is replaced: then it is one of the new servers, whichever it is connected to
	if !slices.Equal(urls, l.following) {
		if err := l.conn.SetServerPool(urls); err != nil {
			l.m.log.Warn("cannot use the new list of brokers", logkey.Error, err)
			return
		}
		settle := l.m.config.Settle
		l.following, l.moveAfter, l.moveWait = urls, time.Now().Add(settle+rand.N(settle)), 0
	}
	switch {
	case at == "": // it is looking for one already, and the next try is among the new
	case !slices.Contains(urls, at):
		if !l.connect(urls) {
			if err := l.conn.ForceReconnect(); err != nil {
				l.m.log.Warn("cannot move to another broker yet; retrying", logkey.Error, err)
			}
		}
	case at != urls[0]:
		l.move(func() bool { return l.connect(urls[:1]) })
	}
}

// move tries to move to the preferred broker, if it is time. One that does not answer blocks the loop for connectTimeout each time, so
// it is tried more and more seldom, each node at its own time, until gossip names other brokers.
func (l *loop) move(connect func() bool) {
	if time.Now().Before(l.moveAfter) || connect() {
		return
	}
	l.moveWait = min(max(2*l.moveWait, l.m.config.Settle), maxMoveWait)
	l.moveAfter = time.Now().Add(l.moveWait/2 + rand.N(l.moveWait))
}

// connect opens a connection to the first of the brokers that takes it, and leaves the one that there was only when that
// stands: for a moment jobs come by both, and run once as always. It blocks, for connectTimeout for each of them at most.
func (l *loop) connect(urls []string) bool {
	old := l.conn
	nc, err := l.dial(urls)
	if err != nil {
		l.m.log.Warn("no broker reached yet", logkey.Brokers, urls, logkey.Error, meaning(err))
		return false
	}
	l.m.shown.conn.Store(nc) // before a job can come that has to be answered
	jobs, err := l.listen(nc)
	if err != nil {
		l.m.log.Error("cannot listen for jobs", logkey.Error, err)
		l.m.shown.conn.Store(old)
		nc.Close()
		return false
	}
	l.conn, l.jobs = nc, jobs
	l.m.log.Info("connected to a broker", logkey.Broker, nc.ConnectedUrl())
	if old == nil {
		l.following = urls
		l.m.shown.subscribed.Store(true)
		if l.m.config.Ready != nil {
			l.m.config.Ready()
		}
		return true
	}
	if err := nc.SetServerPool(l.following); err != nil {
		l.m.log.Warn("cannot use the new list of brokers", logkey.Error, err)
	}
	if err := old.Drain(); err != nil {
		old.Close()
	}
	l.stopServing() // on the old connection, which has begun to answer what it has and to end
	return true
}

// Options are those of every node's connection to brokers, but for how long one attempt may take.
func Options(self identity.NodeIdentity, conf *tls.Config, servers []string) []nats.Option {
	return []nats.Option{
		func(o *nats.Options) error { o.Servers = servers; return nil },
		nats.Name(self.Name), nats.Secure(conf), nats.TLSHandshakeFirst(),
		nats.CustomInboxPrefix(job.Inbox(self.ID)), nats.IgnoreDiscoveredServers(),
		nats.MaxReconnects(-1), nats.ReconnectWait(200 * time.Millisecond), nats.ReconnectJitter(time.Second, 2*time.Second),
		nats.PingInterval(5 * time.Second), nats.MaxPingsOutstanding(2), nats.IgnoreAuthErrorAbort(),
		nats.ReconnectBufSize(-1), // replies of an hour ago help nobody: the client asks again
	}
}

func (l *loop) dial(urls []string) (*nats.Conn, error) {
	m, c := l.m, l.m.config
	conf := identity.NodeTLS(c.Root, c.Credentials, c.Roster)
	return nats.Connect("", append(Options(c.Self(), conf, urls), nats.DontRandomize(), nats.Timeout(connectTimeout), nats.DrainTimeout(drainFor),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil { // nil: closed by this node itself
				m.log.Warn("connection to the broker lost; connecting to another one", logkey.Error, err)
				m.look()
			}
		}),
		nats.ReconnectHandler(func(nc *nats.Conn) {
			m.log.Info("reconnected to a broker", logkey.Broker, nc.ConnectedUrl())
			m.outbound.lookAgain()
		}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			m.log.Warn("the connection to the broker reported an error", logkey.Error, err)
		}))...)
}

// meaning says what it means for a node when brokers do not take its certificate, which itself may be in time.
func meaning(err error) error {
	if errors.Is(err, identity.ErrIssuer) {
		return fmt.Errorf("this host was down when the keys were replaced; admit it again with a new token (fleet node --join @FILE): %w", err)
	}
	if refused(err) {
		return fmt.Errorf("%w: brokers refuse this host: it was revoked, or was down when the keys were replaced; in the latter case admit it again with a new token (fleet node --join @FILE)", err)
	}
	return err
}

// refused reports whether a broker of the fleet took the connection and threw it out for its certificate.
func refused(err error) bool {
	return errors.Is(err, nats.ErrAuthorization) || err != nil && strings.Contains(err.Error(), "bad certificate")
}
