package mesh

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"fleet/broker"
	"fleet/gossip"
	"fleet/identity"
	"fleet/internal/logkey"
	"fleet/job"
)

// Config is what a node's part of the mesh needs. All fields are required but those that say otherwise.
type Config struct {
	Root        identity.Anchor
	Self        func() identity.NodeIdentity    // by the certificate of the moment; id, name and role do not change
	Credentials func() identity.Credentials     // asked at each connection, so that a renewed certificate is used
	Roster      func() identity.Roster          // the newest version here
	Started     time.Time                       // when the node started
	Dir         string                          // where members.json, presence.json and brokers.json lie
	Brokers     []string                        // that were told at admission, host:port; none on the first host
	Docs        *gossip.Store                   // whose digest is exchanged
	Keys        [][]byte                        // gossip's: the first one encrypts, all are accepted
	Jobs        func(signed []byte)             // gets each job that comes; must not block
	Hear        map[string]func(data []byte)    // what every node listens to, by subject; none of them may block
	Serve       map[string]func(Request) []byte // what one of the nodes that run a broker answers, by subject; nil is no answer
	Share       map[string]func(data []byte)    // what all nodes that run a broker hear, by subject
	// Differ is told how another node's documents differ: missing is what that node claims to have and should be here, ahead
	// what should be there, if that node runs a broker. ctx ends with the mesh.
	Differ    func(ctx context.Context, missing, ahead []gossip.Ref)
	Heartbeat Heartbeat
	Prove     func(challenge []byte) (proof []byte) // signs with this node's key; nil: it never proves that it has it
	Ready     func()                                // called when the node first listens for jobs; may be nil
	Log       *slog.Logger

	Bind       netip.Addr     // where to listen; the unspecified address means everywhere
	Advertise  netip.Addr     // what others are told to reach; the zero Addr lets gossip find out
	GossipPort uint16         // 0: any that is free, as for the next two
	BrokerPort uint16         // used only while it runs a broker
	RoutePort  uint16         // the same
	Seeds      []string       // gossip addresses of others, beside those that it remembers; may be empty
	Outbound   bool           // it does not gossip, and listens nowhere: all it has is its connection to a broker; not for peers
	Pinned     bool           // preferred to run a broker
	Settle     time.Duration  // how long things stay as they are before a broker moves, or a node to another; 0: broker.Settle
	Profile    gossip.Profile // the pace of gossip
}

// Heartbeat is told that the mesh loop turns, so that one that hangs is noticed.
type Heartbeat interface {
	Beat() // once a turn, and before the first
	End()  // the loop is over
}

// MembersFile is where, in the data directory, gossip keeps whom it knows.
const MembersFile = "members.json"

// ErrNoBroker says that there is no connection to send over.
var ErrNoBroker = errors.New("no broker is connected")

// Mesh is one node's part of the mesh. It is safe for use by several goroutines.
type Mesh struct {
	Members
	config      Config
	log         *slog.Logger
	connections *connections // nil but on peers
	outbound    outbound
	shown       shown

	kick    chan struct{}   // has the loop look again
	anew    atomic.Bool     // the credentials have changed since the connection was made
	missed  atomic.Bool     // somebody waits for this node's word
	judge   atomic.Bool     // the roster has changed since the broker last judged its connections
	probing chan struct{}   // one for each probe under way
	living  context.Context // ends when the node has answered all its jobs
	end     context.CancelFunc
}

// shown is what others may see of the loop's doings. Only the loop stores into it.
type shown struct {
	conn       atomic.Pointer[nats.Conn]
	broker     atomic.Pointer[broker.Broker]
	subscribed atomic.Bool // to jobs
	serves     atomic.Bool // all services
	reconnects atomic.Uint64
}

// New opens what is kept on disk and the sockets of gossip. It sends nothing yet. Run must follow.
func New(c Config) (*Mesh, error) {
	if c.Settle == 0 {
		c.Settle = broker.Settle
	}
	self := c.Self()
	m := &Mesh{config: c, log: c.Log, kick: make(chan struct{}, 1), probing: make(chan struct{}, maxProbing)}
	m.Members = Members{self: self.ID, roster: c.Roster, log: c.Log}
	m.living, m.end = context.WithCancel(context.Background())
	if self.Role == identity.Peer {
		m.connections = newConnections(self.ID, filepath.Join(c.Dir, presenceFile), m.Publish, c.Log)
		m.Members.connected = m.connections.Table
	}
	err := m.openOutbound()
	if c.Outbound && self.Role == identity.Peer {
		err = errors.New("a peer must gossip, because it may have to run a broker; admit this host as a member, or remove gossip = false from its config")
	}
	if err != nil || c.Outbound {
		return m, err
	}
	m.Members.gossip, err = gossip.New(gossip.Config{
		Self: gossip.Member{
			ID: string(self.ID), Host: self.Name, Started: c.Started, Protocol: job.Protocol,
			Token: string(self.Token), Peer: self.Role == identity.Peer, Pinned: c.Pinned, Ephemeral: self.Role == identity.Ephemeral,
		},
		Fleet:     string(self.Fleet),
		Bind:      netip.AddrPortFrom(c.Bind, c.GossipPort),
		Advertise: netip.AddrPortFrom(c.Advertise, 0),
		Keys:      c.Keys, MembersFile: filepath.Join(c.Dir, MembersFile), Profile: c.Profile, Log: c.Log,
		Docs: c.Docs, OnChange: m.look,
		OnMissed: func() {
			m.missed.Store(true)
			m.look()
		},
		OnDiffer: func(missing, ahead []gossip.Ref) { c.Differ(m.living, missing, ahead) },
		Prove:    c.Prove,
		Proven: func(id string, challenge, proof []byte) bool {
			return identity.KeyProven(identity.ID(id), challenge, proof)
		},
	})
	return m, err
}

