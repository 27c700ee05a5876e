package runner

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"fleet/identity"
	"fleet/internal/logkey"
	"fleet/job"
	"fleet/node/audit"
	"fleet/node/detached"
	"fleet/node/gate"
	"fleet/node/journal"
	"fleet/plugins/plugin"
)

// Config is what a runner needs. All fields but Resumed, Detached, Outputs and KeepReplies are required.
type Config struct {
	Node        identity.ID // the host that answers
	Credentials func() identity.Credentials
	// Judge decides whether these bytes may run here; see package gate. ctx bounds how long it may ask data functions.
	Judge func(ctx context.Context, signed []byte) gate.Decision
	// Resumed takes a place among the signer's changes for one that an earlier process began, until leave is called. nil: it takes none.
	Resumed func(signer identity.ID) (leave func())
	Plugins Plugins
	Journal Journal
	Audit   Audit
	// Detached runs actions that outlive this process, and Outputs knows what they printed. nil: all run in this process, and end
	// with it.
	Detached Detached
	Outputs  Outputs
	// Publish sends a reply. It does not wait for anybody to get it; an error means that nobody will, and whoever asked asks again.
	Publish     func(subject string, data []byte) error
	KeepReplies int // how many bytes of the last replies to reads are kept, for copies that come; 0: 4 MiB
	Log         *slog.Logger
}

// Plugins are those of this host.
type Plugins interface {
	Get(name string) (plugin.Plugin, bool)
}

// Journal is told how the jobs go that the gate has claimed in it; see package journal.
type Journal interface {
	Start(id string, e journal.Entry) error // what a claimed change is
	EndChange(id string, reply []byte, state string, now time.Time) error
	EndRead(id string)
	Resume(id string) // a change of an earlier process goes on
}

// Audit is where it is written how jobs ended; see package audit, which logs and counts itself what cannot be written.
type Audit interface {
	Add(audit.Entry) error
	AddDurable(audit.Entry) error
}

// Detached runs actions in processes of their own; see package detached.
type Detached interface {
	Begin(ctx context.Context, id string, signed []byte, c detached.Call) error
	Wait(ctx context.Context, id string) (detached.End, error)
	Stop(ctx context.Context, id string) error
	End(id string)
}

// Outputs is what detached actions printed.
type Outputs interface {
	Output(id string, offset int64, limit int) (o detached.Output, known bool, err error)
}

// Runner runs one host's jobs. It is safe for use by several goroutines.
type Runner struct {
	config  Config
	started time.Time

	acting   context.Context // what actions run under
	stop     context.CancelFunc
	awaiting context.Context // what the waiting for detached actions runs under
	leave    context.CancelFunc
	judging  chan struct{} // full: no more are judged
	workers  workers
	running  running
	recent   recent
	counts   counts
}

// New returns a runner that waits for jobs. It must be stopped.
func New(c Config) *Runner {
	if c.KeepReplies == 0 {
		c.KeepReplies = keepReplies
	}
	r := &Runner{config: c, started: time.Now(), judging: make(chan struct{}, maxJudged), recent: recent{limit: c.KeepReplies}}
	r.acting, r.stop = context.WithCancel(context.Background())
	r.awaiting, r.leave = context.WithCancel(context.Background())
	return r
}

// Receive takes one job as it came. It never blocks: the job is judged, run and answered in a goroutine of its own. What comes after
// Stop is dropped.
func (r *Runner) Receive(signed []byte) {
	select {
	case r.judging <- struct{}{}:
	default:
		r.counts.add(Dropped, TooMany)
		r.config.Log.Warn("job dropped, too many at once", logkey.Limit, maxJudged)
		return
	}
	judged := sync.OnceFunc(func() { <-r.judging })
	if !r.workers.Go(func() { defer judged(); r.handle(signed, judged) }) {
		judged()
	}
}

// handle judges a job, runs it if it may, and answers its signer. It calls judged before it runs one: that has room of its own.
func (r *Runner) handle(signed []byte, judged func()) {
	start := time.Now()
	ctx, cancel := context.WithTimeout(r.acting, filterTime)
	d := r.config.Judge(ctx, signed)
	cancel()
	if d.Verdict == gate.Drop {
		r.counts.add(Dropped, string(d.Dropped))
		r.config.Log.Warn("job dropped", logkey.Error, d.Err)
		return
	}
	a := r.answerTo(d, signed, start)
	switch d.Verdict {
	case gate.Refuse:
		a.refuse(d.Reason, d.Message)
	case gate.NoMatch:
		a.end(job.Reply{Kind: job.NoMatch})
	case gate.WouldRun:
		a.end(job.Reply{Kind: job.Result, State: job.OK})
	case gate.Seen:
		r.counts.add(Repeated, "")
		a.again()
	case gate.Busy:
		r.config.Log.Warn("no room for a job; the host says that it is busy", logkey.Job, d.Job.ID, logkey.Signer, d.Signer.Name, logkey.Message, d.Message)
		a.busy(d.Message)
	case gate.Pass:
		judged()
		defer d.Passed.Leave()
		r.run(a, d.Passed)
	}
}

// Stop stops in this order, so that nothing is promised that is not kept; the caller sees to it that no job comes any more:
//
//  1. nobody waits any more for detached actions, which go on; the next agent answers
//  2. the other actions are waited for, up to grace
//  3. then they are told to stop, and waited for again, up to grace; the result of one that does not heed it is not kept
//
// When it returns, every reply that will be sent has been given to Publish.
func (r *Runner) Stop(grace time.Duration) {
	r.leave()
	if !r.workers.wait(grace) {
		r.config.Log.Warn("actions are still running; they are told to stop", logkey.After, grace)
	}
	r.stop()
	if !r.workers.wait(grace) {
		r.config.Log.Error("actions are still running although they were told to stop; their results are not kept", logkey.After, grace)
	}
}

// workers is the goroutines that deal with jobs.
type workers struct {
	mu     sync.Mutex
	closed bool
	group  sync.WaitGroup
	count  atomic.Int64
}

// Go runs f in a goroutine, or returns false: the runner stops, and f could not end its work.
func (w *workers) Go(f func()) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.closed {
		w.count.Add(1)
		w.group.Go(func() { defer w.count.Add(-1); f() })
	}
	return !w.closed
}

// wait takes nothing more and waits, up to limit, until all that was taken has ended; it reports whether it has.
func (w *workers) wait(limit time.Duration) bool {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	done := make(chan struct{})
	go func() { w.group.Wait(); close(done) }()
	t := time.NewTimer(limit)
	defer t.Stop()
	select {
	case <-done:
		return true
	case <-t.C:
		return false
	}
}
