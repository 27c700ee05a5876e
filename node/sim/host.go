package sim

import (
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"fleet/identity"
	"fleet/job"
	"fleet/node/gate"
	"fleet/policy"
)

const (
	// slowRead is when a read that still runs says that it was accepted, as in package node.
	slowRead = time.Second
	// connectTimeout bounds one attempt to connect. Thousands come at once, so it is as patient as the broker.
	connectTimeout = 60 * time.Second
)

// host is one simulated host.
type host struct {
	w      *World
	number int
	name   string
	nature nature
	creds  identity.Credentials
	self   identity.NodeIdentity
	gate   gate.Gate
	memory memory

	mu   sync.Mutex
	conn *nats.Conn
	luck *rand.Rand // for delays
}

func newHost(w *World, number int, how nature) (*host, error) {
	h := &host{w: w, number: number, name: Name(number), nature: how, luck: rand.New(rand.NewPCG(w.config.Seed, uint64(number)))}
	key, seal := identity.NewKey[identity.Node](), identity.NewSealKey()
	id := identity.NodeIdentity{Key: key.Public(), Seal: seal.Public(), Name: h.name, Role: identity.Member}
	chain, err := w.config.Issuer.Issue(id, time.Now())
	if err != nil {
		return nil, err
	}
	h.creds = identity.Credentials{Key: key, Chain: chain}
	if h.self, err = w.certificates.Verify(chain, time.Now()); err != nil {
		return nil, err
	}
	h.gate = gate.Gate{
		Root: w.config.Root, Self: func() identity.NodeIdentity { return h.self }, Since: w.born,
		Roster: w.currentRoster, Host: facade{h}, Plugins: w.actions, Journal: &h.memory, Audit: unaudited{},
		Policy: func() (policy.File, error) { return policy.File{}, nil },
		Fleet:  func() int { return len(w.hosts) }, DuplicateKey: func() string { return "" }, Now: time.Now, Seal: seal,
	}
	return h, nil
}

// connect connects as a node does: see package node for the reasons of each option.
func (h *host) connect() error {
	tls := identity.NodeTLS(h.w.config.Root, func() identity.Credentials { return h.creds }, h.w.currentRoster)
	nc, err := nats.Connect("", func(o *nats.Options) error { o.Servers = h.w.servers(); return nil },
		nats.Name(h.name), nats.Secure(tls), nats.TLSHandshakeFirst(),
		nats.CustomInboxPrefix(job.Inbox(h.self.ID)), nats.IgnoreDiscoveredServers(),
		nats.MaxReconnects(-1), nats.ReconnectWait(200*time.Millisecond), nats.ReconnectJitter(time.Second, 2*time.Second),
		nats.Timeout(connectTimeout), nats.PingInterval(5*time.Second), nats.MaxPingsOutstanding(2), nats.IgnoreAuthErrorAbort(),
		nats.ReconnectBufSize(-1),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			h.w.config.Log.Warn("simulated connection", "host", h.name, "error", err)
		}),
	)
	if err != nil {
		return err
	}
	hear := func(m *nats.Msg) { h.w.begin(func() { h.handle(m.Data) }) }
	_, all := nc.Subscribe(job.AllSubject, hear)
	_, own := nc.Subscribe(job.NodeSubject(h.self.ID), hear)
	_, news := nc.Subscribe(job.DocNewSubject, func(m *nats.Msg) { h.w.takeRoster(m.Data) })
	if err := errors.Join(all, own, news, nc.Flush()); err != nil {
		nc.Close()
		return err
	}
	h.mu.Lock()
	h.conn = nc
	h.mu.Unlock()
	return nil
}

func (h *host) connection() *nats.Conn {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.conn
}

func (h *host) connected() bool {
	nc := h.connection()
	return nc != nil && nc.IsConnected()
}

func (h *host) close() {
	if nc := h.connection(); nc != nil {
		nc.Close()
	}
}

// handle judges a job as a node does, and then does what is in this host's nature.
func (h *host) handle(signed []byte) {
	start := time.Now()
	d := h.gate.Judge(h.w.acting, signed)
	if d.Verdict == gate.Drop {
		h.w.config.Log.Warn("simulated host dropped a job", "host", h.name, "error", d.Err)
		return
	}
	a := answer{h: h, decision: d, start: start}
	if h.nature != honest && h.nature != lagging {
		h.misbehave(&a)
		return
	}
	switch d.Verdict {
	case gate.Refuse:
		a.end(job.Reply{Kind: job.Refused, State: job.Denied, Reason: d.Reason, Message: d.Message})
	case gate.NoMatch:
		a.end(job.Reply{Kind: job.NoMatch})
	case gate.WouldRun:
		h.lag()
		a.end(job.Reply{Kind: job.Result, State: job.OK})
	case gate.Seen:
		a.again()
	case gate.Pass:
		h.run(&a)
	}
}

