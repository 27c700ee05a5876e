package broker

import (
	"cmp"
	"context"
	"math"
	"slices"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"fleet/internal/logkey"
)

// nats-server bounds connections, subscriptions and what waits to be read for all connections alike, and publishing not at all. So
// the broker looks through its connections each second and closes those that take more than their kind may.

// drop is a connection to close, and why.
type drop struct {
	number uint64
	guest  guest // zero: it has not said who it is
	addr   string
	excess
}

// excess is what a connection has too much of, and how much of it may be; the numbers are 0 where they say nothing.
type excess struct {
	why        string
	have, most int
}

const (
	tooManySubs     = "too many subscriptions"
	tooMuchUnread   = "too many unread bytes"
	tooMuchSent     = "published more than its rate limit"
	tooManyOfKey    = "too many connections of its key; this was the oldest"
	tooManyOfToken  = "too many connections with this token"
	tooManyFrom     = "too many connections with tokens from this address"
	tooManyJoining  = "too many connections with tokens"
	keyPaused       = "its key exceeded its rate limit a moment ago"
	shortOfMemory   = "the broker is short of memory, and this connection has the most unread bytes"
	tooLongStranger = "it did not authenticate in time, and too many others have not either"
)

// watch looks through the connections until ctx ends: each second, and as soon as the heap has grown by a quarter of what may wait to be
// read. 2,000 connections take 10 to 20 ms, so with many it looks less often: it takes at most a hundredth of a core, or a fifth while
// the heap grows. The heap does not grow for long without the garbage collector, so it is weighed often only for a while after that.
func (b *Broker) watch(ctx context.Context) {
	collected := make(chan struct{}, 1)
	tellCollected(ctx, collected)
	tick := time.NewTimer(lookEvery)
	defer tick.Stop()
	last, size, took, grows := time.Now(), heap(), time.Duration(0), time.Time{}
	for {
		every := lookEvery
		if time.Since(grows) < weighFor {
			every = weighEvery
		}
		tick.Reset(every)
		select {
		case <-ctx.Done():
			return
		case <-collected:
			grows = time.Now()
		case <-tick.C:
		}
		now, since := heap(), time.Since(last)
		if since < max(lookEvery, 100*took) && (since < 5*took || now < size+uint64(b.room.pending)/4) {
			size = min(size, now) // garbage was collected
			continue
		}
		last, size = time.Now(), now
		b.lookThrough()
		took = time.Since(last)
	}
}

func (b *Broker) lookThrough() {
	began := time.Now()
	// It also has the server ping those whose round trip it does not know yet, but not before their first PONG, or two seconds.
	z, err := b.server.Connz(&server.ConnzOptions{Limit: math.MaxInt32})
	if err != nil {
		b.config.Log.Warn("cannot look through the connections of this node's broker; retrying", logkey.Error, err)
		return
	}
	for _, d := range b.guests.look(z.Conns, b.room, began) {
		b.close(d)
	}
	b.forgetRoutes()
}

// close closes a connection without a word of refusal, which hosts take for final: they come back after a while.
func (b *Broker) close(d drop) {
	if b.server.DisconnectClientByID(d.number) != nil {
		return // it has left by itself
	}
	attrs := append(d.guest.attrs(d.guest.key != ""), logkey.Addr, d.addr, logkey.Reason, d.why)
	if d.most != 0 {
		attrs = append(attrs, logkey.Count, d.have, logkey.Limit, d.most)
	}
	b.quota.warn(b.config.Log, topic{d.guest.key, d.why}, "connection closed by this node's broker", attrs...)
}

// admit takes a connection in among the guests, or closes it.
func (b *Broker) admit(g guest) bool {
	closeToo, not := b.guests.admit(g)
	if not.why != "" && g.kind == joining {
		b.guests.gone(func(number uint64) bool { return b.server.GetClient(number) != nil })
		closeToo, not = b.guests.admit(g)
	}
	if not.why != "" {
		b.close(drop{g.number, g, g.addr.String(), not})
		return false
	}
	if closeToo != 0 {
		most := boundsOf(g.kind).connections
		b.close(drop{closeToo, g, g.addr.String(), excess{tooManyOfKey, most + 1, most}})
	}
	return true
}

