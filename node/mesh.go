package node

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"fleet/broker"
	"fleet/gossip"
	"fleet/identity"
	"fleet/job"
)

const (
	// joinWait is how long a node that knows others looks for them before it takes itself for the first.
	joinWait = 10 * time.Second
	// stepDown is how long a broker that is not wanted any more stays for its clients to go.
	stepDown = 3 * time.Second
	// strandedFor is how long a peer looks for a broker that gossip names before it carries one itself.
	strandedFor = 15 * time.Second
	// meshTick is how often the mesh is looked at without news from gossip, in case some was lost.
	meshTick = 5 * time.Second
	// requestTimeout bounds one question to the mesh.
	requestTimeout = 5 * time.Second
)

var errNoBroker = errors.New("no broker is connected")

// meshLoop keeps three things as gossip says they should be: whether this node carries a broker, the routes between
// brokers, and the connection to one of them. It is the only one that touches n.broker.
func (n *Node) meshLoop(ctx context.Context) {
	tick := time.NewTicker(meshTick)
	defer tick.Stop()
	for ctx.Err() == nil {
		n.reconcile(ctx)
		n.meshTurned()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-n.kick:
		}
	}
}

// kickMesh asks the mesh loop to look again, soon. It never blocks.
func (n *Node) kickMesh() {
	select {
	case n.kick <- struct{}{}:
	default:
	}
}

func (n *Node) reconcile(ctx context.Context) {
	members := n.welcome()
	wanted := n.carries(members) || n.stranded()
	switch {
	case wanted && n.broker == nil:
		n.takeRole(ctx)
	case !wanted && n.broker != nil && n.broker.Routes() >= broker.Wanted:
		// Gossip alone must not talk a broker out of its role: as many others have shown their certificates.
		n.layDownRole(ctx)
	}
	if n.broker != nil {
		err := n.broker.SetRoutes(n.routes(members))
		if n.rosterChanged.Swap(false) {
			err = errors.Join(err, n.broker.Reload()) // who is not welcome any more is disconnected
		}
		if err != nil {
			n.log.Error("broker", "error", err)
		}
	}
	n.follow(n.servers(members))
	if nc := n.conn.Load(); n.broker != nil && nc != nil && n.serving == nil {
		n.serve(nc)
	}
}

// stranded says that this peer has been without any broker for a while. Then it carries one itself, whatever gossip says
// of others: a broker too many does no harm, and phantoms must not leave the fleet without one.
func (n *Node) stranded() bool {
	nc := n.conn.Load()
	if n.self.Load().Role != identity.Peer || n.broker != nil || nc != nil && nc.IsConnected() {
		n.lastConnected = time.Now()
		return false
	}
	return time.Since(n.lastConnected) > strandedFor
}

// carries says whether this node should carry a broker.
func (n *Node) carries(members []gossip.Member) bool {
	self := n.self.Load()
	if self.Role != identity.Peer {
		return false
	}
	live := []broker.Candidate{{ID: string(self.ID), Pinned: n.config.Pinned, Carries: n.broker != nil, Started: n.started.Truncate(time.Second)}}
	for _, m := range members {
		if m.State == gossip.Alive && m.Peer && m.ID != string(self.ID) {
			live = append(live, broker.Candidate{ID: m.ID, Pinned: m.Pinned, Carries: m.Broker, Started: m.Started})
		}
	}
	return slices.Contains(broker.Carriers(live), string(self.ID))
}

func (n *Node) takeRole(ctx context.Context) {
	c := n.config
	b, err := broker.Start(ctx, broker.Config{
		Name: n.self.Load().ID, Client: netip.AddrPortFrom(c.Bind, c.BrokerPort), Route: netip.AddrPortFrom(c.Bind, c.RoutePort),
		Root: n.me.Root, Credentials: n.credentials, Roster: n.currentRoster, Log: n.log,
	})
	if err != nil {
		n.log.Error("cannot carry a broker; trying again", "error", err)
		return
	}
	n.broker = b
	n.carry(ctx, b)
	n.carriesBroker.Store(true)
	if err := n.gossip.SetBroker(true, b.ClientAddr().Port(), b.RouteAddr().Port()); err != nil {
		n.log.Warn("the mesh may not know of this broker yet", "error", err)
	}
	n.log.Info("carries a broker", "clients", b.ClientAddr(), "routes", b.RouteAddr())
}

// layDownRole tells the mesh first, gives clients time to go elsewhere, and then stops the broker.
func (n *Node) layDownRole(ctx context.Context) {
	if err := n.gossip.SetBroker(false, 0, 0); err != nil {
		n.log.Warn("the mesh may not know that this broker stops", "error", err)
	}
	for _, s := range n.serving {
		s.Unsubscribe()
	}
	n.serving = nil
	n.follow(others(n.welcome(), n.self.Load().ID))
	select {
	case <-ctx.Done():
	case <-time.After(stepDown):
	}
	n.broker.Stop()
	n.broker = nil
	n.carry(ctx, nil)
	n.carriesBroker.Store(false)
	n.log.Info("carries no broker any more")
}

