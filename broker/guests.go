package broker

import (
	"sync"

	"github.com/nats-io/nats-server/v2/server"

	"fleet/identity"
)

// guest is a connection that the door let in, and whose it is.
type guest struct {
	conn server.ClientAuthentication
	kind kind
	key  identity.ID // of the node, admin or token
	name string      // of the node or admin
}

// kind is the kind of principal at the other end of a connection: what it may take depends on it.
type kind string

const (
	joining kind = "joining"
	member  kind = "member"
	peer    kind = "peer"
	admin   kind = "admin"
)

func guestOf(conn server.ClientAuthentication, p identity.Principal) guest {
	switch {
	case p.Node != nil && p.Node.Role == identity.Peer:
		return guest{conn, peer, p.Node.ID, p.Node.Name}
	case p.Node != nil:
		return guest{conn, member, p.Node.ID, p.Node.Name}
	case p.Admin != nil:
		return guest{conn, admin, p.Admin.Key.ID(), p.Admin.Name}
	}
	return guest{conn, joining, p.Token.ID(), ""}
}

// guests are the connections that the door let in, by the server's number.
type guests struct {
	mu   sync.Mutex
	by   map[uint64]guest
	look int // as soon as there are so many, those that have left are forgotten
}

func newGuests() *guests { return &guests{by: map[uint64]guest{}} }

// note takes in a connection. It is called again for the same one when the server is reloaded.
func (g *guests) note(new guest) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.by) >= g.look {
		for number, old := range g.by {
			if old.conn.RemoteAddress() == nil {
				delete(g.by, number)
			}
		}
		g.look = 2*len(g.by) + 64
	}
	g.by[new.conn.GetID()] = new
}

// who is whose connection has that number.
func (g *guests) who(number uint64) (guest, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	found, known := g.by[number]
	return found, known
}