// look is which of the connections to close. It forgets guests that are not among them and came before the list was made, at began.
func (g *guests) look(conns []*server.ConnInfo, r room, began time.Time) []drop {
	g.mu.Lock()
	defer g.mu.Unlock()
	var drops []drop
	var strangers, rest []*server.ConnInfo
	open := make(map[uint64]bool, len(conns))
	pending := 0
	for _, c := range conns {
		open[c.Cid] = true
		known := g.by[c.Cid]
		if known == nil {
			strangers = append(strangers, c)
			continue
		}
		if too := known.exceeds(c, began); too.why != "" {
			drops = append(drops, drop{c.Cid, *known, c.IP, too})
			continue
		}
		pending += c.Pending
		rest = append(rest, c)
	}
	if pending > r.pending {
		drops = append(drops, g.largest(rest, pending, r.pending)...)
	}
	for _, d := range drops { // they are forgotten at the next look: until then it can be said whose they were
		if d.why == tooMuchSent {
			g.paused[d.guest.pausing()] = began.Add(pauseFor)
		}
	}
	g.forget(open, began)
	return append(drops, waitingLong(strangers, len(conns), r, began)...)
}

// exceeds says which of its bounds the guest exceeds, if any.
func (g *guest) exceeds(c *server.ConnInfo, now time.Time) excess {
	b := boundsOf(g.kind)
	messages, bytes := float64(c.InMsgs-g.messages), float64(c.InBytes-g.bytes)
	g.messages, g.bytes = c.InMsgs, c.InBytes
	within := g.messageBucket.take(now, messages, b.rate.messages, burst*b.rate.messages)
	within = g.byteBucket.take(now, bytes, b.rate.bytes, burst*b.rate.bytes) && within
	switch {
	case int(c.NumSubs) > b.subs:
		return excess{tooManySubs, int(c.NumSubs), b.subs}
	case c.Pending > b.pending:
		return excess{tooMuchUnread, c.Pending, b.pending}
	case !within && b.rate != rate{}:
		return excess{why: tooMuchSent}
	}
	return excess{}
}

// largest are the guests for whom most waits to be read, as many as must go for the rest to be within the bound.
func (g *guests) largest(conns []*server.ConnInfo, pending, bound int) (drops []drop) {
	slices.SortFunc(conns, func(a, b *server.ConnInfo) int { return cmp.Compare(b.Pending, a.Pending) })
	for _, c := range conns {
		if pending <= bound {
			break
		}
		drops = append(drops, drop{c.Cid, *g.by[c.Cid], c.IP, excess{shortOfMemory, c.Pending, bound}})
		pending -= c.Pending
	}
	return drops
}

// forget forgets who has left, and pauses that are over.
func (g *guests) forget(open map[uint64]bool, began time.Time) {
	for number, known := range g.by {
		if !open[number] && known.came.Before(began) {
			g.remove(number)
		}
	}
	for key, until := range g.paused {
		if began.After(until) {
			delete(g.paused, key)
		}
	}
}

// waitingLong are the connections that have not said who they are in time, when three quarters of all are taken, or a quarter by those
// of one address. An honest host is through in milliseconds, and tries again if it was not.
func waitingLong(strangers []*server.ConnInfo, all int, r room, now time.Time) (drops []drop) {
	from := map[string]int{}
	for _, c := range strangers {
		from[c.IP]++
	}
	for _, c := range strangers {
		if (all >= r.connections/4*3 || from[c.IP] >= r.connections/4) && now.Sub(c.Start) > handshakeFor {
			drops = append(drops, drop{c.Cid, guest{}, c.IP, excess{why: tooLongStranger}})
		}
	}
	return drops
}
