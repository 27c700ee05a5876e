package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"fleet/broker"
	"fleet/facts"
	"fleet/gossip"
	"fleet/identity"
	"fleet/internal/logkey"
	"fleet/job"
	"fleet/node/audit"
	"fleet/node/detached"
	"fleet/node/gate"
	"fleet/node/journal"
	"fleet/node/runner"
	"fleet/plugins"
)

// Config is what a node needs. Dir, Bind, Plugins, Version and Log are required.
type Config struct {
	Dir *DataDir // its directory, of a host that was admitted (Join)

	Bind       netip.Addr       // where to listen; the unspecified address means everywhere
	Advertise  netip.Addr       // what others are told to reach; the zero Addr lets gossip find out
	GossipPort uint16           // 0: any that is free, as for the next two
	BrokerPort uint16           // used only while it carries a broker
	RoutePort  uint16           // the same
	Seeds      []string         // gossip addresses of others, beside those that it remembers
	Outbound   bool             // it does not gossip, and listens nowhere: all it has is its connection to a broker; not for peers
	Detached   *detached.Runner // runs actions that outlive this process; nil: all run in it, and end with it
	Pinned     bool             // preferred to carry a broker
	Settle     time.Duration    // how long things stay as they are before a broker moves, or a node to another; 0: broker.Settle
	Profile    gossip.Profile

	Facts      facts.Config
	FactsEvery time.Duration // 0: collected at the start and on demand only

	Policy string // the host's own policy file, which need not be there; "" for none

	AuditOptional bool // changes run also while what is decided cannot be written down; default: they are refused

	Plugins func(plugins.Host) (*plugins.Set, error)
	Version string    // of fleet, as shown in the inventory
	Metrics string    // where to show metrics and health, see metrics.Check; "": nowhere
	Booted  time.Time // when this machine booted
	Ready   func()    // called when it first listens for jobs; may be nil
	Log     *slog.Logger
}

// Node is the agent on one host.
type Node struct {
	config  Config
	log     *slog.Logger
	me      Membership
	started time.Time

	creds  atomic.Pointer[identity.Credentials]
	self   atomic.Pointer[identity.NodeIdentity]
	roster atomic.Pointer[identity.Roster]
	conn   atomic.Pointer[nats.Conn]
	shared atomic.Pointer[sharedKeys]
	force  sync.Mutex // one roster is put in force after another

	facts   *facts.Keeper
	plugins *plugins.Set
	journal *journal.Journal
	audit   *audit.Log
	docs    *gossip.Store
	gossip  *gossip.Gossip // nil if it is outbound-only
	outside outside
	gate    *gate.Gate

	connected *connections // nil but on peers

	// touched by the mesh loop only
	broker    *broker.Broker
	role      role
	following []string  // brokers, the preferred first
	moveAfter time.Time // to the preferred one, if it is on another then
	serving   []*nats.Subscription
	jobs      []*nats.Subscription

	carriesBroker atomic.Bool
	serves        atomic.Bool                   // serving is whole; for those beside the mesh loop
	carried       atomic.Pointer[broker.Broker] // the broker as the mesh loop left it, for those who only count
	subscribed    atomic.Bool                   // to jobs
	pulse         pulse
	uncleaned     atomic.Int64 // failed cleanings of the journal
	rosterChanged atomic.Bool  // since the broker last judged its connections
	kick          chan struct{}
	keying        sync.Mutex    // one change of the shared keys after another
	disk          Membership    // as me, and as it has changed since; under keying
	renewNow      chan struct{} // the certificate is by an issuing key that was replaced
	readyOnce     sync.Once

	runner  *runner.Runner
	records runner.Records
	acting  context.Context // until the actions have ended; see Run
	waiting waiting
}

