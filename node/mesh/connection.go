package mesh

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"fleet/gossip"
	"fleet/identity"
	"fleet/internal/logkey"
	"fleet/job"
)

// servers are the brokers to connect to, the preferred first: its own, if it runs one; else those that gossip names; else, where it
// names none, those that this node knows of.
func (l *loop) servers(members []gossip.Member) []string {
	if l.speaks() {
		return []string{l.own()}
	}
	urls := others(members, l.m.self)
	if len(urls) == 0 {
		urls = l.known()
	}
	slices.Sort(urls)
	return ranked(l.m.self, slices.Compact(urls))
}

// own is this node's own broker, which it runs.
func (l *loop) own() string {
	addr := l.broker.ClientAddr()
	if addr.Addr().IsUnspecified() {
		addr = netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), addr.Port())
	}
	return job.BrokerURL(addr.String())
}

// known are brokers of which gossip says nothing now: those that were told last, and as long as none of them is reached also those of
// the admission, since all of them may have been replaced. None on the first host, until there are others.
func (l *loop) known() []string {
	urls := urlsOf(l.m.outbound.brokers())
	if l.line == nil || l.broker != nil || len(urls) == 0 {
		urls = append(urls, urlsOf(l.m.config.Brokers)...)
	}
	return urls
}

// addrsOf is what urlsOf was given.
func addrsOf(urls []string) []string {
	addrs := make([]string, len(urls))
	for i, u := range urls {
		_, addrs[i], _ = strings.Cut(u, "://")
	}
	return addrs
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

// line is a connection to one broker, with what this node hears by it.
type line struct {
	url    string      // of the broker
	server identity.ID // whose it says it is
	nc     *nats.Conn
	jobs   []*nats.Subscription
	taken  chan struct{} // closed when the loop has taken it: until then what comes waits
	closed atomic.Bool
	asking atomic.Bool // whether the broker is there
	mute   atomic.Bool // it has not said so for brokerPatience
}

func (n *line) close() { n.nc.Close() }

// ask asks the broker whether it is there, beside all else, unless that is under way: a connection that hangs may block whoever uses
// it. news is called when its silence counts.
func (n *line) ask(news func()) {
	if !n.asking.CompareAndSwap(false, true) {
		return
	}
	late := time.AfterFunc(brokerPatience, func() {
		n.mute.Store(true)
		news()
	})
	go func() {
		defer n.asking.Store(false)
		if n.nc.FlushTimeout(connectTimeout) == nil {
			late.Stop()
			n.mute.Store(false)
		}
	}()
}

// follow keeps the connection with one of the brokers, which come in the order in which this node prefers them. It leaves one
// that is none of them at once, and for the first of them the one it is on after they have been the same for a while.
func (l *loop) follow(urls []string) {
	if l.line != nil && l.line.closed.Load() {
		l.lose()
	}
	if !slices.Equal(urls, l.following) {
		l.following = urls
		l.waitForPreferred(0)
	}
	if l.m.anew.Swap(false) {
		l.outdated = true
		l.dialer.abandon() // it shows the credentials of before
	}
	if l.m.missed.Swap(false) && l.line != nil {
		l.line.ask(l.m.look) // somebody has no answer from here; its broker may hang, which nats.go knows only after 10 to 15 s
	}
	n, failed := l.dialer.turn(l.wish())
	outside := n != nil && slices.Contains(l.beyond, n.url)
	switch {
	case outside && n.server == l.m.self: // its own broker, at an address by which others know it
		n.close()
		l.waitForPreferred(maxMoveWait)
	case outside:
		l.m.log.Info("a broker is there of which gossip says nothing; this host becomes a client of it, and stops its own", logkey.Broker, n.url)
		l.take(n)
		l.stepDown()
	case n != nil:
		l.take(n)
	case failed && l.line != nil:
		l.waitForPreferred(min(max(2*l.moveWait, l.m.config.Settle), maxMoveWait))
	}
}

// wish are the brokers to one of which this node should go now, the preferred first; none: it stays where it is.
func (l *loop) wish() []string {
	urls := l.following
	switch {
	case len(urls) == 0:
		return nil
	case l.line == nil || !slices.Contains(urls, l.line.url):
		return urls
	case l.line.mute.Load(): // who answers first: another one with a connection, or this one after all
		return slices.DeleteFunc(slices.Clone(urls), func(url string) bool { return url == l.line.url })
	case l.outdated:
		return append([]string{l.line.url}, urls...)
	case len(l.beyond) > 0 && !time.Now().Before(l.moveAfter):
		return l.beyond
	case l.line.url != urls[0] && !time.Now().Before(l.moveAfter):
		return urls[:1]
	}
	return nil
}

// waitForPreferred puts off the move to the preferred broker: for a while, so that one that comes and goes moves nobody, and after
// attempts in vain, the last of which waited that long, more and more. Each node waits for another time.
func (l *loop) waitForPreferred(after time.Duration) {
	wait := l.m.config.Settle
	if l.moveWait = after; after > 0 {
		wait = after / 2
	}
	l.moveAfter = time.Now().Add(wait + rand.N(max(after, wait)))
}

// take begins to use a new connection, and leaves the one that there was: for a moment jobs come by both, and run once as always.
func (l *loop) take(n *line) {
	old, m := l.line, l.m
	l.line, l.outdated = n, false
	l.forgetServing() // on the old connection, which ends
	m.shown.conn.Store(n.nc)
	close(n.taken)
	m.log.Info("connected to a broker", logkey.Broker, n.url)
	if old != nil {
		if old.mute.Load() {
			m.log.Warn("left a broker that does not answer", logkey.Broker, old.url)
			l.waitForPreferred(m.config.Settle) // it may be that one
		}
		go func() { // one that hangs may block it
			if err := old.nc.Drain(); err != nil {
				old.close()
			}
		}()
	}
	if m.connections != nil {
		m.connections.Ask()
		m.connections.wake()
	}
	m.outbound.lookAgain()
	if l.wasLost {
		l.wasLost = false
		m.shown.reconnects.Add(1)
	}
	if !m.shown.subscribed.Swap(true) && m.config.Ready != nil {
		m.config.Ready()
	}
}

// lose takes in that the connection is gone.
func (l *loop) lose() {
	l.m.log.Warn("connection to the broker lost; connecting to another one", logkey.Broker, l.line.url, logkey.Error, l.line.nc.LastError())
	l.line, l.wasLost = nil, true
	l.m.shown.conn.Store(nil)
	l.forgetServing()
}

// Options are those of every node's connection to brokers, but for how long one attempt may take.
func Options(self identity.NodeIdentity, conf *tls.Config, servers []string) []nats.Option {
	return []nats.Option{
		func(o *nats.Options) error { o.Servers = servers; return nil },
		nats.Name(self.Name), nats.Secure(conf), nats.TLSHandshakeFirst(),
		nats.CustomInboxPrefix(job.Inbox(self.ID)), nats.IgnoreDiscoveredServers(),
		nats.PingInterval(5 * time.Second), nats.MaxPingsOutstanding(2),
	}
}

// open connects to a broker and subscribes to what every node hears. It blocks until the broker knows that, or ctx ends. nats.go is
// not told to reconnect by itself: while it dials it holds the lock that whoever sends a reply, or only looks, has to wait for.
func (m *Mesh) open(ctx context.Context, url string) (*line, error) {
	c, d, n := m.config, &cancellable{ctx: ctx}, &line{url: url, taken: make(chan struct{})}
	conf := identity.NodeTLS(c.Root, c.Credentials, c.Roster)
	var err error
	n.nc, err = nats.Connect("", append(Options(c.Self(), conf, []string{url}), nats.SetCustomDialer(d), nats.NoReconnect(),
		nats.Timeout(connectTimeout), nats.DrainTimeout(drainFor), nats.FlusherTimeout(writeTimeout),
		nats.ClosedHandler(func(*nats.Conn) {
			n.closed.Store(true)
			m.look()
		}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			m.log.Warn("the connection to the broker reported an error", logkey.Error, err)
		}))...)
	if err != nil {
		return nil, cmp.Or(context.Cause(ctx), d.err, err)
	}
	n.server = identity.ID(n.nc.ConnectedServerName())
	if n.jobs, err = m.listen(ctx, n); err == nil && !d.keep() {
		err = context.Cause(ctx)
	}
	if err != nil {
		n.close()
		return nil, fmt.Errorf("subscribe to jobs: %w", err)
	}
	return n, nil
}

// cancellable dials for nats.go, which itself cannot be stopped: the end of ctx ends the dialing, and closes what was dialled until
// it is kept.
type cancellable struct {
	ctx  context.Context
	err  error // nats.go says of a refused connection only that there is no server
	keep func() bool
}

// Dial implements nats.CustomDialer.
func (d *cancellable) Dial(network, addr string) (net.Conn, error) {
	c, err := (&net.Dialer{Timeout: reachTimeout}).DialContext(d.ctx, network, addr)
	if d.err = err; err != nil {
		return nil, err
	}
	d.keep = context.AfterFunc(d.ctx, func() { c.Close() })
	return c, nil
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
