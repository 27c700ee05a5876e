package broker

import (
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"fleet/identity"
)

// Connected is a node with a live connection to this broker, as its certificate says.
type Connected struct {
	Node  identity.ID
	Name  string
	Role  identity.Role
	Token identity.ID // that it joined with
	Came  time.Time   // when its first connection of those that stand was let in
}

// presence is which nodes hold a connection. The door notes each that it lets in. That one has ended nats-server tells
// nobody, but a connection that is closed has no remote address any more, and to ask for it is a lock and a load: 10,000
// connections take about a millisecond.
type presence struct {
	mu    sync.Mutex
	conns map[uint64]held           // by the server's number of the connection
	nodes map[identity.ID]Connected // who is there, as was told last
}

type held struct {
	conn server.ClientAuthentication
	node identity.NodeIdentity
	came time.Time
}

func newPresence() *presence {
	return &presence{conns: map[uint64]held{}, nodes: map[identity.ID]Connected{}}
}

// note takes in a connection of a node. It is called again for the same one when the server is reloaded.
func (p *presence) note(conn server.ClientAuthentication, node identity.NodeIdentity) {
	p.mu.Lock()
	defer p.mu.Unlock()
	h, known := p.conns[conn.GetID()]
	if !known {
		h.came = time.Now()
	}
	h.conn, h.node = conn, node
	p.conns[conn.GetID()] = h
}

// count is how many nodes hold a connection now.
func (p *presence) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	nodes := map[identity.ID]bool{}
	for _, h := range p.conns {
		if h.conn.RemoteAddress() != nil {
			nodes[h.node.ID] = true
		}
	}
	return len(nodes)
}

// Changes says which nodes have gone and come since it was called last. A node with several connections is there once; one
// whose first connection is another now is named as come again. It may be called from one goroutine at a time, which may be
// another than that of the other methods.
func (b *Broker) Changes() (went []identity.ID, came []Connected) { return b.presence.changes() }

func (p *presence) changes() (went []identity.ID, came []Connected) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := make(map[identity.ID]Connected, len(p.nodes))
	for id, h := range p.conns {
		if h.conn.RemoteAddress() == nil {
			delete(p.conns, id)
			continue
		}
		c, known := now[h.node.ID]
		if !known || h.came.Before(c.Came) {
			now[h.node.ID] = Connected{h.node.ID, h.node.Name, h.node.Role, h.node.Token, h.came}
		}
	}
	for id := range p.nodes {
		if _, still := now[id]; !still {
			went = append(went, id)
		}
	}
	for id, c := range now {
		if was, known := p.nodes[id]; !known || was != c {
			came = append(came, c)
		}
	}
	p.nodes = now
	return went, came
}
