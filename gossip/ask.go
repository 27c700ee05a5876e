package gossip

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"fleet/internal/wait"

	"github.com/hashicorp/memberlist"
)

// question is one challenge that waits for its answer.
type question struct {
	challenge
	raw    []byte
	wrong  int
	proven bool
}

// questions are those of the round that is under way.
type questions struct {
	mu   sync.Mutex
	open map[nonce]*question
	done chan struct{} // closed when all have been answered
}

// askAll asks those who claim one id for a proof, round by round: soon after news, and again as long as the claim lasts.
func (g *Gossip) askAll(ctx context.Context) {
	again := time.NewTicker(g.pace.ask)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-g.claimed:
		case <-again.C:
		}
		g.ask(ctx)
		if wait.For(ctx, askEvery) != nil {
			return
		}
	}
}

// ask is one round: both addresses of each conflict are asked in the same seconds, so that a host that moves from one to the
// other does not answer at both.
func (g *Gossip) ask(ctx context.Context) {
	g.mu.Lock()
	broker := g.self.Broker
	g.mu.Unlock()
	round := g.table.toAsk(broker)
	if len(round) == 0 || g.cfg.Proven == nil {
		return
	}
	addrs, others := make([]*question, len(round)), make([]*question, len(round))
	open := map[nonce]*question{}
	for i, c := range round {
		others[i] = g.question(c.ID, c.Other)
		open[others[i].nonce] = others[i]
		if !c.Self { // of itself this node knows
			addrs[i] = g.question(c.ID, c.Addr)
			open[addrs[i].nonce] = addrs[i]
		}
	}
	done := make(chan struct{})
	g.open.begin(open, done)
	for range askTries {
		for _, q := range g.open.waiting() {
			g.send(q.asked, q.raw)
		}
		select {
		case <-ctx.Done():
			return
		case <-done:
		case <-time.After(askEvery):
		}
	}
	g.open.begin(nil, nil) // from here on no answer changes any of them
	for i, c := range round {
		g.table.asked(c, c.Self || addrs[i].proven, others[i].proven)
	}
}

func (g *Gossip) question(id string, asked netip.AddrPort) *question {
	c := challenge{nonce: newNonce(), id: id, asked: asked, asker: g.cfg.Self.ID, from: g.addr}
	return &question{challenge: c, raw: c.encode()}
}

// send sends a packet; whether it arrives the answer tells.
func (g *Gossip) send(to netip.AddrPort, b []byte) {
	_ = g.list.SendToAddress(memberlist.Address{Addr: to.String()}, b)
}

func (q *questions) begin(open map[nonce]*question, done chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.open, q.done = open, done
}

func (q *questions) waiting() (list []*question) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, one := range q.open {
		list = append(list, one)
	}
	return list
}

// take gives an answer to the question that it belongs to, if there is one.
func (q *questions) take(a answer, proven func(id string, challenge, proof []byte) bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	one := q.open[a.nonce]
	if one == nil || one.wrong >= maxWrong {
		return
	}
	if !proven(one.id, one.raw, a.proof) {
		one.wrong++
		return
	}
	one.proven = true
	if delete(q.open, a.nonce); len(q.open) == 0 {
		close(q.done)
	}
}

// hearAll answers challenges, and takes in answers and that this node is missed.
func (g *Gossip) hearAll(ctx context.Context) {
	answers, missed := limiter{most: maxAnswers, period: time.Second}, limiter{most: maxMissed, period: time.Second}
	for {
		var b []byte
		select {
		case <-ctx.Done():
			return
		case b = <-g.messages:
		}
		if isMissed(b) && g.cfg.OnMissed != nil {
			if pass, _ := missed.take(time.Now()); pass {
				g.cfg.OnMissed()
			}
		}
		if a, ok := decodeAnswer(b); ok && g.cfg.Proven != nil {
			g.open.take(a, g.cfg.Proven)
		}
		if c, ok := decodeChallenge(b); ok {
			if pass, _ := answers.take(time.Now()); pass {
				g.answer(c, b)
			}
		}
	}
}

func isMissed(b []byte) bool { return len(b) == 1 && b[0] == kindMissed }

// answer signs a challenge that is meant for this node at its own address. One from another node that says it has this very id
// is a claim as well: two copies of one disk notice each other even if only one of them hears of the other by gossip.
func (g *Gossip) answer(c challenge, raw []byte) {
	self := g.cfg.Self.ID
	if c.id != self || c.asked != g.addr || g.cfg.Prove == nil {
		return
	}
	if c.asker == self {
		if c.from == g.addr {
			return
		}
		g.table.claimFrom(self, "", g.addr, c.from)
	}
	g.send(c.from, answer{c.nonce, g.cfg.Prove(raw)}.encode())
}
