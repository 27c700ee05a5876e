package broker

import (
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"fleet/identity"
)

// guest is a connection that the door let in, and whose it is.
type guest struct {
	number uint64 // the server's, of the connection
	kind   kind
	key    identity.ID // of the node, admin or token
	name   string      // of the node or admin
	addr   netip.Addr
	came   time.Time

	messages, bytes           int64 // that it had published at the last look
	messageBucket, byteBucket bucket
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
	g := guest{number: conn.GetID(), addr: addrPort(conn.RemoteAddress()).Addr(), came: time.Now()}
	switch {
	case p.Node != nil && p.Node.Role == identity.Peer:
		g.kind, g.key, g.name = peer, p.Node.ID, p.Node.Name
	case p.Node != nil:
		g.kind, g.key, g.name = member, p.Node.ID, p.Node.Name
	case p.Admin != nil:
		g.kind, g.key, g.name = admin, p.Admin.Key.ID(), p.Admin.Name
	default:
		g.kind, g.key = joining, p.Token.ID()
	}
	return g
}

// guests are the connections that the door let in. Nothing here may call nats-server while it holds the lock: that logs with the
// lock of a client held, and a log line asks here whose the client is.
type guests struct {
	mu     sync.Mutex
	by     map[uint64]*guest
	keys   map[identity.ID][]uint64 // the connections of each key, as they came
	from   map[netip.Addr]int       // connections with a token
	join   int                      // the sum of from
	paused map[pausing]time.Time
}

// pausing is who is not let in for a while: whoever has a key, or a token at one address. Many hosts may have the same token.
type pausing struct {
	key  identity.ID
	addr netip.Addr
}

func (g *guest) pausing() pausing {
	if g.kind == joining {
		return pausing{g.key, g.addr}
	}
	return pausing{key: g.key}
}

func newGuests() *guests {
	return &guests{by: map[uint64]*guest{}, keys: map[identity.ID][]uint64{}, from: map[netip.Addr]int{}, paused: map[pausing]time.Time{}}
}

// admit takes in a connection, or says why not. If its key has too many now, the oldest of them is to be closed: one that broke
// without a word is among those, and whoever has the key hurts nobody but himself. With a token it is the newest that is not let in:
// many hosts may have the same one, and each needs it for a moment only.
func (g *guests) admit(new guest) (closeToo uint64, not excess) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.by[new.number] != nil { // the server is reloaded, and asks again
		return 0, excess{}
	}
	if until, paused := g.paused[new.pausing()]; paused && new.came.Before(until) {
		return 0, excess{why: keyPaused}
	}
	most := boundsOf(new.kind).connections
	if new.kind == joining {
		switch {
		case g.join >= maxJoining:
			return 0, excess{tooManyJoining, g.join, maxJoining}
		case g.from[new.addr] >= maxJoiningFrom:
			return 0, excess{tooManyFrom, g.from[new.addr], maxJoiningFrom}
		case len(g.keys[new.key]) >= most:
			return 0, excess{tooManyOfToken, len(g.keys[new.key]), most}
		}
		g.join++
		g.from[new.addr]++
	}
	if have := g.keys[new.key]; len(have) >= most {
		closeToo = have[0]
		g.remove(closeToo)
	}
	g.by[new.number] = &new
	g.keys[new.key] = append(g.keys[new.key], new.number)
	return closeToo, excess{}
}

// remove forgets a connection.
func (g *guests) remove(number uint64) {
	old := g.by[number]
	if old == nil {
		return
	}
	delete(g.by, number)
	if rest := slices.DeleteFunc(g.keys[old.key], func(n uint64) bool { return n == number }); len(rest) > 0 {
		g.keys[old.key] = rest
	} else {
		delete(g.keys, old.key)
	}
	if old.kind != joining {
		return
	}
	g.join--
	if g.from[old.addr]--; g.from[old.addr] == 0 {
		delete(g.from, old.addr)
	}
}

// gone forgets the joining hosts that have left since the last look: there is one only each second, and a host joins in less.
func (g *guests) gone(has func(number uint64) bool) {
	g.mu.Lock()
	var numbers []uint64
	for number, known := range g.by {
		if known.kind == joining {
			numbers = append(numbers, number)
		}
	}
	g.mu.Unlock()
	numbers = slices.DeleteFunc(numbers, has)
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, number := range numbers {
		g.remove(number)
	}
}

// who is whose connection has that number.
func (g *guests) who(number uint64) (guest, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if found := g.by[number]; found != nil {
		return *found, true
	}
	return guest{}, false
}
