package node

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"fleet/facts"
	"fleet/gossip"
	"fleet/identity"
	"fleet/internal/logkey"
	"fleet/job"
	"fleet/node/audit"
	"fleet/node/detached"
	"fleet/node/gate"
	"fleet/node/journal"
	"fleet/node/mesh"
	"fleet/node/runner"
	"fleet/plugins"
)

// Config is what a node needs. Dir, Bind, Plugins, Version and Log are required.
type Config struct {
	Dir *DataDir // its directory, of a host that was admitted (Join)

	Bind       netip.Addr       // where to listen; the unspecified address means everywhere
	Advertise  netip.Addr       // what others are told to reach; the zero Addr lets gossip find out
	GossipPort uint16           // 0: any that is free, as for the next two
	BrokerPort uint16           // used only while it runs a broker
	RoutePort  uint16           // the same
	Seeds      []string         // gossip addresses of others, beside those that it remembers
	Outbound   bool             // it does not gossip, and listens nowhere: all it has is its connection to a broker; not for peers
	Detached   *detached.Runner // runs actions that outlive this process; nil: all run in it, and end with it
	Pinned     bool             // preferred to run a broker
	Settle     time.Duration    // how long things stay as they are before a broker moves, or a node to another; 0: broker.Settle
	Profile    gossip.Profile

	Facts      facts.Config
	FactsEvery time.Duration // 0: collected at the start and on demand only

	Policy string // the host's own policy file, which need not be there; "" for none

	AuditOptional bool // changes run also while what is decided cannot be written down; default: they are refused

	Plugins    func(plugins.Host) (*plugins.Set, error)
	Configured func() string // the name this host would join with now, to tell that it was renamed; may be nil
	Version    string        // of fleet, as shown in the inventory
	Metrics    string        // where to show metrics and health, see metrics.Check; "": nowhere
	Boot       journal.Boot  // how long this machine has run
	Ready      func()        // called when it first listens for jobs; may be nil
	Log        *slog.Logger  // with logkey.Host
}

// Node is the agent on one host: the rooms it is made of, and what they share.
type Node struct {
	config  Config
	log     *slog.Logger
	me      Membership // as it was at the start
	started time.Time

	self   atomic.Pointer[identity.Certified] // by the certificate in force
	creds  atomic.Pointer[identity.Credentials]
	labels atomic.Pointer[shownLabels] // nil: they are the token's
	roster atomic.Pointer[identity.Roster]
	keys   keys
	force  sync.Mutex             // documents are put in force one after another
	amiss  atomic.Pointer[string] // what is wrong with them; "": nothing
	offers offers

	catching  sync.Mutex
	caughtNot time.Time // when catching up failed last; under catching

	journal *journal.Journal
	audit   *audit.Log
	docs    *gossip.Store
	signers *signers // of documents
	facts   *facts.Keeper
	plugins *plugins.Set
	waiting waiting

	gate    *gate.Gate
	runner  *runner.Runner
	records runner.Records
	mesh    *mesh.Mesh

	heartbeats heartbeats
	uncleaned  atomic.Int64 // failed cleanings of the journal
}

// New opens all that a node keeps on disk and collects its facts. It takes some 50 ms and fails if the directory is
// damaged, another process holds it, or the certificate has run out.
func New(c Config) (*Node, error) {
	n := &Node{config: c, log: c.Log, started: time.Now()}
	if err := n.loadIdentity(); err != nil {
		return nil, err
	}
	var err error
	if n.audit, err = audit.Open(c.Dir.file(auditDir), n.log); err != nil {
		return nil, err
	}
	if n.docs, n.signers, err = openDocuments(c.Dir.file(docsDir), n.me.Authority, n.log); err != nil {
		return nil, err
	}
	n.settle() // what fails now is tried again
	n.facts = facts.New(c.Facts, c.FactsEvery)
	if n.plugins, err = c.Plugins(host{n}); err != nil {
		return nil, err
	}
	n.journal, err = journal.Open(journal.Config{Dir: c.Dir.path, Boot: c.Boot, Life: job.MaxLife, Skew: job.MaxSkew, Now: time.Now, Log: n.log})
	if err != nil {
		return nil, err
	}
	if n.mesh, err = mesh.New(n.meshConfig()); err != nil {
		n.journal.Close()
		return nil, err
	}
	n.gate = &gate.Gate{
		Root: n.me.Root, Self: n.identity, Since: n.me.Admitted, Roster: n.currentRoster, Host: host{n}, Plugins: n.plugins,
		Journal: n.journal, Audit: n.audit, AuditOptional: c.AuditOptional, Policy: (&policyFile{path: c.Policy}).current,
		Fleet: n.mesh.Size, DuplicateKey: n.mesh.DuplicateKey, CatchUp: n.catchUp, Now: time.Now, Seal: n.me.Seal,
	}
	n.runner = runner.New(n.runnerConfig())
	n.records = n.runner.Records(n.journal)
	return n, nil
}

