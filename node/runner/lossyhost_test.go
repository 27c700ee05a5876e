package runner_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"fleet/identity"
	"fleet/internal/identitytest"
	"fleet/job"
	"fleet/node/audit"
	"fleet/node/gate"
	"fleet/node/journal"
	"fleet/node/runner"
	"fleet/plugins"
	"fleet/plugins/plugin"
	"fleet/policy"
)

// crashPoint is where in the protocol a host dies.
type crashPoint int

const (
	nowhere crashPoint = iota
	beforeClaim
	afterClaim     // it is in the journal, and nothing else has happened
	beforeEffect   // accepted is out, unless the link lost it
	afterEffect    // the action has done its work, and nobody knows
	afterJournaled // the result is kept, and not sent
	crashPoints    // how many there are
)

// lossyHost is one machine: its disk, and the process that runs on it now.
type lossyHost struct {
	w     *lossyWorld
	name  string
	creds identity.Credentials
	self  identity.NodeIdentity
	dir   string

	loss    float64
	skew    time.Duration // of its clock
	group   string        // the fact that filters look at
	ends    plugin.State  // how its action ends
	lasts   time.Duration // how long it takes
	dies    crashPoint    // once
	diesIn  job.Mode      // while it has such a job
	later   time.Duration // it dies then, at whatever point; 0: not
	back    time.Duration // so long after its death it starts again; 0: never
	reboots bool          // and all of the machine with it
	leaves  time.Duration // stops in order then; 0: not
	unheard bool          // nobody else notices that it has died: brokers call it alive

	mu      sync.Mutex
	cut     bool      // dead, or cut off: nothing gets out any more
	died    bool      // once is enough
	since   time.Time // when
	gone    bool      // has left
	booted  time.Time
	history []standing // how it stood since when
	claims  map[string]int
	effects map[string]int         // what ran, by job
	came    map[string][]time.Time // replies that reached the client, by job
	process *lossyProcess
}

type standing struct {
	since time.Time
	is    job.Presence
}

// sound says that nothing befalls it but what befalls its link.
func (h *lossyHost) sound() bool {
	return h.dies == nowhere && h.later == 0 && h.leaves == 0 && h.skew == 0 && len(h.history) == 1 && h.history[0].is == job.Alive
}

func newLossyHost(w *lossyWorld, i int) *lossyHost {
	w.t.Helper()
	h := &lossyHost{w: w, name: fmt.Sprint("web", i+1), dir: w.t.TempDir(), booted: time.Now().Add(-time.Hour),
		claims: map[string]int{}, effects: map[string]int{}, came: map[string][]time.Time{}}
	h.creds = identitytest.Fleet{Root: w.root.Anchor(), Admin: w.admin, Issuer: w.issuer}.Host(w.t, h.name, identity.Record{}, time.Now())
	h.self = identitytest.Self(w.t, w.root.Anchor(), h.creds, time.Now()).NodeIdentity
	if err := journal.Create(h.dir, time.Now()); err != nil {
		w.t.Fatal(err)
	}
	h.stands(job.Alive, 0)
	r := w.rand(h.name)
	upTo := func(d time.Duration) time.Duration { return 1 + time.Duration(r.Int64N(int64(d))) }
	h.loss = r.Float64() * 0.5
	h.group = []string{"a", "a", "b"}[r.IntN(3)]
	h.ends = []plugin.State{plugin.OK, plugin.OK, plugin.Unchanged, plugin.Failed, plugin.Skipped}[r.IntN(5)]
	if h.lasts = upTo(200 * time.Millisecond); r.Float64() < 0.3 {
		h.lasts = upTo(110 * time.Second)
	}
	if i == 0 {
		return h // there is always one that is well, as far as its link lets it be
	}
	if r.Float64() < 0.2 {
		h.skew = upTo(110*time.Second) - 55*time.Second
	}
	switch x := r.Float64(); {
	case x < 0.35:
		h.dies, h.diesIn = 1+crashPoint(r.IntN(int(crashPoints)-1)), []job.Mode{job.Match, job.Run, job.Run}[r.IntN(3)]
	case x < 0.5:
		h.later = upTo(30 * time.Second)
	case x < 0.6:
		h.leaves = upTo(20 * time.Second)
	case x < 0.7: // gossip takes it for dead for a while
		from := upTo(20 * time.Second)
		h.stands(job.MemberFailed, from)
		h.stands(job.Alive, from+upTo(10*time.Second))
	case x < 0.75: // it was dead before all began
		h.history[0].is = job.MemberFailed
		h.cut = true
	}
	if r.Float64() < 0.6 {
		h.back = upTo(20 * time.Second)
	}
	h.reboots = r.Float64() < 0.3
	h.unheard = r.Float64() < 0.4
	return h
}