// New opens all that a node keeps on disk and collects its facts. It takes some 50 ms and fails if the directory is
// damaged, another process holds the journal, or the certificate has run out.
func New(c Config) (*Node, error) {
	if c.Settle == 0 {
		c.Settle = broker.Settle
	}
	n := &Node{config: c, log: c.Log, started: time.Now(), kick: make(chan struct{}, 1), renewNow: make(chan struct{}, 1)}
	var err error
	if n.me, err = c.Dir.Load(); err != nil {
		return nil, err
	}
	n.disk = n.me
	self, err := identity.VerifyChain(n.me.Root, n.me.Chain, n.started)
	if err != nil {
		return nil, fmt.Errorf("this node's certificate: %w", err)
	}
	if self.ID != n.me.Key.Public().ID() {
		return nil, fmt.Errorf("%s is the key of another node than its certificate", c.Dir.file(keyFile))
	}
	n.self.Store(&self)
	n.log = n.log.With(logkey.Host, self.Name)
	n.creds.Store(&identity.Credentials{Key: n.me.Key, Chain: n.me.Chain})
	if n.audit, err = audit.Open(c.Dir.file(auditDir), n.log); err != nil {
		return nil, err
	}
	if n.docs, err = openDocuments(c.Dir.file(docsDir), n.me.Root, n.log); err != nil {
		return nil, err
	}
	if err := errors.Join(n.useRoster(), n.useKeys()); err != nil {
		return nil, err
	}
	n.facts = facts.New(c.Facts, c.FactsEvery)
	if n.plugins, err = c.Plugins(host{n}); err != nil {
		return nil, err
	}
	if n.journal, err = journal.Open(c.Dir.path, c.Booted, n.started); err != nil {
		return nil, err
	}
	n.connected = n.newConnections()
	if c.Outbound {
		err = n.openOutside()
	} else {
		n.gossip, err = n.newGossip(self)
	}
	if err != nil {
		n.journal.Close()
		return nil, err
	}
	n.gate = &gate.Gate{
		Root: n.me.Root, Self: func() identity.NodeIdentity { return *n.self.Load() }, Since: n.me.Admitted,
		Roster: n.currentRoster, Host: host{n}, Plugins: n.plugins, Journal: n.journal, Audit: n.audit, AuditOptional: c.AuditOptional,
		Policy: (&policyFile{path: c.Policy}).current, Fleet: n.fleetSize, DuplicateKey: n.twin, Now: time.Now, Seal: n.me.Seal,
	}
	n.runner = n.newRunner()
	n.records = n.runner.Records(n.journal)
	return n, nil
}

func (n *Node) newRunner() *runner.Runner {
	c := runner.Config{
		Node: n.me.Key.Public().ID(), Credentials: n.credentials, Judge: n.gate.Judge, Plugins: n.plugins, Journal: n.journal, Audit: n.audit,
		Publish: n.publish, Log: n.log,
	}
	if d := n.config.Detached; d != nil {
		c.Detached, c.Outputs = d, d
	}
	return runner.New(c)
}

// publish gives a message to the connection that there is.
func (n *Node) publish(subject string, data []byte) error {
	nc := n.conn.Load()
	if nc == nil {
		return errNoBroker
	}
	return nc.Publish(subject, data)
}

func (n *Node) newGossip(self identity.NodeIdentity) (*gossip.Gossip, error) {
	c := n.config
	return gossip.New(gossip.Config{
		Self: gossip.Member{
			ID: string(self.ID), Host: self.Name, Started: n.started, Protocol: job.Protocol,
			Peer: self.Role == identity.Peer, Pinned: c.Pinned, Ephemeral: self.Role == identity.Ephemeral,
		},
		Fleet:     string(self.Fleet),
		Bind:      netip.AddrPortFrom(c.Bind, c.GossipPort),
		Advertise: netip.AddrPortFrom(c.Advertise, 0),
		Keys:      n.shared.Load().gossip, MembersFile: c.Dir.file(membersFile), Profile: c.Profile, Log: n.log,
		Docs: n.docs, OnChange: n.kickMesh,
		OnMissing: func(refs []gossip.Ref, _ string) { n.fetch(n.acting, refs) },
	})
}

