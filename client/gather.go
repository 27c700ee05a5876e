package client

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"fleet/identity"
	"fleet/internal/logkey"
	"fleet/job"
)

const (
	// resend is how often those that have not accepted are sent the job again, and how often membership is asked anew:
	// a host that died meanwhile is not waited for.
	resend = time.Second
	// nudge is when a few that are silent are sent it for the first time again: subscriptions of a host that has just
	// come take a moment to reach all brokers. More than nudged are slow for another reason.
	nudge  = 200 * time.Millisecond
	nudged = 16
	// backlog is how many replies may wait to be verified, beside those that the connection has not handed on; the hosts of those
	// beyond it are asked again.
	backlog      = 16384
	pendingBytes = 16 << 20
)

var errNobodyTells = errors.New("no broker returned the member list; cannot tell which hosts to expect; check that the node on the broker's host is running")

// gathering is one job from its sending to its accounting. One goroutine (gather) owns it; verification happens in
// others, which hand over what held.
type gathering struct {
	c        *Client
	request  Request
	progress func(Progress)

	id     string
	hash   job.Hash
	signed []byte
	seal   identity.SealKey // one-time: opens the replies
	sent   time.Time
	again  again

	ruled  chan struct{}   // closed when roster is known
	roster identity.Roster // who is not believed any more; read it only after ruled

	pile    *pile        // where answers are kept
	raw     chan sealed  // replies that nobody has looked at
	came    atomic.Int64 // how many replies have come
	looked  int64        // at how many of them the owner has looked
	replies chan verdict // from the verifying goroutines
	news    chan news    // from the one that asks for membership

	asking   bool                       // who is there
	members  map[identity.ID]job.Member // the newest list; nil until known
	told     time.Time                  // when a broker said so last
	met      map[identity.ID]met        // whom any list of this run named as one that should answer
	replaced map[identity.ID]bool       // failed, and their name is a living host's now
	named    map[identity.ID]string     // not nil: only these hosts are expected
	unknown  []string                   // names that no host has
	targets  map[identity.ID]bool       // of the request
	away     map[identity.ID]time.Time  // of these, who has gone since, and when that was heard
	expected map[identity.ID]string     // who should end: the plan's targets, those named, or all that are there; see reckon
	owing    map[identity.ID]bool       // of these, who may still answer and has not ended
	arrived  int                        // of these, how many have ended
	accepted map[identity.ID]accepted   // who said so
	busy     map[identity.ID]string     // who had no room when it was asked last, and why; asked again like who is silent
	ended    map[identity.ID]*Outcome   // nil for a host that does not match
	rejected int
	noMatch  int
	probes   probing
}

// news is who is there, or why nobody tells.
type news struct {
	members []job.Member
	err     error
}

// verdict is a reply after verification, cut down to what is kept of it.
type verdict struct {
	reply   job.Verified
	err     error
	arrived time.Time

	sealed  sealed                    // what it takes of the pile
	decoded bool                      // so much of what is decoded
	whole   func() (job.Reply, error) // not nil: reply lacks the data, and long messages are cut
	leftOut string                    // the same, and why it cannot be had any more
}

func newGathering(c *Client, r Request, progress func(Progress)) *gathering {
	if progress == nil {
		progress = func(Progress) {}
	}
	targets, planned := make(map[identity.ID]bool, len(r.Targets)), make(map[identity.ID]met, len(r.Targets))
	for _, t := range r.Targets {
		targets[t.Node], planned[t.Node] = true, met{name: t.Name} // the plan met it, whatever the lists of this run say
	}
	if r.pile == nil {
		r.pile = newPile()
	}
	return &gathering{
		pile: r.pile, c: c, request: r, progress: progress, seal: identity.NewSealKey(), targets: targets,
		again:  again{copies: map[identity.ID]int{}},
		probes: probing{hosts: map[identity.ID]*probed{}, gaveUp: map[identity.ID]string{}},
		ruled:  make(chan struct{}), raw: make(chan sealed, backlog), replies: make(chan verdict, 256), news: make(chan news, 1),
		met: planned, away: map[identity.ID]time.Time{}, accepted: map[identity.ID]accepted{}, busy: map[identity.ID]string{}, ended: map[identity.ID]*Outcome{},
	}
}

