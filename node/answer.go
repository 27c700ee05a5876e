package node

import (
	"log/slog"
	"sync"
	"time"

	"fleet/internal/logkey"
	"fleet/job"
	"fleet/node/gate"
)

// answer is one job's way back to its signer.
type answer struct {
	n        *Node
	decision gate.Decision
	signed   []byte // the job as it came
	start    time.Time
	log      *slog.Logger

	mu    sync.Mutex // accepted may come from a timer
	ended bool
}

// accepted says that the job passed the gate and runs. After the end it says nothing.
func (a *answer) accepted() { a.acceptedWith("") }

// acceptedWith says so again, with what the action has printed lately.
func (a *answer) acceptedWith(lines string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.ended {
		a.send(a.sign(job.Reply{Kind: job.Accepted, Message: lines}))
	}
}

const (
	// stillRuns is how often a host says that an action runs on.
	stillRuns = 3 * time.Second
	// maxLines bounds what it says then of what the action printed, in bytes. All of it is kept on the host.
	maxLines = 8 << 10
)

// whileRunning says every few seconds that the action runs, with what printed returns, until stop is called.
func (a *answer) whileRunning(printed func() string) (stop func()) {
	done := make(chan struct{})
	go func() {
		tick := time.NewTicker(stillRuns)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				a.acceptedWith(printed())
			}
		}
	}()
	return sync.OnceFunc(func() { close(done) })
}

// end keeps the last reply, for copies of the job that may come, and sends it.
func (a *answer) end(r job.Reply) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ended = true
	a.n.counts.ended(a.decision.Job.Mode, r)
	signed := a.sign(r)
	if a.decision.Claim.First {
		a.n.runs.end(a.decision.Job.ID)
	}
	switch id := a.decision.Job.ID; {
	case !a.decision.Claim.First: // refused before it was claimed: one of the same id may be running
	case a.decision.Change:
		if err := a.n.journal.EndChange(id, signed, string(r.State), time.Now().UTC()); err != nil {
			a.n.counts.add(journalErrors, "")
			a.log.Error("result not kept on disk; it is known until this node stops", logkey.Error, err)
			a.n.recent.put(id, signed)
		}
	default:
		a.n.recent.put(id, signed)
		a.n.journal.EndRead(id)
	}
	a.send(signed)
}

// again answers a copy of a job that was claimed before, without running anything.
func (a *answer) again() {
	claim := a.decision.Claim
	signed := claim.Result
	if signed == nil {
		signed = a.n.recent.get(a.decision.Job.ID)
	}
	if signed != nil && !job.RepliesTo(signed, a.decision.Hash) {
		a.send(a.sign(job.Reply{Kind: job.Refused, State: job.Denied, Reason: job.ReasonSeen,
			Message: "another job of this id ran here before; ask with a new one"}))
	} else if signed != nil {
		a.send(signed)
	} else if claim.Running {
		a.accepted()
	} else if e := claim.Entry; e.Cancelled {
		a.send(a.sign(job.Reply{Kind: job.Refused, State: job.Denied, Reason: job.ReasonCancelled, Message: "was cancelled before it came here"}))
	} else if !e.Ended.IsZero() {
		a.send(a.sign(job.Reply{Kind: job.Refused, State: job.Denied, Reason: job.ReasonSeen,
			Message: "ran here before (" + e.State + ") and its answer is not kept; ask with a new one"}))
	} else if a.decision.Change {
		a.send(a.sign(job.Reply{Kind: job.Result, State: job.Lost,
			Message: "was started here, and the node ended before the action did; look at what it left"}))
	} else if time.UnixMilli(a.decision.Job.Issued).Before(a.n.started) {
		a.send(a.sign(job.Reply{Kind: job.Result, State: job.Lost,
			Message: "was asked here, and the node has been restarted since; its answer is not kept, ask again"}))
	} else {
		a.send(a.sign(job.Reply{Kind: job.Refused, State: job.Denied, Reason: job.ReasonSeen,
			Message: "this job ran here before and its answer is not kept; ask with a new one"}))
	}
}

func (a *answer) sign(r job.Reply) []byte {
	r.Protocol, r.Job = a.decision.Job.Protocol, a.decision.Hash
	r.Took, r.Time = time.Since(a.start).Microseconds(), time.Now().UnixMilli()
	signed, err := r.Sign(*a.n.creds.Load())
	if err != nil { // a bug: replyOf makes only what can be signed
		a.log.Error("reply cannot be signed", logkey.Error, err)
		r = job.Reply{Protocol: r.Protocol, Kind: job.Result, State: job.Failed, Job: r.Job, Time: r.Time, Message: "the action ended, and its answer could not be encoded"}
		signed, _ = r.Sign(*a.n.creds.Load())
	}
	return signed
}

func (a *answer) send(signed []byte) {
	nc := a.n.conn.Load()
	if nc == nil {
		return
	}
	sealed, err := job.SealReply(a.decision.Job, a.decision.Hash, signed)
	if err != nil {
		a.log.Error("reply cannot be sealed", logkey.Error, err)
		return
	}
	subject := job.ReplySubject(a.n.self.Load().ID, a.decision.Signer.Key.ID(), a.decision.Job.ID)
	err = nc.Publish(subject, sealed)
	a.n.counts.replied(err)
	if err != nil {
		a.log.Warn("reply not sent; the asker asks again", logkey.Error, err)
	}
}

// recent holds the last replies to reads, so that a re-sent question is answered and not run again.
type recent struct {
	mu    sync.Mutex
	reply map[string][]byte
	order []string
	bytes int
}

const (
	recentReplies = 1024
	recentBytes   = 4 << 20
)

func (r *recent) put(id string, signed []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.reply == nil {
		r.reply = map[string][]byte{}
	}
	if _, ok := r.reply[id]; ok {
		return // the first answer stays
	}
	r.reply[id], r.order, r.bytes = signed, append(r.order, id), r.bytes+len(signed)
	for len(r.order) > recentReplies || r.bytes > recentBytes {
		r.bytes -= len(r.reply[r.order[0]])
		delete(r.reply, r.order[0])
		r.order = r.order[1:]
	}
}

func (r *recent) get(id string) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.reply[id]
}