func (h *host) run(a *answer) {
	name, call := a.decision.Passed.Call()
	if a.decision.Change {
		a.accepted()
	} else {
		slow := time.AfterFunc(slowRead, a.accepted)
		defer slow.Stop()
	}
	h.lag()
	r := pretend(name, call)
	a.end(job.Reply{Kind: job.Result, State: job.State(r.State), Message: r.Message, Data: r.Data})
}

// lag waits, if that is this host's nature.
func (h *host) lag() {
	if h.nature != lagging {
		return
	}
	rates := h.w.config.Rates
	h.mu.Lock()
	wait := min(time.Duration(h.luck.ExpFloat64()*float64(rates.Lag)), rates.Worst())
	h.mu.Unlock()
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
	case <-h.w.acting.Done():
	}
}

// answer is one job's way back to its signer, as in package node.
type answer struct {
	h        *host
	decision gate.Decision
	start    time.Time

	mu    sync.Mutex // accepted may come from a timer
	ended bool
}

func (a *answer) accepted() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.ended {
		a.send(a.sign(job.Reply{Kind: job.Accepted}, a.h.creds))
	}
}

func (a *answer) end(r job.Reply) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ended = true
	signed := a.sign(r, a.h.creds)
	if a.decision.Claim.First {
		a.h.memory.end(a.decision.Job.ID, signed)
	}
	a.h.w.did(a.decision.Job.ID, a.h.name, Answered)
	a.send(signed)
}

// again answers a copy of a job that was claimed before.
func (a *answer) again() {
	switch claim := a.decision.Claim; {
	case claim.Result != nil:
		a.send(claim.Result)
	case claim.Running:
		a.accepted()
	}
}

func (a *answer) sign(r job.Reply, creds identity.Credentials) []byte {
	r.Protocol = a.decision.Job.Protocol
	if r.Job == (job.Hash{}) {
		r.Job = a.decision.Hash
	}
	r.Took, r.Time = time.Since(a.start).Microseconds(), time.Now().UnixMilli()
	signed, err := r.Sign(creds)
	if err != nil {
		a.h.w.config.Log.Error("simulated reply cannot be signed", "host", a.h.name, "error", err)
	}
	return signed
}

func (a *answer) send(signed []byte) { a.sendTo(a.decision.Job, signed) }

// sendTo seals to the key that j names, and sends it to the asker.
func (a *answer) sendTo(j job.Job, signed []byte) {
	sealed, err := job.SealReply(j, a.decision.Hash, signed)
	if err == nil {
		err = a.h.connection().Publish(job.ReplySubject(a.h.self.ID, a.decision.Signer.Key.ID(), a.decision.Job.ID), sealed)
	}
	if err != nil && a.h.w.acting.Err() == nil {
		a.h.w.config.Log.Warn("simulated reply not sent", "host", a.h.name, "error", err)
	}
}

// misbehave does what a host must not, once for each job; copies of the job it ignores.
func (h *host) misbehave(a *answer) {
	id := a.decision.Job.ID
	if !a.decision.Claim.First {
		return
	}
	switch h.nature {
	case lying:
		h.w.did(id, h.name, Lied)
		a.lie()
	case leaving:
		h.w.did(id, h.name, Went)
		h.close()
	default:
		h.w.did(id, h.name, Ignored)
	}
}

// lie sends a reply that looks good and must not be believed. Hosts differ in how they lie, by their number.
func (a *answer) lie() {
	h, good := a.h, job.Reply{Kind: job.Result, State: job.OK, Message: "all is well"}
	switch h.number % 5 {
	case 0: // a signature that does not hold
		signed := a.sign(good, h.creds)
		signed[0] ^= 1
		a.send(signed)
	case 1: // an answer to another job
		good.Job = job.HashOf([]byte("another job"))
		a.send(a.sign(good, h.creds))
	case 2: // in another host's name, with that host's certificate
		other := h.w.hosts[h.number%len(h.w.hosts)].creds.Chain
		if len(h.w.hosts) == 1 {
			other = h.w.foreign
		}
		a.send(a.sign(good, identity.Credentials{Key: h.creds.Key, Chain: other}))
	case 3: // with a certificate of another fleet
		a.send(a.sign(good, identity.Credentials{Key: h.creds.Key, Chain: h.w.foreign}))
	default: // sealed to somebody else
		j := a.decision.Job
		j.SealTo = identity.NewSealKey().Public()
		a.sendTo(j, a.sign(good, h.creds))
	}
}