// open unseals and verifies one reply.
func (g *gathering) open(ctx context.Context, sealed []byte) (job.Verified, error) {
	signed, err := job.UnsealReply(g.seal, g.hash, sealed)
	if err != nil {
		return job.Verified{}, err
	}
	return job.OpenReply(g.c.statements, func() (identity.Roster, error) {
		select {
		case <-g.ruled: // membership takes as long as this, so it costs nothing
			return g.roster, nil
		case <-ctx.Done():
			return identity.Roster{}, ctx.Err()
		}
	}, g.hash, signed)
}

// expectNamed narrows the expected set to the hosts of these names.
func (g *gathering) expectNamed(names []string) {
	g.named = map[identity.ID]string{}
	found := make(map[string]bool, len(names))
	for _, name := range names {
		found[name] = false
	}
	for id, m := range g.members {
		_, wanted := found[m.Name]
		if _, expected := g.met[id]; wanted && expected {
			g.named[id], found[m.Name] = m.Name, true
		}
	}
	for _, name := range names {
		if !found[name] {
			g.unknown = append(g.unknown, name)
		}
	}
}

// gather sends the job and collects until nobody owes an answer.
func (g *gathering) gather(ctx context.Context) (Run, error) {
	nc := g.c.conn
	work, stopWork := context.WithCancel(ctx)
	sub, err := nc.Subscribe(job.RepliesSubject(g.c.id, g.id), func(m *nats.Msg) {
		s, room := g.pile.put(m.Subject, m.Data)
		if !room {
			return
		}
		g.came.Add(1)
		select {
		case g.raw <- s:
		default:
			g.came.Add(-1)
			g.pile.drop(s)
		}
	})
	if err == nil {
		err = sub.SetPendingLimits(backlog, pendingBytes)
	}
	if err != nil {
		stopWork()
		return Run{}, fmt.Errorf("listen for replies: %w", err)
	}
	var workers sync.WaitGroup
	defer func() {
		sub.Unsubscribe()
		for _, s := range g.probes.cleanup {
			s.Unsubscribe()
		}
		stopWork()
		workers.Wait()
	}()
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() { g.verify(work) })
	}
	workers.Go(func() { g.askRoster(work) })
	g.sent = time.Now()
	for i, s := range g.subjects() {
		err := g.c.pace.wait(ctx, len(g.signed))
		if err == nil {
			err = nc.Publish(s, g.signed)
		}
		if err != nil && i == 0 {
			return Run{}, fmt.Errorf("send the job: %w", err)
		} else if err != nil { // some may have it
			return g.account(nil), fmt.Errorf("send the job to all of its targets: %w", err)
		}
	}
	ask := func() {
		if !g.asking {
			g.asking = true
			workers.Go(func() { g.askMembers(work) })
		}
	}
	if g.members == nil {
		ask()
	}
	return g.collect(ctx, ask)
}

// collect takes what comes until nobody owes an answer; ask starts a question who is there.
func (g *gathering) collect(ctx context.Context, ask func()) (Run, error) {
	tick := time.NewTicker(resend)
	defer tick.Stop()
	limit := time.NewTimer(g.request.Timeout)
	defer limit.Stop()
	ruled := g.ruled
	first := time.NewTimer(nudge)
	defer first.Stop()
	probe := time.NewTicker(probeTick)
	defer probe.Stop()
	g.reckon()
	for !g.done() || g.looked < g.came.Load() { // what has come counts, also if nobody owes an answer
		select {
		case v := <-g.replies:
			g.c.heard.Store(&v.arrived)
			g.looked++
			g.take(v)
		case <-ruled:
			ruled = nil // once is enough
			g.reckon()
		case n := <-g.news:
			g.asking = false
			if n.err != nil && g.members == nil && g.request.Targets == nil {
				if errors.Is(n.err, job.ErrVersion) {
					return g.account(nil), n.err
				}
				if g.stream() { // the brokers' nodes may just be as busy as this one
					ask()
					continue
				}
				return g.account(nil), errNobodyTells
			}
			if n.err == nil {
				g.know(n.members)
				g.reckon()
				g.progress(Progress{Done: len(g.ended), Total: g.total()})
			}
		case <-tick.C:
			g.askAgain(ask)
		case <-probe.C:
			g.probe()
		case s := <-g.probes.signs:
			g.takeSign(s)
		case <-first.C:
			if g.total()-len(g.ended) <= nudged {
				g.sendAgain(nudged)
			}
		case <-limit.C:
			if g.members == nil && g.request.Targets == nil {
				return g.account(nil), errNobodyTells
			}
			if !g.isRuled() {
				return g.account(nil), errNoRoster
			}
			return g.account(nil), nil
		case <-ctx.Done():
			return g.account(ctx.Err()), ctx.Err()
		}
	}
	return g.account(nil), nil
}

