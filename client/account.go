package client

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"fleet/identity"
	"fleet/job"
)

// oldNews is how old the news of who is there may be to be told as if it were so now. It is asked for each resend.
const oldNews = 5 * resend

// The accounting of a run: who should end, whether nobody owes an answer, and what became of each.

// know takes a new list of hosts. Brokers differ: one that has just started may not know them all yet. So whoever was named
// once in this run stays expected, also if a later list lacks it.
func (g *gathering) know(members []job.Member) {
	g.members, g.told = make(map[identity.ID]job.Member, len(members)), time.Now()
	living := map[string]bool{}
	for _, m := range members {
		g.members[m.Node] = m
		living[m.Name] = living[m.Name] || m.Presence == job.Alive
	}
	g.replaced = map[identity.ID]bool{}
	for _, m := range members {
		// A failed host whose name a living one has was replaced: the living one answers for the name.
		if g.replaced[m.Node] = m.Presence == job.MemberFailed && living[m.Name]; !g.replaced[m.Node] && m.Presence != job.Left {
			g.met[m.Node] = met{name: m.Name}
		}
	}
	for id, h := range g.met {
		if _, listed := g.members[id]; !listed {
			h.lacking++
			g.met[id] = h
		}
	}
	for id, a := range g.accepted {
		if a.failed++; g.members[id].Presence != job.MemberFailed {
			a.failed = 0
		}
		g.accepted[id] = a
	}
	for id := range g.targets {
		if m, listed := g.members[id]; !listed || m.Presence == job.Alive {
			delete(g.away, id)
		} else if _, before := g.away[id]; !before {
			g.away[id] = g.told
		}
	}
}

// returning is how long a target that has gone since the plan is waited for: its node may just be restarted, as in an upgrade.
const returning = 10 * time.Second

// met is a host that a broker named in this run as one that should answer.
type met struct {
	name    string
	lacking int // how many lists in a row, up to the newest, did not have it
}

// accepted is a host that accepted the job: it was alive then, whatever a broker says that has not heard of it since. After
// a partition has healed, for a few seconds such brokers call everybody on the other side failed.
type accepted struct {
	name   string
	at     time.Time // when it said so last
	failed int       // how many lists in a row, since it accepted and up to the newest, call it failed
}

// forgotten is how many lists in a row have to lack a host that was in an earlier one, or call one failed that has accepted,
// until it is not waited for any more.
const forgotten = 3

// reckon works out anew who should end and who of them owes an answer. It looks at every host, so it is done where one of
// the lists has changed (hosts, roster), and never for each reply: with 5,000 hosts that alone took seconds.
func (g *gathering) reckon() {
	g.expected = g.shouldEnd()
	g.owing, g.arrived = map[identity.ID]bool{}, 0
	for id := range g.expected {
		if _, ended := g.ended[id]; ended {
			g.arrived++
		} else if g.waitsFor(id) {
			g.owing[id] = true
		}
	}
}

// shouldEnd is the plan's targets, those named, or all that are in the mesh, have not left on purpose, and were not
// replaced. Whoever accepted owes an end in any case.
func (g *gathering) shouldEnd() map[identity.ID]string {
	set := map[identity.ID]string{}
	switch {
	case g.request.Targets != nil:
		for _, t := range g.request.Targets {
			set[t.Node] = t.Name
		}
	case g.named != nil:
		maps.Copy(set, g.named)
	default:
		for id, h := range g.met {
			if !g.replaced[id] && g.members[id].Presence != job.Left && !g.revoked(id) {
				set[id] = h.name
			}
		}
		for id, a := range g.accepted {
			set[id] = a.name
		}
	}
	return set
}

// accept notes that a host that has not ended has accepted the job, also one that no list has. It was alive then: what brokers said
// before counts for nothing any more.
func (g *gathering) accept(id identity.ID, name string) {
	g.accepted[id] = accepted{name: name, at: time.Now()}
	delete(g.probes.gaveUp, id)
	if h, known := g.met[id]; known {
		h.lacking = 0
		g.met[id] = h
	}
	if g.request.Targets == nil && g.named == nil {
		g.expected[id] = name
	}
	if _, expected := g.expected[id]; expected && g.waitsFor(id) {
		g.owing[id] = true // also one that a broker did not know, and so nobody waited for
	}
}

// end puts a host into its state; nil is for one that does not match.
func (g *gathering) end(id identity.ID, o *Outcome) {
	_, before := g.ended[id]
	if _, expected := g.expected[id]; expected && !before {
		g.arrived++
	}
	g.ended[id] = o
	delete(g.owing, id)
}

// done reports whether nobody that is alive owes an answer.
func (g *gathering) done() bool {
	if g.members == nil && g.request.Targets == nil {
		return false // a plan's targets were alive a moment ago; they can all end before membership is known
	}
	return len(g.owing) == 0
}

