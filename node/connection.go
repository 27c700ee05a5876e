package node

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

// connectTimeout bounds the connecting to one broker. It is for a storm, in which thousands of handshakes wait for each other.
const connectTimeout = 10 * time.Second

// servers are the brokers to connect to, the preferred first: its own, if it carries one; else those that gossip names, or
// without gossip a broker's node; else, while none is known, those that were told at admission.
func (n *Node) servers(members []gossip.Member) []string {
	if n.broker != nil {
		addr := n.broker.ClientAddr()
		if addr.Addr().IsUnspecified() {
			addr = netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), addr.Port())
		}
		return []string{"tls://" + addr.String()}
	}
	self := n.self.Load().ID
	urls := others(members, self)
	if n.gossip == nil {
		urls = urlsOf(n.outside.brokers())
		if nc := n.conn.Load(); nc == nil || !nc.IsConnected() { // all of them may have been replaced while it was away
			urls = append(urls, urlsOf(n.me.Brokers)...)
		}
	}
	if len(urls) == 0 {
		urls = urlsOf(n.me.Brokers)
	}
	slices.Sort(urls)
	return ranked(self, slices.Compact(urls))
}

func urlsOf(addrs []string) []string {
	urls := make([]string, len(addrs))
	for i, a := range addrs {
		urls[i] = "tls://" + a
	}
	return urls
}

// others are the brokers that gossip names, but for this node's own.
func others(members []gossip.Member, self identity.ID) []string {
	var urls []string
	for _, m := range members {
		if m.State == gossip.Alive && m.Broker && m.ID != string(self) {
			urls = append(urls, "tls://"+brokerAddr(m))
		}
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
func (n *Node) follow(urls []string) {
	nc := n.conn.Load()
	if len(urls) == 0 {
		return
	}
	if nc == nil {
		n.connect(urls)
		return
	}
	at := nc.ConnectedUrl() // before the pool is replaced: then it is one of the new servers, whichever it is connected to
	if !slices.Equal(urls, n.following) {
		if err := nc.SetServerPool(urls); err != nil {
			n.log.Warn("new brokers not taken", logkey.Error, err)
			return
		}
		n.following, n.moveAfter = urls, time.Now().Add(n.config.Settle+rand.N(n.config.Settle))
	}
	switch {
	case at == "": // it is looking for one already, and the next try is among the new
	case !slices.Contains(urls, at):
		if !n.connect(urls) {
			if err := nc.ForceReconnect(); err != nil {
				n.log.Warn("not connected to another broker yet", logkey.Error, err)
			}
		}
	case at != urls[0] && time.Now().After(n.moveAfter):
		n.connect(urls[:1])
	}
}

// connect opens a connection to the first of the brokers that takes it, and leaves the one that there was only when that
// stands: for a moment jobs come by both, and run once as always. It blocks, for connectTimeout for each of them at most.
func (n *Node) connect(urls []string) bool {
	old, jobs := n.conn.Load(), n.jobs
	nc, err := n.dial(urls)
	if err != nil {
		n.log.Warn("no broker reached yet", "brokers", urls, "error", refusal(err))
		return false
	}
	n.conn.Store(nc) // before a job can come that has to be answered
	n.jobs = nil
	if err := errors.Join(n.listen(nc), n.hearDocuments(nc), n.hearPresence(nc), n.hearMesh(nc), nc.Flush()); err != nil {
		n.log.Error("cannot listen for jobs", logkey.Error, err)
		n.conn.Store(old)
		n.jobs = jobs
		nc.Close()
		return false
	}
	n.log.Info("connected", "broker", nc.ConnectedUrl())
	if old == nil {
		n.following = urls
		n.ready()
		return true
	}
	if err := nc.SetServerPool(n.following); err != nil {
		n.log.Warn("other brokers not taken", logkey.Error, err)
	}
	if err := old.Drain(); err != nil {
		old.Close()
	}
	n.serveNoMore() // on the old connection, which has begun to answer what it has and to end
	return true
}

func (n *Node) dial(urls []string) (*nats.Conn, error) {
	self := n.self.Load()
	return nats.Connect("", func(o *nats.Options) error { o.Servers = urls; return nil }, nats.DontRandomize(),
		nats.Name(self.Name), nats.Secure(n.tls()), nats.TLSHandshakeFirst(),
		nats.CustomInboxPrefix(job.Inbox(self.ID)), nats.IgnoreDiscoveredServers(),
		nats.MaxReconnects(-1), nats.ReconnectWait(200*time.Millisecond), nats.ReconnectJitter(time.Second, 2*time.Second),
		nats.Timeout(connectTimeout), nats.PingInterval(5*time.Second), nats.MaxPingsOutstanding(2), nats.IgnoreAuthErrorAbort(),
		nats.DrainTimeout(drainFor),
		nats.ReconnectBufSize(-1), // replies of an hour ago help nobody: the client asks again
		nats.DisconnectErrHandler(n.lostBroker),
		nats.ReconnectHandler(func(nc *nats.Conn) {
			n.log.Info("broker found again", "broker", nc.ConnectedUrl())
			n.outside.lookAgain()
		}),
		nats.ErrorHandler(func(_ *nats.Conn, s *nats.Subscription, err error) { n.log.Warn("connection", logkey.Error, err) }),
	)
}

// refusal says what it means for a node when brokers do not take its certificate, which itself may be in time.
func refusal(err error) error {
	if errors.Is(err, nats.ErrAuthorization) || strings.Contains(err.Error(), "bad certificate") {
		return fmt.Errorf("%w: brokers refuse this host: it was revoked, or was down when the keys were replaced; in the latter case admit it again with a new token (fleet node --join @FILE)", err)
	}
	return err
}

func (n *Node) lostBroker(_ *nats.Conn, err error) {
	if err != nil { // nil: closed by this node itself
		n.log.Warn("broker lost, looking for another", logkey.Error, err)
		n.kickMesh()
	}
}

func (n *Node) tls() *tls.Config { return identity.NodeTLS(n.me.Root, n.credentials, n.currentRoster) }