func (h *lossyHost) id() identity.ID { return h.self.ID }

// stands says how others see it from so long from now on.
func (h *lossyHost) stands(p job.Presence, after time.Duration) {
	h.history = append(h.history, standing{time.Now().Add(after), p})
}

// member is how it stood lag ago.
func (h *lossyHost) member(lag time.Duration) job.Member {
	h.mu.Lock()
	defer h.mu.Unlock()
	at := h.history[0]
	for _, p := range h.history {
		if !p.since.After(time.Now().Add(-lag)) && !p.since.Before(at.since) {
			at = p
		}
	}
	return job.Member{Node: h.id(), Name: h.name, Presence: at.is, Since: at.since.UnixMilli(), LastSeen: at.since.UnixMilli(), Role: identity.Member}
}

// lossyProcess is the agent as far as jobs go: the real gate and the real runner, over a real journal and a real connection.
type lossyProcess struct {
	runner  *runner.Runner
	journal *journal.Journal
	audit   *audit.Log
	conn    *nats.Conn
	dead    chan struct{} // closed when it dies
}

// end waits for what runs and gives everything up.
func (p *lossyProcess) end() {
	p.runner.Stop(time.Hour)
	p.conn.Close()
	p.audit.Close()
	p.journal.Close()
}

// boot starts the process on what is on disk.
func (h *lossyHost) boot() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.cut && !h.died { // dead from the beginning
		return
	}
	p, log := &lossyProcess{conn: inProcess(h.w.t, h.w.far), dead: make(chan struct{})}, slog.New(slog.DiscardHandler)
	var err error
	booted := h.booted
	p.journal, err = journal.Open(journal.Config{
		Dir: h.dir, Boot: journal.Boot{ID: booted.String(), Up: func() time.Duration { return h.now().Sub(booted) }}, Life: job.MaxLife, Skew: job.MaxSkew, Now: h.now, Log: log,
	})
	if err != nil {
		h.w.t.Fatal(err)
	}
	if p.audit, err = audit.Open(filepath.Join(h.dir, "audit"), log); err != nil {
		h.w.t.Fatal(err)
	}
	set, err := plugins.New(lossyPlugin{h, p.dead})
	if err != nil {
		h.w.t.Fatal(err)
	}
	g := &gate.Gate{
		Root: h.w.root.Anchor(), Self: func() identity.NodeIdentity { return h.self }, Since: h.booted, Roster: func() identity.Roster { return h.w.roster },
		Host: lossyFacts{h}, Plugins: set, Journal: lossyJournal{p.journal, h, p.dead}, Audit: p.audit,
		Policy: func() (policy.File, error) { return policy.File{}, nil },
		Fleet:  func() int { return len(h.w.hosts) }, DuplicateKey: func() string { return "" }, CatchUp: func(context.Context, []job.WantedDocument) (bool, error) { return false, nil }, Now: h.now, Seal: identity.NewSealKey(),
	}
	p.runner = runner.New(runner.Config{
		Node: h.id(), Credentials: func() identity.Credentials { return h.creds }, Judge: g.Judge, Plugins: set, Journal: p.journal, Audit: p.audit,
		Publish: p.conn.Publish, Log: log,
	})
	h.process, h.cut = p, false
	if h.later > 0 && !h.died {
		time.AfterFunc(h.later, func() { h.die(p.dead) })
	}
	if h.leaves > 0 {
		time.AfterFunc(h.leaves, h.leave)
	}
}

func (h *lossyHost) now() time.Time { return time.Now().Add(h.skew) }

// receive is what the connection does with a message.
func (h *lossyHost) receive(raw []byte) {
	h.mu.Lock()
	p := h.process
	h.mu.Unlock()
	if !h.isOff() {
		p.runner.Receive(raw)
	}
}

func (h *lossyHost) isOff() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.cut || h.gone
}

func (h *lossyHost) isCut() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.cut
}

// die ends the process that belongs to dead, if it has not ended yet.
func (h *lossyHost) die(dead chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.process.dead != dead || h.cut || h.gone || h.w.ending.Load() {
		return
	}
	h.cut, h.died, h.since = true, true, time.Now()
	close(dead)
	r := h.w.rand(h.name + " dies")
	if !h.unheard {
		h.stands(job.MemberFailed, 2*time.Second+time.Duration(r.Int64N(int64(8*time.Second))))
	}
	p := h.process
	h.w.later(func() {
		p.end()
		if h.back == 0 {
			return
		}
		time.Sleep(h.back)
		h.mu.Lock()
		if h.reboots {
			h.booted = h.now()
		}
		h.stands(job.Alive, time.Duration(r.Int64N(int64(3*time.Second))))
		h.mu.Unlock()
		h.boot()
	})
}