// waitsFor reports whether an answer may still come from this host.
func (g *gathering) waitsFor(id identity.ID) bool {
	if g.revoked(id) {
		return false
	}
	a, accepts := g.accepted[id]
	m, listed := g.members[id]
	if _, gaveUp := g.probes.gaveUp[id]; gaveUp {
		return false
	}
	if listed && !accepts && !job.Understands(m.Protocol) {
		return false
	}
	if gone, away := g.away[id]; away && time.Since(gone) < returning {
		return true
	}
	if listed && m.Presence == job.MemberFailed && accepts {
		return a.failed < forgotten
	}
	if listed || g.members == nil {
		return g.members == nil || m.Presence == job.Alive
	}
	if h, met := g.met[id]; met {
		return h.lacking < forgotten
	}
	return accepts // so new that no broker has heard of it
}

// total is how many hosts the run is about: those expected, and who answered before the brokers knew it or left after it.
func (g *gathering) total() int {
	if g.members == nil && g.request.Targets == nil {
		return 0
	}
	return g.unended() + len(g.ended)
}

// unended is how many of those expected have not ended.
func (g *gathering) unended() int { return len(g.expected) - g.arrived }

// account puts every expected host into exactly one state.
func (g *gathering) account(interrupted error) Run {
	g.reckon() // the roster may have come in this moment
	run := Run{JobID: g.id, NoMatch: g.noMatch, Rejected: g.rejected, Expected: g.unended() + len(g.ended), Duplicates: g.duplicates(), Took: time.Since(g.sent)}
	for _, o := range g.ended {
		if o != nil {
			run.Outcomes = append(run.Outcomes, *o)
		}
	}
	for id, name := range g.expected {
		if _, ended := g.ended[id]; !ended {
			run.Outcomes = append(run.Outcomes, g.missing(id, name, interrupted))
		}
	}
	for _, name := range g.unknown {
		run.Outcomes = append(run.Outcomes, Outcome{Name: name, State: job.Silent, Message: "the fleet has no host with this name"})
		run.Expected++
	}
	g.otherCase(run.Outcomes)
	slices.SortFunc(run.Outcomes, func(a, b Outcome) int {
		return strings.Compare(a.Name+" "+string(a.Node), b.Name+" "+string(b.Node))
	})
	return run
}

// otherCase says of names that no host has which host has them in other letters: the case of a name counts.
func (g *gathering) otherCase(outcomes []Outcome) {
	if len(g.unknown) == 0 {
		return
	}
	folded := map[string]string{}
	for _, m := range g.members {
		folded[strings.ToLower(m.Name)] = m.Name
	}
	for i, o := range outcomes {
		if like, ok := folded[strings.ToLower(o.Name)]; ok && o.Node == "" && like != o.Name {
			outcomes[i].Message += "; did you mean " + like + "?"
		}
	}
}

// missing says what is known of a host that has not ended.
func (g *gathering) missing(id identity.ID, name string, interrupted error) Outcome {
	o := Outcome{Node: id, Name: name, State: job.Silent, RTT: time.Since(g.sent)}
	_, accepts := g.accepted[id]
	if accepts {
		o.State = job.Lost
	}
	full, busy := g.busy[id]
	m, known := g.members[id]
	waited := time.Since(g.sent).Round(time.Second)
	switch {
	case g.revoked(id):
		o.Message = "revoked: the host is shut out of the fleet and its answers are ignored"
	case known && (m.Presence == job.Alive || m.Presence == job.MemberFailed && !accepts) && g.probes.gaveUp[id] != "":
		o.Message = g.probes.gaveUp[id]
	case known && m.Presence == job.MemberFailed:
		o.Message = fmt.Sprintf("failed %s ago, last seen %s", ago(m.Since), time.UnixMilli(m.LastSeen).Format("2006-01-02 15:04:05 MST"))
	case known && m.Presence == job.Left:
		o.Message = fmt.Sprintf("left the fleet %s ago", ago(m.Since))
	case known && !accepts && !job.Understands(m.Protocol):
		o.State, o.Reason, o.Message = job.Denied, job.ReasonProtocol, job.Incompatible(m.Protocol)
	case busy && !accepts:
		o.State, o.Message = job.NoRoom, full+"; it was not running when asked last"
	case g.members == nil:
		o.Message = fmt.Sprintf("no answer within %s; no broker returned its state", waited)
	case !known:
		o.Message = "the brokers no longer know it"
	case time.Since(g.told) > oldNews:
		o.Message = fmt.Sprintf("no answer within %s; no broker has returned its state for %s", waited, time.Since(g.told).Round(time.Second))
	case interrupted != nil:
		o.Message = "alive in the mesh; had not answered when the wait was interrupted"
	default:
		o.Message = fmt.Sprintf("alive in the mesh, but no answer within %s", waited)
	}
	if accepts {
		o.Message = "accepted the job, but sent no result: " + o.Message
	}
	return o
}

func ago(ms int64) time.Duration { return time.Since(time.UnixMilli(ms)).Round(time.Second) }