// Run keeps this node in the mesh until ctx ends, and then stops in this order, so that nothing is promised that is not kept:
//
//  1. its broker, if any, is announced to stop, and no job comes any more (the subscriptions end)
//  2. drain is called: it returns when the last reply was given to Publish
//  3. the node says goodbye, and the connection closes with all of that out
//  4. the broker stops, once the nodes on it have gone elsewhere
//  5. gossip says goodbye
//
// It stops in the same way when gossip ends by itself, which is an error.
func (m *Mesh) Run(ctx context.Context, drain func()) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	gossiping, leave := context.WithCancel(context.WithoutCancel(ctx))
	defer leave()
	l := m.newLoop()
	var others sync.WaitGroup
	var ended error
	if m.gossip != nil {
		others.Go(func() {
			if err := m.gossip.Run(gossiping); gossiping.Err() == nil {
				ended = errors.Join(errors.New("gossip stopped"), err)
				stop()
			}
		})
		m.join(ctx)
	}
	others.Go(func() { m.askLoop(ctx) })
	if m.connections != nil { // as long as this node answers who is there
		others.Go(func() { m.connections.run(m.living) })
	}
	l.run(ctx)
	l.stopListening()
	drain()
	m.end()
	l.close()
	leave()
	others.Wait()
	return ended
}

// join looks for others where they were last, so that a node that is not the first does not act as if it were: one that has just
// begun to run a broker would say who is there without those who are on other brokers. It blocks until one answers, for joinWait
// at most.
func (m *Mesh) join(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, joinWait)
	defer cancel()
	if _, err := m.gossip.Join(ctx, m.config.Seeds); err != nil {
		m.log.Warn("no member has answered yet", logkey.Error, err)
	}
}

// look has the mesh loop look again, soon. It never blocks.
func (m *Mesh) look() {
	select {
	case m.kick <- struct{}{}:
	default:
	}
}

// Publish gives a message to the connection that there is. It does not wait until the broker has it.
func (m *Mesh) Publish(subject string, data []byte) error {
	nc := m.shown.conn.Load()
	if nc == nil {
		return ErrNoBroker
	}
	if err := nc.Publish(subject, data); !errors.Is(err, nats.ErrConnectionClosed) {
		return err
	}
	return ErrNoBroker
}

// Request asks over the connection that there is, and waits a few seconds for the answer.
func (m *Mesh) Request(ctx context.Context, subject string, data []byte) ([]byte, error) {
	nc := m.shown.conn.Load()
	if nc == nil {
		return nil, ErrNoBroker
	}
	ctx, cancel := context.WithTimeout(ctx, RequestTimeout)
	defer cancel()
	answer, err := nc.RequestWithContext(ctx, subject, data)
	if err != nil {
		return nil, fmt.Errorf("ask on %s: %w", subject, err)
	}
	return answer.Data, nil
}

// Reconnect has the connection made anew, with the credentials of now, soon.
func (m *Mesh) Reconnect() {
	m.anew.Store(true)
	m.look()
}

// RosterChanged has the connections to this node's broker judged by the newest roster, soon.
func (m *Mesh) RosterChanged() {
	m.judge.Store(true)
	m.look()
}

// SetKeys replaces gossip's keys; see gossip.SetKeys.
func (m *Mesh) SetKeys(keys [][]byte) error {
	if m.gossip == nil {
		return nil
	}
	return m.gossip.SetKeys(keys)
}

// Connected is the address of the broker that this node is connected to; "" while it is to none.
func (m *Mesh) Connected() string {
	if nc := m.shown.conn.Load(); nc != nil && nc.IsConnected() {
		return nc.ConnectedAddr()
	}
	return ""
}

// Ready says why no job can come now; nil: one can.
func (m *Mesh) Ready() error {
	switch {
	case m.Connected() == "":
		return ErrNoBroker
	case !m.shown.subscribed.Load():
		return errors.New("not subscribed to jobs")
	}
	return nil
}

// RunsBroker reports whether this node runs a broker now.
func (m *Mesh) RunsBroker() bool { return m.shown.broker.Load() != nil }

// Unheard reports whether this node, which gossips, hears nobody, and is connected to a broker of others all the same.
func (m *Mesh) Unheard() bool {
	return m.gossip != nil && !m.RunsBroker() && m.Connected() != "" && len(others(m.welcome(), m.self)) == 0
}

// Traffic is what goes over this node's connections.
type Traffic struct {
	Reconnects uint64        // how often a broker was lost and one found again
	Clients    int           // connections of nodes and admins to this node's broker
	Routes     []identity.ID // nodes whose brokers this node's has a route to
}

// Traffic counts the connections; 0 where this node runs no broker.
func (m *Mesh) Traffic() Traffic {
	t := Traffic{Reconnects: m.shown.reconnects.Load()}
	if b := m.shown.broker.Load(); b != nil {
		t.Clients, t.Routes = b.Clients(), b.Neighbours()
	}
	return t
}
