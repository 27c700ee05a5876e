package client

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"fleet/identity"
	"fleet/internal/logkey"
	"fleet/job"
)

// A host that has just died, hangs or is cut off counts as alive for seconds: gossip and its broker notice later. So once
// nothing more comes, those that owe a word are probed: each is asked directly whether it is there, which a node answers
// however busy it is, and a broker's node sends it a packet. Whoever gives no sign of life in several rounds is not waited
// for. A host that does is waited for as long as the request allows, however slow its action is. One that has accepted is probed
// more seldom, and waited for longer: its agent may be restarted, and what it runs goes on.
const (
	// quiet is for how long nothing has come when probing begins, and probeEvery the time between two rounds; on a slow line both
	// are longer, by how long a broker's node takes to answer. What a round asks may be answered during the next ones as well.
	quiet      = 500 * time.Millisecond
	probeEvery = 350 * time.Millisecond
	probeTick  = 50 * time.Millisecond // how often it is looked whether a round is due
	// probeRounds is in how many rounds in a row a host gave no sign of life when it is not waited for any longer, and
	// witnesses how many times a broker's node must have said in them that it does not answer: without their word it may be
	// this client's own line that is down.
	probeRounds = 3
	witnesses   = 2
	// unwitnessed is after how long a host is not waited for that no broker's node can send packets to, since it does not
	// gossip. It leaves a broker that hangs after 5 to 15 s, but one that goes at once.
	unwitnessed = 8 * time.Second
	// aliveFor is how long a sign of life counts, and acceptedFor that of a host that has accepted.
	aliveFor    = time.Second
	acceptedFor = 5 * time.Second
)

// probing is what is known of the hosts that were probed. The owner of the gathering has it to itself, but for signs.
type probing struct {
	hosts   map[identity.ID]*probed
	round   time.Time // when the last one began
	signs   chan sign // nil: no round yet
	inbox   string    // and the number of the round: a broker lets a node answer once on each subject that it was asked from
	rounds  int
	gaveUp  map[identity.ID]string // who is not waited for any more, and what is known of it
	cleanup []*nats.Subscription
}

// probed is one host since its last sign of life.
type probed struct {
	since  time.Time // when it was probed first
	rounds int
	silent int       // how often a broker's node said so
	heard  int       // how often one answered at all, also without a word on this host
	alive  time.Time // its last sign of life; zero: none
}

// sign is one answer: of the host itself, or of a broker's node on many.
type sign struct {
	from   identity.ID
	others job.Probed // where from is empty
}

// probe begins a round: it gives up the hosts that gave no sign of life, and asks the others that owe a word. It does
// nothing as long as replies come in: then those missing wait in a queue, or their replies do here.
func (g *gathering) probe() {
	slow := g.c.slowness()
	quiet, every := quiet+2*slow, probeEvery+slow
	if g.members == nil || g.stream() || g.looked < g.came.Load() || time.Since(g.sent) < quiet || g.sinceHeard() < quiet || time.Since(g.probes.round) < every {
		return
	}
	g.probes.round, g.probes.rounds = time.Now(), g.probes.rounds+1
	g.giveUp(every)
	ids := g.quietOnes()
	if len(ids) == 0 {
		return
	}
	if err := g.listenForSigns(); err != nil {
		g.c.config.Log.Warn("cannot probe hosts that do not answer", logkey.Error, err)
		return
	}
	for i, id := range ids {
		if !g.c.pace.try(0) {
			ids = ids[:i] // whoever is not asked is not silent
			break
		}
		p := g.probes.hosts[id]
		if p == nil || p.rounds == 0 {
			p = &probed{since: time.Now(), alive: g.lastSign(id)}
			g.probes.hosts[id] = p
		}
		p.rounds++
		g.c.conn.Publish(job.NodeProbeSubject(id), []byte(g.c.id)) // a connection that is lost is noticed elsewhere
	}
	if len(ids) == 0 {
		return
	}
	question, err := job.Probe{Nodes: ids}.Encode()
	if err == nil {
		err = g.c.conn.PublishRequest(job.ProbeSubject, g.probes.inbox+strconv.Itoa(g.probes.rounds), question)
	}
	if err != nil {
		g.c.config.Log.Warn("cannot probe hosts that do not answer", logkey.Error, err)
	}
}