// Run runs the node until ctx ends, and then stops it in this order, so that nothing is promised that is not kept:
//
//  1. its broker, if any, is announced to stop; no new jobs are taken (the subscriptions end)
//  2. actions that run are waited for, up to grace; then their context ends
//  3. the connection closes, after its last replies are out
//  4. the broker stops, once the nodes on it have gone elsewhere; gossip says goodbye
//  5. the audit and the journal close
func (n *Node) Run(ctx context.Context) error {
	defer n.journal.Close()
	n.auditStart()
	defer n.auditStop()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	acting, stopActing := context.WithCancel(context.WithoutCancel(ctx))
	defer stopActing()
	n.acting = acting
	if n.config.Detached != nil {
		n.runner.Resume(n.config.Detached.Left())
	}

	meshCtx, stopMesh := context.WithCancel(context.WithoutCancel(ctx))
	var mesh, loops sync.WaitGroup
	gossipDone := make(chan error, 1)
	if n.gossip != nil {
		go func() { gossipDone <- n.gossip.Run(meshCtx) }()
		n.joinMesh(ctx)
	} else {
		loops.Go(func() { n.askLoop(ctx) })
	}
	mesh.Go(func() { n.pulse.during(loopMesh, func() { n.meshLoop(ctx) }) })
	for _, loop := range []func(context.Context){n.renewLoop, n.forgetLoop, n.metricsLoop, func(ctx context.Context) { n.facts.Run(ctx) }} {
		loops.Go(func() { loop(ctx) })
	}
	loops.Go(func() { n.presenceLoop(acting) }) // as long as this node answers who is there

	var err error
	select {
	case <-ctx.Done():
	case err = <-gossipDone:
		gossipDone <- nil
		err = errors.Join(errors.New("gossip ended"), err)
	}
	stop()
	mesh.Wait()
	if n.broker != nil {
		n.announceEnd()
	}
	n.stopListening()
	n.runner.Stop(grace)
	stopActing()
	if nc := n.conn.Load(); nc != nil {
		n.sayGoodbye(nc)
		nc.FlushTimeout(time.Second)
		nc.Close()
	}
	if n.broker != nil {
		n.drain(context.WithoutCancel(ctx))
		n.broker.Stop()
	}
	stopMesh()
	if n.gossip != nil {
		<-gossipDone
	}
	loops.Wait()
	return err
}

// grace is how long a stopping node waits for actions that run, and then again until they heed that they are to stop.
const grace = 20 * time.Second

// listen subscribes to jobs.
func (n *Node) listen(nc *nats.Conn) error {
	for _, subject := range []string{job.AllSubject, job.NodeSubject(n.self.Load().ID)} {
		s, err := nc.Subscribe(subject, func(m *nats.Msg) { n.runner.Receive(m.Data) })
		if err != nil {
			return err
		}
		n.jobs = append(n.jobs, s)
	}
	return nil
}

// stopListening ends the subscriptions to jobs; the connection stays for the replies.
func (n *Node) stopListening() {
	n.subscribed.Store(false)
	for _, s := range n.jobs {
		if err := s.Unsubscribe(); err != nil {
			n.log.Warn("subscription", logkey.Error, err)
		}
	}
}

// joinMesh looks for others where they were last, so that a node that is not the first does not act as if it were.
func (n *Node) joinMesh(ctx context.Context) {
	seeds := append(append([]string{}, n.me.Seeds...), n.config.Seeds...)
	if len(seeds) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, joinWait)
	defer cancel()
	if _, err := n.gossip.Join(ctx, seeds); err != nil {
		n.log.Warn("nobody of the mesh answers yet", logkey.Error, err)
	}
}

// forgetLoop drops old entries of the journal.
func (n *Node) forgetLoop(ctx context.Context) {
	tick := time.NewTicker(time.Hour)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			if err := n.journal.Forget(now); err != nil {
				n.uncleaned.Add(1)
				n.log.Warn("journal not cleaned", logkey.Error, err)
			}
			if n.config.Detached == nil {
				continue
			}
			if err := n.config.Detached.Forget(now); err != nil {
				n.log.Warn("old output not cleared away", logkey.Error, err)
			}
		}
	}
}

func (n *Node) ready() {
	n.subscribed.Store(true)
	if n.config.Ready != nil {
		n.readyOnce.Do(n.config.Ready)
	}
}
