package node

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"fleet/identity"
	"fleet/internal/logkey"
	"fleet/job"
)

const (
	// joinWait is how long a node that knows others looks for them before it takes itself for the first.
	joinWait = 10 * time.Second
	// meshTick is how often the mesh is looked at without news from gossip, in case some was lost.
	meshTick = 5 * time.Second
	// requestTimeout bounds one question to the mesh.
	requestTimeout = 5 * time.Second
)

var errNoBroker = errors.New("no broker is connected")

// meshLoop keeps three things as gossip says they should be: whether this node carries a broker, the routes between
// brokers, and the connection to one of them. It is the only one that touches n.broker.
func (n *Node) meshLoop(ctx context.Context) {
	tick := time.NewTicker(min(meshTick, n.config.Settle))
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
	if n.self.Load().Role == identity.Peer {
		n.cast(ctx, members)
	}
	if n.broker != nil {
		judge := n.rosterChanged.Swap(false)
		if judge {
			n.role.dialed = nil // who is revoked is not dialled any more
		}
		err := n.broker.SetRoutes(n.routes(members))
		if judge {
			err = errors.Join(err, n.broker.Reload()) // who is not welcome any more is disconnected
		}
		if err != nil {
			n.log.Error("broker", logkey.Error, err)
		}
	}
	n.follow(n.servers(members))
	n.tellMesh()
	if nc := n.conn.Load(); n.broker != nil && nc != nil && n.serving == nil && n.knowsAll(members) {
		n.serve(nc)
	}
}

// services is all that nodes with a broker answer. What they missed others told them, so their view is whole. An answer of
// nil is none.
func (n *Node) services() map[string]func(*nats.Msg) []byte {
	return map[string]func(*nats.Msg) []byte{
		job.MembersSubject:    n.answerMembers,
		job.MeshSubject:       n.answerMesh,
		job.DocGetSubject:     n.answerDocument,
		job.DocPutSubject:     n.takeDocument,
		job.WaitGetSubject:    n.answerWaiting,
		job.WaitPutSubject:    n.takeWaiting,
		job.JoinSubject("*"):  func(m *nats.Msg) []byte { return n.admit(m.Data) },
		job.RenewSubject("*"): func(m *nats.Msg) []byte { return n.renewFor(m.Data) },
	}
}

// serve takes up the services, all or none; what fails is tried again with the next turn of the mesh loop.
func (n *Node) serve(nc *nats.Conn) {
	var failed error
	listen := func(sub *nats.Subscription, err error) {
		if err != nil {
			failed = errors.Join(failed, err)
			return
		}
		n.serving = append(n.serving, sub)
	}
	for subject, answer := range n.services() {
		listen(nc.QueueSubscribe(subject, "brokers", func(m *nats.Msg) {
			// A peer may answer anywhere, so it must not be talked into answering on a subject that means something.
			if !strings.HasPrefix(m.Reply, "_INBOX.") {
				return
			}
			if raw := answer(m); raw != nil {
				m.Respond(raw)
			}
		}))
	}
	listen(nc.Subscribe(job.WaitNewSubject, n.hearWaiting))
	if failed != nil {
		n.log.Error("cannot answer for the mesh yet; trying again", "error", failed)
		n.serveNoMore()
		return
	}
	n.serves.Store(true)
}

// serveNoMore lays the services down. Those of a connection that drains or is closed end by themselves.
func (n *Node) serveNoMore() {
	for _, s := range n.serving {
		s.Unsubscribe()
	}
	n.serving = nil
	n.serves.Store(false)
}
