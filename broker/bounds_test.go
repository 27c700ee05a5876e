package broker

import (
	"fmt"
	"maps"
	"math"
	"net/netip"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"fleet/identity"
)

func TestBucket(t *testing.T) {
	start := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	var b bucket
	for i, want := range []bool{true, true, true, false, false} {
		if got := b.take(start, 1, 2, 3); got != want {
			t.Errorf("take %d: %v", i, got)
		}
	}
	if !b.take(start.Add(500*time.Millisecond), 1, 2, 3) || b.take(start.Add(500*time.Millisecond), 1, 2, 3) {
		t.Error("half a second fills in one")
	}
	if !b.take(start.Add(time.Hour), 3, 2, 3) || b.take(start.Add(time.Hour), 1, 2, 3) {
		t.Error("an hour fills it, and no more")
	}
}

// A flood of lines costs only whoever causes it, and is counted.
func TestQuotaOfLogLines(t *testing.T) {
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	q := newQuota()
	take := func(key identity.ID, n int) (written int) {
		for range n {
			if _, ok := q.take(now, topic{key: key}); ok {
				written++
			}
		}
		return written
	}
	if n := take("flooder", 10_000); n != logBurst {
		t.Errorf("%d lines written", n)
	}
	if n := take("other", 1) + take("", 1); n != 2 {
		t.Errorf("%d of 2 lines of others written", n)
	}
	if _, ok := q.take(now, topic{"flooder", tooMuchSent}); !ok {
		t.Error("the line that ends the flood is left out")
	}
	now = now.Add(time.Second)
	if left, ok := q.take(now, topic{key: "flooder"}); !ok || left != 10_000-logBurst {
		t.Errorf("a second later: %v, %d left out", ok, left)
	}
	now = now.Add(time.Hour)
	if take("other", 1); len(q.by) != 1 {
		t.Errorf("%d keys are still known", len(q.by))
	}
}

// crowd is a list of connections as nats-server gives it.
type crowd []*server.ConnInfo

func (c *crowd) add(number uint64, change func(*server.ConnInfo)) {
	info := &server.ConnInfo{Cid: number, Start: noon}
	change(info)
	*c = append(*c, info)
}

var (
	noon  = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	roomy = room{connections: 1000, pending: 1 << 40}
)

func admitted(t *testing.T, g *guests, number uint64, k kind, key identity.ID) {
	t.Helper()
	if closeToo, not := g.admit(guest{number: number, kind: k, key: key, came: noon}); closeToo != 0 || not.why != "" {
		t.Fatalf("connection %d of %s: close %d, %v", number, key, closeToo, not)
	}
}

func reasons(drops []drop) map[uint64]string {
	by := map[uint64]string{}
	for _, d := range drops {
		by[d.number] = d.why
	}
	return by
}

// Each kind may take up to its bounds, and is disconnected beyond them.
func TestWhoExceedsHisBounds(t *testing.T) {
	for _, k := range []kind{joining, member, peer, admin} {
		b := boundsOf(k)
		g, within, beyond := newGuests(), crowd{}, crowd{}
		for number := range uint64(4) {
			admitted(t, g, number, k, identity.ID(fmt.Sprint("key", number)))
			within.add(number, func(c *server.ConnInfo) {
				c.NumSubs, c.Pending, c.InMsgs, c.InBytes = uint32(b.subs), b.pending, int64(burst*b.rate.messages), int64(burst*b.rate.bytes)
			})
		}
		if drops := g.look(within, roomy, noon); len(drops) != 0 {
			t.Errorf("%s: an honest one is disconnected: %v", k, reasons(drops))
		}
		beyond.add(0, func(c *server.ConnInfo) { c.NumSubs = uint32(b.subs) + 1 })
		beyond.add(1, func(c *server.ConnInfo) { c.Pending = b.pending + 1 })
		beyond.add(2, func(c *server.ConnInfo) { c.InMsgs = int64((burst+2)*b.rate.messages) + 1 })
		beyond.add(3, func(c *server.ConnInfo) { c.InBytes = int64((burst+2)*b.rate.bytes) + 1 })
		want := 4
		if k == peer { // its rate is not bounded
			want = 2
		}
		if drops := g.look(beyond, roomy, noon.Add(time.Second)); len(drops) != want {
			t.Errorf("%s: %d are disconnected: %v", k, len(drops), reasons(drops))
		}
		_, not := g.admit(guest{number: 9, kind: k, key: "key2", came: noon.Add(2 * time.Second)})
		if paused := k != peer; paused != (not.why == keyPaused) {
			t.Errorf("%s: after it published too much: %v", k, not)
		}
		if _, not := g.admit(guest{number: 10, kind: k, key: "key3", came: noon.Add(time.Second + pauseFor)}); not.why != "" {
			t.Errorf("%s: after the pause: %v", k, not)
		}
	}
}