// verify turns raw replies into verdicts until ctx ends.
func (g *gathering) verify(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case s := <-g.raw:
			v := verdict{arrived: time.Now(), sealed: s}
			raw, err := g.pile.get(s)
			if err == nil {
				v.reply, err = g.open(ctx, raw)
			}
			if v.err = err; err == nil {
				g.settle(&v)
			}
			select {
			case g.replies <- v:
			case <-ctx.Done():
				return
			}
		}
	}
}

// askMembers hands over the list of hosts.
func (g *gathering) askMembers(ctx context.Context) {
	members, err := g.c.Members(ctx)
	if err != nil {
		g.c.config.Log.Warn("membership", logkey.Error, err)
	}
	select {
	case g.news <- news{members, err}:
	case <-ctx.Done():
	}
}

func (g *gathering) take(v verdict) {
	if v.err != nil {
		g.pile.drop(v.sealed)
		g.rejected++
		g.c.config.Log.Warn("ignored a reply that failed verification", logkey.Job, g.id, logkey.Error, v.err)
		return
	}
	id := v.reply.Node.ID
	if _, ended := g.ended[id]; ended {
		g.pile.forget(v)
		return
	}
	if !g.concerns(v.reply) {
		g.pile.forget(v)
		if v.reply.Kind != job.NoMatch { // that is what it says if all were asked because so many are named
			g.rejected++
			g.c.config.Log.Warn("ignored a reply from a host that was not asked", logkey.Job, g.id, logkey.Name, v.reply.Node.Name)
		}
		return
	}
	switch v.reply.Kind {
	case job.Accepted:
		g.accept(id, v.reply.Node.Name)
		if v.reply.Message != "" {
			g.progress(Progress{Done: len(g.ended), Total: g.total(), Says: &Said{v.reply.Node.Name, v.reply.Message}})
		}
		return
	case job.Busy:
		g.busy[id] = cut(v.reply.Message, shortMessage)
		return
	case job.NoMatch:
		g.endNoMatch(v)
	default:
		g.end(id, g.neverBegun(g.outcome(v)))
	}
	g.progress(Progress{Done: len(g.ended), Total: g.total(), Last: g.ended[id]})
}

// concerns reports whether the run is about this host. If it is about whoever matches, that is for the host to say.
func (g *gathering) concerns(v job.Verified) bool {
	switch {
	case g.request.Targets != nil:
		return g.targets[v.Node.ID]
	case g.named != nil:
		if i := slices.Index(g.unknown, v.Node.Name); i >= 0 && v.Kind != job.NoMatch { // the brokers had not heard of it
			g.unknown = slices.Delete(g.unknown, i, i+1)
			g.named[v.Node.ID], g.expected[v.Node.ID] = v.Node.Name, v.Node.Name
		}
		_, named := g.named[v.Node.ID]
		return named
	}
	return true
}

// endNoMatch ends a host that is not selected. From an exact target it is news: it was selected when the plan was made.
func (g *gathering) endNoMatch(v verdict) {
	id := v.reply.Node.ID
	if g.request.Targets != nil {
		o := g.outcome(v)
		o.State, o.Message = job.Skipped, "no longer matches the filter"
		g.end(id, o)
		return
	}
	g.noMatch++
	g.end(id, nil)
}

func (g *gathering) outcome(v verdict) *Outcome {
	r := v.reply
	return &Outcome{
		Node: r.Node.ID, Name: r.Node.Name, State: r.State, Reason: r.Reason, Message: r.Message, Data: r.Data,
		RTT: v.arrived.Sub(g.sent), Took: time.Duration(r.Took) * time.Microsecond, LeftOut: v.leftOut, whole: v.whole, Identity: r.Node, Clock: clockOf(r.SentAt(), g.sent, v.arrived), seal: r.Node.Seal,
	}
}

// neverBegun says of a host that had no room until the job's time was over that this is why it did not run there.
func (g *gathering) neverBegun(o *Outcome) *Outcome {
	if full, busy := g.busy[o.Node]; busy && o.Reason == job.ReasonExpired {
		o.State, o.Reason, o.Message = job.NoRoom, "", full+"; the job's time is over, and it has not begun"
	}
	return o
}
