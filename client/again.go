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
	// acceptedEvery is after how many times those that have accepted are sent the job too: they run nothing twice and say how it
	// stands, in case their end got lost with a broker.
	acceptedEvery = 5
)

// again is what a gathering remembers of asking again.
type again struct {
	ticks  int                 // while replies came in, in a row
	ended  int                 // how many hosts had ended at the last tick
	times  int                 // how often hosts were asked again
	copies map[identity.ID]int // how often each
}

// stream reports whether replies are still coming in one after another.
func (g *gathering) stream() bool { return len(g.raw) > 0 || time.Since(g.heard) < streaming }

// askAgain is what each tick does: it sends the job again to those missing and has membership asked anew, less of both while
// replies come in.
func (g *gathering) askAgain(members func()) {
	a := &g.again
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

// sendAgain sends the job once more to hosts that have neither accepted nor ended, and now and then to those that have
// accepted: to as many as limit says, those first that were sent it least often. The same bytes: a host that has it answers from its
// journal, also when the job's time is over; one that never got it says then that it has expired, and so that it has not run it.
func (g *gathering) sendAgain(limit int) {
	a := &g.again
	a.times++
	var missing []identity.ID
	for id := range g.expected {
		_, ended := g.ended[id]
		if _, accepts := g.accepted[id]; !ended && (!accepts || a.times%acceptedEvery == 0) {
			missing = append(missing, id)
		}
	}
	if len(missing) > limit {
		slices.SortFunc(missing, func(x, y identity.ID) int { return cmp.Compare(a.copies[x], a.copies[y]) })
		missing = missing[:limit]
	}
	for _, id := range missing {
		a.copies[id]++
		g.c.conn.Publish(job.NodeSubject(id), g.signed) // a connection that is lost is noticed elsewhere
	}
}
