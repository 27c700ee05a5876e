package sim

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"fleet/identity"
	"fleet/internal/logkey"
	"fleet/internal/wait"
	"fleet/job"
	"fleet/node/gate"
	"fleet/node/mesh"
	"fleet/node/runner"
	"fleet/plugins/plugin"
	"fleet/policy"

	"github.com/nats-io/nats.go"
)

const (
	// connectTimeout bounds one attempt to connect. Thousands come at once, so it is as patient as the broker.
	connectTimeout = 60 * time.Second
	// keepReplies is how many bytes of replies each host keeps for copies: enough for the jobs of the last seconds.
	keepReplies = 16 << 10
	// grace is how long a host that is closed waits for the actions that it pretends to run.
	grace = time.Second
)

// host is one simulated host: a node's gate and runner, behind a connection of its own.
type host struct {
	w      *World
	number int
	name   string
	nature nature
	creds  identity.Credentials
	self   identity.NodeIdentity
	gate   gate.Gate
	runner *runner.Runner

	mu   sync.Mutex
	conn *nats.Conn
	luck *rand.Rand // for delays
}

func newHost(w *World, number int, how nature) (*host, error) {
	h := &host{w: w, number: number, name: Name(number), nature: how, luck: rand.New(rand.NewPCG(w.config.Seed, uint64(number)))}
	key, seal := identity.NewKey[identity.Node](), identity.NewSealKey()
	statement, err := identity.NewStatement(w.config.Token, key.Public(), seal.Public(), h.name, time.Now())
	if err != nil {
		return nil, err
	}
	chain, err := w.config.Issuer.Issue(statement, time.Now())
	if err != nil {
		return nil, err
	}
	h.creds = identity.Credentials{Key: key, Chain: chain, Statement: statement}
	claim, err := w.statements.Open(statement)
	if err != nil {
		return nil, err
	}
	if h.self, err = w.config.Roster.Identify(claim); err != nil {
		return nil, err
	}
	jobs := &memory{}
	h.gate = gate.Gate{
		Root: w.config.Root.Anchor(), Self: func() identity.NodeIdentity { return h.self }, Since: w.born,
		Roster: w.currentRoster, Host: facade{h}, Plugins: w.actions, Journal: jobs, Audit: unaudited{},
		Policy: func() (policy.File, error) { return policy.File{}, nil },
		Fleet:  func() int { return len(w.hosts) }, DuplicateKey: func() string { return "" }, CatchUp: w.catchUp, Now: time.Now, Seal: seal,
	}
	h.runner = runner.New(runner.Config{
		Node: h.self.ID, Credentials: func() identity.Credentials { return h.creds }, Judge: h.judge, Plugins: actors{h}, Journal: jobs, Audit: unaudited{},
		Publish: h.reply, KeepReplies: keepReplies + 2*w.config.Facts, Log: w.config.Log.With(logkey.Host, h.name),
	})
	return h, nil
}

// connect connects as a node does, but to any of the brokers.
func (h *host) connect() error {
	tls := identity.NodeTLS(h.w.config.Root.Anchor(), func() identity.Credentials { return h.creds }, h.w.currentRoster)
	nc, err := nats.Connect("", append(mesh.Options(h.self, tls, h.w.servers()), nats.Timeout(connectTimeout),
		nats.MaxReconnects(-1), nats.ReconnectWait(200*time.Millisecond), nats.ReconnectJitter(time.Second, 2*time.Second), nats.IgnoreAuthErrorAbort(),
		nats.ReconnectBufSize(-1), // replies of an hour ago help nobody: the client asks again
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			h.w.config.Log.Warn("the connection of a simulated host reports an error", logkey.Host, h.name, logkey.Error, err)
		}))...)
	if err != nil {
		return err
	}
	hear := func(m *nats.Msg) { h.receive(m.Data) }
	_, all := nc.Subscribe(job.AllSubject, hear)
	_, own := nc.Subscribe(job.NodeSubject(h.self.ID), hear)
	_, probe := nc.Subscribe(job.NodeProbeSubject(h.self.ID), func(m *nats.Msg) { h.hearProbe(identity.ID(m.Data)) })
	_, news := nc.Subscribe(job.DocNewSubject, func(m *nats.Msg) { h.w.takeRoster(m.Data) })
	if err := errors.Join(all, own, probe, news, nc.Flush()); err != nil {
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

// receive does with a job what is in this host's nature.
func (h *host) receive(signed []byte) {
	if h.nature.honest() {
		h.runner.Receive(signed)
		return
	}
	h.w.begin(func() { h.misbehave(signed) })
}

// hearProbe says that this host is there, unless it is in its nature to say nothing.
func (h *host) hearProbe(admin identity.ID) {
	if nc := h.connection(); h.nature.honest() && admin.Valid() && nc != nil {
		nc.Publish(job.ProbedSubject(h.self.ID, admin), nil) // a connection that is lost says so elsewhere
	}
}

// judge is the gate's, which takes its time where this host lags and is asked only whether it would run the job.
func (h *host) judge(ctx context.Context, signed []byte) gate.Decision {
	d := h.gate.Judge(ctx, signed)
	if d.Verdict == gate.WouldRun {
		h.lag()
	}
	return d
}

// reply notes that the host has answered, and sends it.
func (h *host) reply(subject string, data []byte) error {
	h.w.did(subject[strings.LastIndexByte(subject, '.')+1:], h.name, Answered)
	return h.connection().Publish(subject, data)
}

// lag waits, if that is this host's nature.
func (h *host) lag() {
	if h.nature != lagging {
		return
	}
	rates := h.w.config.Rates
	h.mu.Lock()
	late := min(time.Duration(h.luck.ExpFloat64()*float64(rates.Lag)), rates.Worst())
	h.mu.Unlock()
	wait.For(h.w.acting, late)
}

// actors are a host's plugins, which only pretend.
type actors struct{ h *host }

// Get implements runner.Plugins.
func (a actors) Get(name string) (plugin.Plugin, bool) {
	d, known := a.h.w.actions[name]
	return actor{a.h, d}, known
}

type actor struct {
	h *host
	d plugin.Declaration
}

func (a actor) Declaration() plugin.Declaration { return a.d }

func (a actor) Run(_ context.Context, call plugin.Call) plugin.Result {
	a.h.lag()
	return a.h.w.pretend(a.d.Name, call)
}