// quietOnes are the hosts that owe an answer and have said nothing: at most job.MaxProbe, those probed already first.
func (g *gathering) quietOnes() []identity.ID {
	var ids []identity.ID
	for id := range g.owing {
		_, accepts := g.accepted[id]
		m, listed := g.members[id]
		counts := aliveFor
		if accepts {
			counts = acceptedFor
		}
		if listed && (accepts || m.Presence == job.Alive) && time.Since(g.lastSign(id)) >= counts {
			ids = append(ids, id)
		}
	}
	rounds := func(id identity.ID) int {
		if p := g.probes.hosts[id]; p != nil {
			return p.rounds
		}
		return 0
	}
	slices.SortFunc(ids, func(a, b identity.ID) int {
		if ra, rb := rounds(a), rounds(b); ra != rb {
			return rb - ra
		}
		return strings.Compare(string(a), string(b))
	})
	return ids[:min(len(ids), job.MaxProbe)]
}

// lastSign is when a host gave a sign of life, or accepted; zero: it has done neither.
func (g *gathering) lastSign(id identity.ID) time.Time {
	at := g.accepted[id].at
	if p := g.probes.hosts[id]; p != nil && p.alive.After(at) {
		at = p.alive
	}
	return at
}

// giveUp ends the wait for hosts that gave no sign of life in rounds that were so far apart.
func (g *gathering) giveUp(every time.Duration) {
	for id, p := range g.probes.hosts {
		if !g.owing[id] || p.rounds < probeRounds || time.Since(p.since) < probeRounds*every {
			continue
		}
		took := time.Since(p.since)
		who := "gossip"
		if p.silent < witnesses {
			if who = "its broker"; p.heard < witnesses || took < unwitnessed {
				continue
			}
		}
		if _, accepts := g.accepted[id]; !accepts {
			g.probes.gaveUp[id] = fmt.Sprintf("does not answer: neither the job nor %d probes in %s; %s has not noticed yet", p.rounds, took.Round(100*time.Millisecond), who)
		} else if quiet := time.Since(g.lastSign(id)); quiet >= returning {
			g.probes.gaveUp[id] = fmt.Sprintf("no sign of life for %s, in %d probes", quiet.Round(time.Second), p.rounds)
		} else {
			continue
		}
		delete(g.owing, id)
	}
}

// listenForSigns subscribes to the answers, once.
func (g *gathering) listenForSigns() error {
	p := &g.probes
	if p.signs != nil {
		return nil
	}
	nc, signs := g.c.conn, make(chan sign, 4*job.MaxProbe)
	hand := func(s sign) {
		select {
		case signs <- s:
		default: // as many as there can be in several rounds
		}
	}
	hosts, err := nc.Subscribe(job.ProbedSubject("*", g.c.id), func(m *nats.Msg) {
		hand(sign{from: identity.ID(strings.Split(m.Subject, ".")[2])})
	})
	if err != nil {
		return err
	}
	p.cleanup = append(p.cleanup, hosts)
	p.inbox = nc.NewInbox() + "."
	others, err := nc.Subscribe(p.inbox+"*", func(m *nats.Msg) {
		if answer, err := job.DecodeProbed(m.Data); err == nil { // empty where no broker's node is there to take the question
			hand(sign{others: answer})
		}
	})
	if err != nil {
		return err
	}
	p.cleanup, p.signs = append(p.cleanup, others), signs
	return nil
}

// takeSign notes an answer to a probe. All of it is hearsay: it decides only how long to wait.
func (g *gathering) takeSign(s sign) {
	if s.from != "" {
		g.lives(s.from)
		return
	}
	for _, p := range g.probes.hosts {
		p.heard++
	}
	for _, id := range s.others.Answered {
		g.lives(id)
	}
	for _, id := range s.others.Silent {
		if p := g.probes.hosts[id]; p != nil {
			p.silent++
		}
	}
}

// lives notes a sign of life. Whoever was silent for a while may be so again, so it is asked for its answer at once.
func (g *gathering) lives(id identity.ID) {
	if p := g.probes.hosts[id]; p != nil {
		g.probes.hosts[id] = &probed{alive: time.Now()}
		if _, ended := g.ended[id]; !ended && p.rounds > probeRounds {
			g.c.conn.Publish(job.NodeSubject(id), g.signed) // a connection that is lost is noticed elsewhere
		}
	}
	if _, before := g.probes.gaveUp[id]; before {
		delete(g.probes.gaveUp, id)
		g.reckon()
	}
}