// leave stops the process in order.
func (h *lossyHost) leave() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.cut || h.w.ending.Load() {
		return
	}
	h.gone = true
	p := h.process
	h.w.later(func() {
		p.runner.Stop(time.Hour)
		h.mu.Lock()
		defer h.mu.Unlock()
		h.stands(job.Left, 0)
	})
}

// end stops what runs, at the end of the bubble.
func (h *lossyHost) end() {
	h.mu.Lock()
	p, cut := h.process, h.cut
	h.cut, h.gone = true, true
	h.mu.Unlock()
	if p == nil || cut {
		return
	}
	close(p.dead)
	p.end()
}

// arrived notes that a reply reached the client.
func (h *lossyHost) arrived(jobID string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.came[jobID] = append(h.came[jobID], time.Now())
}

// reaches is called at each point of the protocol. Where the host dies, what called it does not go on.
func (h *lossyHost) reaches(p crashPoint, mode job.Mode, dead chan struct{}) {
	h.mu.Lock()
	here := h.dies == p && h.diesIn == mode && !h.died
	h.mu.Unlock()
	if here {
		h.die(dead)
	}
	select {
	case <-dead:
		if p != afterJournaled {
			runtime.Goexit()
		}
	default:
	}
}

func (h *lossyHost) count(m map[string]int, jobID string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	m[jobID]++
}

// lossyJournal is the real one, and the crashes around it.
type lossyJournal struct {
	*journal.Journal
	h    *lossyHost
	dead chan struct{}
}

func (j lossyJournal) ClaimChange(one journal.Job, now time.Time) error {
	j.h.reaches(beforeClaim, job.Run, j.dead)
	err := j.Journal.ClaimChange(one, now)
	if err == nil {
		j.h.count(j.h.claims, one.ID)
		j.h.reaches(afterClaim, job.Run, j.dead)
	}
	return err
}

func (j lossyJournal) Begin(one journal.Job, now time.Time) (journal.Claim, error) {
	if one.Change {
		return j.Journal.Begin(one, now)
	}
	j.h.reaches(beforeClaim, job.Match, j.dead)
	c, err := j.Journal.Begin(one, now)
	if c.First {
		j.h.count(j.h.claims, one.ID)
		j.h.reaches(afterClaim, job.Match, j.dead)
	}
	return c, err
}

// lossyPlugin has an action that changes and one that looks; both count.
type lossyPlugin struct {
	h    *lossyHost
	dead chan struct{}
}

func (p lossyPlugin) Declaration() plugin.Declaration {
	inputs := []plugin.Input{{Name: "round", Prompt: "x", Description: "x", Type: plugin.String, Pattern: "[0-9]+", MaxLength: 9}}
	return plugin.Declaration{Name: "lossy", Description: "x", Timeout: 2 * time.Minute, Actions: []plugin.Action{
		{Name: "change", Description: "x", Kind: plugin.Change, Inputs: inputs}, {Name: "look", Description: "x", Kind: plugin.Read, Inputs: inputs},
	}}
}

// declared is what the client knows of it.
func declared(pluginName, action string) (plugin.Action, bool) {
	return plugin.Find([]plugin.Declaration{lossyPlugin{}.Declaration()}, pluginName, action)
}

func (p lossyPlugin) Run(ctx context.Context, call plugin.Call) plugin.Result {
	h := p.h
	h.reaches(beforeEffect, job.Run, p.dead)
	half := time.NewTimer(h.lasts / 2)
	defer half.Stop()
	select {
	case <-half.C:
	case <-p.dead:
		runtime.Goexit()
	}
	round, _ := call.Args["round"].(string)
	h.count(h.effects, round)
	h.reaches(afterEffect, job.Run, p.dead)
	half.Reset(h.lasts / 2)
	select {
	case <-half.C:
	case <-p.dead:
		runtime.Goexit()
	}
	h.reaches(afterJournaled, job.Run, p.dead) // from here on nothing gets out, and the journal is written
	return plugin.Result{State: h.ends, Message: "done"}
}

// lossyFacts is what filters see.
type lossyFacts struct{ h *lossyHost }

func (f lossyFacts) Name() string                 { return f.h.name }
func (f lossyFacts) Fact(path string) (any, bool) { return f.h.group, path == "group" }
func (f lossyFacts) Classes() []string            { return nil }
func (f lossyFacts) Agents() []string             { return []string{"lossy"} }
func (f lossyFacts) HasData(string) bool          { return false }
func (f lossyFacts) Data(context.Context, string, string) (map[string]any, error) {
	return nil, nil
}