// loadIdentity reads who this node is, and verifies it.
func (n *Node) loadIdentity() error {
	dir := n.config.Dir
	var err error
	if n.me, err = dir.Load(); err != nil {
		return err
	}
	certificate, err := identity.OpenChain(n.me.Root, n.me.Chain, n.started)
	if err != nil {
		return fmt.Errorf("this node's certificate: %w", err)
	}
	creds, err := identity.NewCredentials(n.me.Key, n.me.Chain)
	if err != nil {
		return fmt.Errorf("this node's certificate: %w", err)
	}
	self := certificate.Own()
	if self.ID != n.me.Key.Public().ID() {
		return fmt.Errorf("%s is the key of another node than its certificate", dir.file(keyFile))
	}
	n.self.Store(&self)
	n.creds.Store(&creds)
	if err := n.loadLabels(); err != nil {
		return err
	}
	n.keys.open(n.me)
	return nil
}

// meshConfig says, beside addresses and times, what this node does with the messages of the mesh.
func (n *Node) meshConfig() mesh.Config {
	c := n.config
	return mesh.Config{
		Root: n.me.Root, Self: n.identity, Credentials: n.credentials, Roster: n.currentRoster, Started: n.started, Dir: c.Dir.path,
		Brokers: n.me.Brokers, Docs: n.docs, Keys: n.keys.gossip(), Differ: n.compared,
		Jobs: func(signed []byte) { n.runner.Receive(signed) },
		Hear: map[string]func([]byte){job.DocNewSubject: n.hearDocument},
		Serve: map[string]func(mesh.Request) []byte{
			job.DocGetSubject:     n.answerDocument,
			job.DocPutSubject:     n.takeDocument,
			job.WaitGetSubject:    n.answerWaiting,
			job.WaitPutSubject:    n.takeWaiting,
			job.JoinSubject("*"):  func(r mesh.Request) []byte { return n.admit(r.Data) },
			job.RenewSubject("*"): func(r mesh.Request) []byte { return n.renewFor(r.Data) },
		},
		Share:     map[string]func([]byte){job.WaitNewSubject: n.hearWaiting, job.DocOfferSubject: n.hearOffer},
		Heartbeat: heartbeat{&n.heartbeats, loopMesh}, Ready: c.Ready, Log: n.log,
		Prove: func(challenge []byte) []byte { return identity.ProveKey(n.me.Key, challenge) },
		Bind:  c.Bind, Advertise: c.Advertise, GossipPort: c.GossipPort, BrokerPort: c.BrokerPort, RoutePort: c.RoutePort,
		Seeds: append(append([]string{}, n.me.Seeds...), c.Seeds...), Outbound: c.Outbound, Pinned: c.Pinned, Settle: c.Settle, Profile: c.Profile,
	}
}

func (n *Node) runnerConfig() runner.Config {
	c := runner.Config{
		Node: n.me.Key.Public().ID(), Credentials: n.credentials, Judge: n.gate.Judge, Resumed: n.gate.Resumed, Plugins: n.plugins, Journal: n.journal, Audit: n.audit,
		Publish: n.mesh.Publish, Log: n.log,
	}
	if d := n.config.Detached; d != nil {
		c.Detached, c.Outputs = d, d
	}
	return c
}

// Run runs the node until ctx ends. It starts in this order: the audit says so; what an earlier agent left running is taken up, so that
// a copy of such a job is told that it runs; then the loops, and the mesh, over which jobs come. It stops in the opposite order:
//
//  1. no job comes any more; the loops end
//  2. the jobs under way are answered (runner.Stop, which has its own order)
//  3. the mesh is left (mesh.Run, which has its own too)
//  4. the audit says so and closes; the journal closes
func (n *Node) Run(ctx context.Context) error {
	defer n.journal.Close()
	n.auditStart()
	defer n.auditStop()
	ctx, stop := context.WithCancel(ctx)
	defer stop()

	if n.config.Detached != nil {
		n.runner.Resume(n.config.Detached.Left())
	}
	var loops sync.WaitGroup
	for _, loop := range []func(context.Context){n.renewLoop, n.cleanLoop, n.metricsLoop, n.documentsLoop, func(ctx context.Context) { n.facts.Run(ctx) }} {
		loops.Go(func() { loop(ctx) })
	}
	err := n.mesh.Run(ctx, func() { n.runner.Stop(grace) })
	stop()
	loops.Wait()
	return err
}

// grace is how long a stopping node waits for actions that run, and then again until they heed that they are to stop.
const grace = 20 * time.Second

// cleanLoop drops old entries of the journal, and old output of detached actions.
func (n *Node) cleanLoop(ctx context.Context) {
	tick := time.NewTicker(time.Hour)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			if err := n.journal.Forget(); err != nil {
				n.uncleaned.Add(1)
				n.log.Warn("cannot remove old entries from the journal", logkey.Error, err)
			}
			if n.config.Detached == nil {
				continue
			}
			if err := n.config.Detached.Forget(now); err != nil {
				n.log.Warn("cannot remove old output", logkey.Error, err)
			}
		}
	}
}

// Name is the host's name in the fleet, by its certificate. It stays when the machine or its config is renamed.
func (n *Node) Name() string { return n.identity().Name }

func (n *Node) currentRoster() identity.Roster { return *n.roster.Load() }