// The oldest connection of a key that has too many is closed, and nobody else's.
func TestTooManyConnectionsOfOneKey(t *testing.T) {
	g := newGuests()
	admitted(t, g, 1000, member, "honest")
	most := uint64(boundsOf(member).connections)
	for number := range most {
		admitted(t, g, number, member, "many")
	}
	for number := range most {
		if closeToo, not := g.admit(guest{number: most + number, kind: member, key: "many", came: noon}); closeToo != number || not.why != "" {
			t.Errorf("connection %d: close %d, %v", most+number, closeToo, not)
		}
	}
	if len(g.keys["many"]) != int(most) || len(g.keys["honest"]) != 1 || len(g.by) != int(most)+1 {
		t.Errorf("left: %v", g.keys)
	}
}

// With a token it is the newest that is not let in, until others have left.
func TestTooManyConnectionsWithTokens(t *testing.T) {
	addr := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}) }
	for _, tt := range []struct {
		what string
		why  string
		most int
		new  func(i int) guest
	}{
		{"one token", tooManyOfToken, boundsOf(joining).connections, func(i int) guest { return guest{key: "token", addr: addr(i)} }},
		{"one address", tooManyFrom, maxJoiningFrom, func(i int) guest { return guest{key: identity.ID(fmt.Sprint(i)), addr: addr(0)} }},
		{"all", tooManyJoining, maxJoining, func(i int) guest { return guest{key: identity.ID(fmt.Sprint(i)), addr: addr(i)} }},
	} {
		g, admit := newGuests(), func(g *guests, i int) string {
			n := tt.new(i)
			n.number, n.kind, n.came = uint64(i), joining, noon
			_, not := g.admit(n)
			return not.why
		}
		for i := range tt.most {
			if why := admit(g, i); why != "" {
				t.Fatalf("%s: %d: %v", tt.what, i, why)
			}
		}
		if why := admit(g, tt.most); why != tt.why {
			t.Errorf("%s: one too many: %q", tt.what, why)
		}
		admitted(t, g, 1_000_000, member, "member")
		g.gone(func(number uint64) bool { return number != 7 })
		if why := admit(g, tt.most); why != "" {
			t.Errorf("%s: after one has left: %v", tt.what, why)
		}
		g.look(nil, roomy, noon.Add(time.Second))
		if len(g.by)+len(g.keys)+len(g.from)+g.join != 0 {
			t.Errorf("%s: all have left, and remembered are %d, %d, %d, %d", tt.what, len(g.by), len(g.keys), len(g.from), g.join)
		}
	}
}

// When the broker is short of memory, those with most to read go first, and no more of them than must.
func TestShortOfMemory(t *testing.T) {
	g, list := newGuests(), crowd{}
	for i, pending := range []int{1 << 20, 9 << 20, 2 << 20, 8 << 20, 3 << 20} {
		number := uint64(i)
		admitted(t, g, number, member, identity.ID(fmt.Sprint("key", i)))
		list.add(number, func(c *server.ConnInfo) { c.Pending = pending })
	}
	got := reasons(g.look(list, room{connections: 1000, pending: 10 << 20}, noon))
	if want := map[uint64]string{1: shortOfMemory, 3: shortOfMemory}; !maps.Equal(got, want) {
		t.Errorf("disconnected: %v", got)
	}
}

// Who does not say who he is has two seconds when the broker is nearly full, or many at his address do not, and a minute otherwise.
func TestStrangers(t *testing.T) {
	strangers := func(n, addresses int) (list crowd) {
		for number := range uint64(n) {
			list.add(number, func(c *server.ConnInfo) {
				c.IP = fmt.Sprint("10.0.0.", number%uint64(addresses))
				if number%2 == 0 {
					c.Start = noon.Add(-3 * time.Second)
				}
			})
		}
		return list
	}
	for _, tt := range []struct{ n, addresses, dropped int }{
		{749, 100, 0}, {750, 100, 374}, {249, 1, 0}, {251, 1, 125},
	} {
		g := newGuests()
		admitted(t, g, 0, member, "slow, and let in")
		if drops := g.look(strangers(tt.n, tt.addresses), roomy, noon); len(drops) != tt.dropped {
			t.Errorf("%d of %d addresses: %d disconnected", tt.n, tt.addresses, len(drops))
		}
	}
}

func TestRoom(t *testing.T) {
	for memory, want := range map[int64]room{
		256 << 20:     {minConnections, minRoom},
		2 << 30:       {4096, 256 << 20},
		24 << 30:      {maxConnections, maxRoom},
		math.MaxInt64: {maxConnections, maxRoom}, // not known
	} {
		if got := roomIn(memory); got != want {
			t.Errorf("in %d bytes: %v", memory, got)
		}
	}
	if m := memory(); m < 64<<20 {
		t.Errorf("this process may have %d bytes", m)
	}
}
