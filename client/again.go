package client

import (
	"cmp"
	"slices"
	"time"

	"fleet/identity"
	"fleet/job"
)

const (
	// streaming is how recent the last reply is while replies still come in one after another. Then the hosts missing are at work or
	// wait in a queue, and a copy would make each of them verify and answer twice: with thousands of hosts that is what takes the
	// time, and on a slow line the copies of large answers are most of the traffic. So as long as replies come in, for each copiesOf
	// that have ended since the last tick one of those missing is asked again, and leastCopies in any case: their answers may be
	// lost, while others only tell that they are still at work.
	streaming   = 300 * time.Millisecond
	copiesOf    = 8
	leastCopies = 4
	// listEvery is after how many ticks who is there is asked anew as long as replies come in.
	listEvery = 5
	// Hosts are asked again each second at first, and once the wait is long, when it has grown by a part of this: an answer that got
	// lost then comes that much later, and a host with many who wait for it can do something else than answer them. slowest is the
	// longest pause.
	partOfWait = 8
	slowest    = 5 * time.Second
	// acceptedEvery is how often those that have accepted are sent the job too: they run nothing twice and say how it stands, in case
	// their end got lost with a broker. busyEvery is the same for those that had no room for it.
	acceptedEvery = 5 * time.Second
	busyEvery     = 3 * time.Second
)

// again is what a gathering remembers of asking again.
type again struct {
	ticks  int                 // while replies came in, in a row
	ended  int                 // how many hosts had ended at the last tick
	round  time.Time           // when hosts were asked again last
	slow   time.Time           // when those that have accepted were
	busy   time.Time           // when those that had no room were
	copies map[identity.ID]int // how often each
}

// stream reports whether replies are still coming in one after another, also those to other portions of the same change: all come over
// one line.
func (g *gathering) stream() bool { return len(g.raw) > 0 || g.sinceHeard() < streaming }

func (g *gathering) sinceHeard() time.Duration {
	if last := g.c.heard.Load(); last != nil {
		return time.Since(*last)
	}
	return time.Since(g.sent)
}

// askAgain is what each tick does: it sends the job again to those missing and has membership asked anew, less of both while
// replies come in.
func (g *gathering) askAgain(members func()) {
	a := &g.again
	if !g.due(&a.round, min(max(resend, time.Since(g.sent)/partOfWait), slowest)) {
		return
	}
	ended := len(g.ended) - a.ended
	a.ended = len(g.ended)
	if g.total()-len(g.ended) <= nudged || !g.stream() {
		a.ticks = 0
		g.sendAgain(g.total())
		members()
		return
	}
	g.sendAgain(max(leastCopies, ended/copiesOf))
	if a.ticks++; a.ticks%listEvery == 0 {
		members()
	}
}

// due reports whether it is time for what was done at that time last, or not since the job was sent, and then notes that it is done now.
func (g *gathering) due(last *time.Time, every time.Duration) bool {
	if last.IsZero() {
		*last = g.sent
	}
	if time.Since(*last) < every-resend/2 { // a tick may come a little early
		return false
	}
	*last = time.Now()
	return true
}

// sendAgain sends the job once more to hosts that have neither accepted nor ended, and now and then to those that have
// accepted or are busy: to as many as limit says, those first that were sent it least often. The same bytes: a host that has it answers from its
// journal, also when the job's time is over; one that never got it says then that it has expired, and so that it has not run it.
func (g *gathering) sendAgain(limit int) {
	a := &g.again
	slow, busy := g.due(&a.slow, acceptedEvery), g.due(&a.busy, busyEvery)
	var missing []identity.ID
	for id := range g.expected {
		_, ended := g.ended[id]
		_, accepts := g.accepted[id]
		_, full := g.busy[id]
		if !ended && (accepts && slow || !accepts && (!full || busy)) {
			missing = append(missing, id)
		}
	}
	slices.SortFunc(missing, func(x, y identity.ID) int { return cmp.Compare(a.copies[x], a.copies[y]) })
	missing = missing[:min(len(missing), limit)]
	for _, id := range missing {
		if !g.c.pace.try(len(g.signed)) {
			return // the others come first the next time
		}
		a.copies[id]++
		g.c.conn.Publish(job.NodeSubject(id), g.signed) // a connection that is lost is noticed elsewhere
	}
}