// routes are the other brokers that this one dials: those that started before it. The others dial this one. If both
// dialled, each would drop one of the two connections, and the mesh would take seconds to settle.
func (n *Node) routes(members []gossip.Member) []string {
	self, started := string(n.self.Load().ID), n.started.Truncate(time.Second)
	var routes []string
	for _, m := range members {
		older := cmp.Or(m.Started.Compare(started), strings.Compare(m.ID, self)) < 0
		if m.State == gossip.Alive && m.Broker && older {
			routes = append(routes, hostPort(m.Addr.Addr(), m.RoutePort))
		}
	}
	slices.Sort(routes)
	return routes
}

// servers are the brokers to connect to: its own, if it carries one; else those that gossip names; else, while gossip
// knows none, those that were told at admission.
func (n *Node) servers(members []gossip.Member) []string {
	if n.broker != nil {
		addr := n.broker.ClientAddr()
		if addr.Addr().IsUnspecified() {
			addr = netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), addr.Port())
		}
		return []string{"tls://" + addr.String()}
	}
	urls := others(members, n.self.Load().ID)
	if len(urls) == 0 {
		for _, b := range n.me.Brokers {
			urls = append(urls, "tls://"+b)
		}
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
	slices.Sort(urls)
	return urls
}

// follow connects to one of the brokers, or tells the connection that there is where they are now.
func (n *Node) follow(urls []string) {
	nc := n.conn.Load()
	if len(urls) == 0 || nc != nil && slices.Equal(urls, n.following) {
		return
	}
	if nc == nil {
		n.connect(urls)
		return
	}
	at := nc.ConnectedUrl() // before the pool is replaced: then it is one of the new servers, whichever it is connected to
	if err := nc.SetServerPool(urls); err != nil {
		n.log.Warn("new brokers not taken", "error", err)
		return
	}
	n.following = urls
	if at != "" && !slices.Contains(urls, at) { // where it is looking for one already, the next try is among the new
		if err := nc.ForceReconnect(); err != nil {
			n.log.Warn("not connected to another broker yet", "error", err)
		}
	}
}

func (n *Node) connect(urls []string) {
	self := n.self.Load()
	nc, err := nats.Connect("", func(o *nats.Options) error { o.Servers = urls; return nil },
		nats.Name(self.Name), nats.Secure(n.tls()), nats.TLSHandshakeFirst(),
		nats.CustomInboxPrefix(job.Inbox(self.ID)), nats.IgnoreDiscoveredServers(),
		nats.MaxReconnects(-1), nats.ReconnectWait(200*time.Millisecond), nats.ReconnectJitter(time.Second, 2*time.Second),
		nats.Timeout(10*time.Second), nats.PingInterval(5*time.Second), nats.MaxPingsOutstanding(2), nats.IgnoreAuthErrorAbort(),
		nats.ReconnectBufSize(-1), // replies of an hour ago help nobody: the client asks again
		nats.DisconnectErrHandler(n.lostBroker),
		nats.ReconnectHandler(func(nc *nats.Conn) { n.log.Info("broker found again", "broker", nc.ConnectedUrl()) }),
		nats.ErrorHandler(func(_ *nats.Conn, s *nats.Subscription, err error) { n.log.Warn("connection", "error", err) }),
	)
	if err != nil {
		n.log.Warn("no broker reached yet", "brokers", urls, "error", refusal(err))
		return
	}
	n.conn.Store(nc) // before a job can come that has to be answered
	if err := errors.Join(n.listen(nc), n.hearDocuments(nc), n.hearPresence(nc), nc.Flush()); err != nil {
		n.log.Error("cannot listen for jobs", "error", err)
		n.conn.Store(nil)
		n.jobs = nil
		nc.Close()
		return
	}
	n.following = urls
	n.log.Info("connected", "broker", nc.ConnectedUrl())
	n.ready()
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
		n.log.Warn("broker lost, looking for another", "error", err)
		n.kickMesh()
	}
}

func (n *Node) tls() *tls.Config { return identity.NodeTLS(n.me.Root, n.credentials, n.currentRoster) }

// services is all that nodes with a broker answer. What they missed others told them, so their view is whole. An answer of
// nil is none.
func (n *Node) services() map[string]func(*nats.Msg) []byte {
	return map[string]func(*nats.Msg) []byte{
		job.MembersSubject:    n.answerMembers,
		job.DocGetSubject:     n.answerDocument,
		job.DocPutSubject:     n.takeDocument,
		job.WaitGetSubject:    n.answerWaiting,
		job.WaitPutSubject:    n.takeWaiting,
		job.JoinSubject("*"):  func(m *nats.Msg) []byte { return n.admit(m.Data) },
		job.RenewSubject("*"): func(m *nats.Msg) []byte { return n.renewFor(m.Data) },
	}
}

// serve takes up the services.
func (n *Node) serve(nc *nats.Conn) {
	for subject, answer := range n.services() {
		sub, err := nc.QueueSubscribe(subject, "brokers", func(m *nats.Msg) {
			// A peer may answer anywhere, so it must not be talked into answering on a subject that means something.
			if !strings.HasPrefix(m.Reply, "_INBOX.") {
				return
			}
			if raw := answer(m); raw != nil {
				m.Respond(raw)
			}
		})
		if err != nil {
			n.log.Error("cannot answer for the mesh", "subject", subject, "error", err)
			return
		}
		n.serving = append(n.serving, sub)
	}
	sub, err := nc.Subscribe(job.WaitNewSubject, n.hearWaiting)
	if err != nil {
		n.log.Error("cannot hear of jobs that wait for approval", "error", err)
		return
	}
	n.serving = append(n.serving, sub)
}
