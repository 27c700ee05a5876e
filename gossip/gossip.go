package gossip

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"fleet/internal/logkey"
	"fleet/internal/wait"

	"github.com/hashicorp/memberlist"
	"golang.org/x/sync/errgroup"
)

// Gossip is this node's part in the mesh. Its methods may be called from several goroutines.
type Gossip struct {
	cfg   Config
	pace  pace
	list  *memberlist.Memberlist
	ring  *memberlist.Keyring
	addr  netip.AddrPort
	table *table
	gate  *gate // for all that memberlist calls

	changed chan struct{}   // the table changed; OnChange is due
	differ  chan difference // OnDiffer is due
	joined  chan struct{}   // a join worked; extra push/pulls are due
	clashed chan struct{}   // others still hold this id at another address

	claimed  chan struct{} // an id is claimed from one more address; who holds its key is to be asked
	messages chan []byte   // challenges and answers that came
	open     questions

	stop    context.CancelFunc // ends whatever still goes out over the network
	dials   sync.WaitGroup     // push/pulls of ours under way
	started sync.Once          // Run runs once

	announcing sync.Mutex // one change of the metadata after another
	keying     sync.Mutex // one change of the keys after another

	mu      sync.Mutex
	self    Member
	leaving bool
	stopped bool
	seeds   []string // given to Join, tried again while alone
	old     []Member // forgotten, but their addresses are tried while alone

	// touched by one goroutine at a time: maintain, then Run
	saved        []savedMember // as last written
	savedAt      time.Time     // when
	savedVersion int64         // of the table, as last compared with the file
	unsaved      bool          // the last attempt failed
}

// difference is between another node's documents and those here.
type difference struct{ missing, ahead []Ref }

// New opens the sockets and starts to answer others; it contacts nobody by itself. Run must be called after it, also
// to undo it: with a context that has ended, Run only closes.
func New(cfg Config) (*Gossip, error) {
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("gossip: %w", err)
	}
	if _, err := encodeMeta(cfg.Self, false); err != nil {
		return nil, fmt.Errorf("gossip: %w", err)
	}
	gate := &gate{}
	mc, err := cfg.memberlist(gate)
	if err != nil {
		return nil, fmt.Errorf("gossip: %w", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	g := &Gossip{
		cfg: cfg, gate: gate, pace: cfg.Profile.pace(), self: cfg.Self, stop: stop,
		changed: make(chan struct{}, 1), differ: make(chan difference, 8), joined: make(chan struct{}, 1),
		clashed: make(chan struct{}, 1), claimed: make(chan struct{}, 1), messages: make(chan []byte, maxWaiting),
	}
	g.table = newTable(&cfg, func() { notify(g.changed) }, func() { notify(g.clashed) }, func() { notify(g.claimed) })
	g.ring = mc.Keyring
	g.loadMembers()
	d := delegate{g}
	mc.Delegate, mc.Events, mc.Conflict, mc.Alive = d, d, d, d
	if mc.Transport = cfg.transport; mc.Transport == nil {
		if mc.Transport, err = listen(ctx, &cfg, mc); err != nil {
			stop()
			return nil, fmt.Errorf("gossip: %w", err)
		}
	}
	if g.list, err = memberlist.Create(mc); err != nil {
		stop()
		mc.Transport.Shutdown()
		return nil, fmt.Errorf("gossip: %w", err)
	}
	g.addr, _ = nodeAddr(g.list.LocalNode())
	return g, nil
}

func notify(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Addr is the address that others are told to reach, with the port that was really bound.
func (g *Gossip) Addr() netip.AddrPort { return g.addr }

// Members returns everybody known, this node included, by host name and id: alive, failed, and left, the latter two
// until they are forgotten.
func (g *Gossip) Members() []Member {
	members := g.table.list()
	sortMembers(members)
	return members
}

// Conflicts returns the ids that were claimed from two addresses within the last five minutes, by id. There may be several of
// one id.
func (g *Gossip) Conflicts() []Conflict {
	out := g.table.listConflicts()
	slices.SortFunc(out, func(a, b Conflict) int { return strings.Compare(a.ID, b.ID) })
	return out
}

// SetBroker announces that this node runs a broker on these ports, or that it does not. It blocks until the news
// has gone out to some of the others, at most three seconds; an error means that it may take a while longer, or that
// the ports are wrong.
func (g *Gossip) SetBroker(on bool, brokerPort, routePort uint16) error {
	if !on {
		brokerPort, routePort = 0, 0
	}
	err := g.announce(func() error {
		next := g.self
		next.Broker, next.BrokerPort, next.RoutePort = on, brokerPort, routePort
		if _, err := encodeMeta(next, false); err != nil {
			return err
		}
		g.self = next
		return nil
	})
	if err != nil {
		return fmt.Errorf("announce the broker by gossip: %w", err)
	}
	return nil
}

// announce changes what this node says of itself and tells the others. change runs under g.mu.
func (g *Gossip) announce(change func() error) error {
	g.announcing.Lock()
	defer g.announcing.Unlock()
	g.mu.Lock()
	if g.stopped {
		g.mu.Unlock()
		return errStopped
	}
	before := metaOf(g.self, g.leaving)
	err := change()
	same := string(before) == string(metaOf(g.self, g.leaving))
	g.mu.Unlock()
	if err != nil || same {
		return err
	}
	return g.list.UpdateNode(g.pace.announce)
}

var errStopped = errors.New("gossip has stopped")

// meta is the metadata as it is now.
func (g *Gossip) meta() []byte {
	g.mu.Lock()
	defer g.mu.Unlock()
	return metaOf(g.self, g.leaving)
}

// metaOf cannot fail: what g.self holds was encoded once before it was put there.
func metaOf(self Member, leaving bool) []byte {
	b, _ := encodeMeta(self, leaving)
	return b
}

// Run keeps the mesh together until ctx ends. Then it says goodbye, which takes at most ten seconds and usually
// two, closes the sockets and waits for what it started. After it, no callback is called and nothing is logged. It can be
// called once.
func (g *Gossip) Run(ctx context.Context) error {
	first := false
	g.started.Do(func() { first = true })
	if !first {
		return errors.New("gossip: Run was called twice")
	}
	var eg errgroup.Group
	eg.Go(func() error { g.tellChanges(ctx); return nil })
	eg.Go(func() error { g.tellDifferences(ctx); return nil })
	eg.Go(func() error { g.maintain(ctx); return nil })
	eg.Go(func() error { g.askAll(ctx); return nil })
	eg.Go(func() error { g.hearAll(ctx); return nil })
	eg.Wait()

	// The order matters: announce leaving while others still listen, then leave, then close, then dial nothing more.
	err := g.announce(func() error { g.leaving = true; return nil })
	g.exchangeLast(ctx)
	if err = errors.Join(err, g.list.Leave(g.pace.announce)); err != nil {
		g.cfg.Log.Warn("left, but cannot tell whether another host heard it", logkey.Error, err)
	}
	g.mu.Lock()
	g.stopped = true
	g.mu.Unlock()
	g.stop()
	err = g.list.Shutdown()
	g.dials.Wait()
	g.gate.close()
	g.saveMembers()
	return err
}

func (g *Gossip) tellChanges(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-g.changed:
		}
		if g.cfg.OnChange != nil {
			g.cfg.OnChange()
		}
		if wait.For(ctx, changeSpacing) != nil {
			return
		}
	}
}

func (g *Gossip) tellDifferences(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case d := <-g.differ:
			if g.cfg.OnDiffer != nil {
				g.cfg.OnDiffer(d.missing, d.ahead)
			}
		}
	}
}
