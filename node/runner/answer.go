package runner

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
	r        *Runner
	decision gate.Decision
	signed   []byte // the job as it came
	start    time.Time
	log      *slog.Logger

	mu    sync.Mutex // accepted may come from a timer
	ended bool
}

// answerTo is the way back to the signer of a job that the gate has judged.
func (r *Runner) answerTo(d gate.Decision, signed []byte, start time.Time) *answer {
	j := d.Job
	log := r.config.Log.With(logkey.Job, j.ID, logkey.Signer, d.Signer.Name, logkey.Plugin, j.Plugin, logkey.Action, j.Action)
	if !j.Plan.IsZero() {
		log = log.With(logkey.Plan, j.Plan.ID)
	}
	return &answer{r: r, decision: d, signed: signed, start: start, log: log}
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

// busy says that there is no room for the job now. It is not the end of it: it may come again.
func (a *answer) busy(full string) {
	a.r.counts.add(PutOff, "")
	a.log.Debug("job put off", logkey.Message, full)
	a.send(a.sign(job.Reply{Kind: job.Busy, Message: full}))
}

// refuse tells the signer why the job does not run here.
func (a *answer) refuse(reason job.Reason, message string) {
	a.log.Warn("job refused", logkey.Reason, reason, logkey.Message, message)
	a.end(job.Reply{Kind: job.Refused, State: job.Denied, Reason: reason, Message: message})
}

// end keeps the last reply, for copies of the job that may come, and sends it.
func (a *answer) end(r job.Reply) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ended = true
	a.r.counts.ended(a.decision.Job.Mode, r)
	signed := a.sign(r)
	switch id := a.decision.Job.ID; {
	case !a.decision.Claim.First: // a copy, or refused before it was looked at: one of the same id may be running
	case !a.decision.Claimed:
		a.r.recent.put(id, signed) // for who asks for it; a copy is stopped by the gate
	case a.decision.Change:
		if err := a.r.config.Journal.EndChange(id, signed, string(r.State), time.Now().UTC()); err != nil {
			a.r.counts.add(JournalErrors, "")
			a.log.Error("result not kept on disk; it is known until this node stops", logkey.Error, err)
			a.r.recent.put(id, signed)
		}
	default:
		a.r.recent.put(id, signed)
		a.r.config.Journal.EndRead(id)
	}
	if a.decision.Claim.First { // after the journal, which says to who cancels whether there will be an end
		a.r.running.end(a.decision.Job.ID)
	}
	a.send(signed)
}

// again answers a copy of a job that was claimed before, without running anything.
func (a *answer) again() {
	refuse := func(reason job.Reason, message string) {
		a.send(a.sign(job.Reply{Kind: job.Refused, State: job.Denied, Reason: reason, Message: message}))
	}
	lost := func(message string) {
		a.send(a.sign(job.Reply{Kind: job.Result, State: job.Lost, Message: message}))
	}
	claim := a.decision.Claim
	kept := claim.Result
	if kept == nil && !claim.Running { // while it runs there may be a refusal from before it had all its signatures
		kept = a.r.recent.get(a.decision.Job.ID)
	}
	switch e := claim.Entry; {
	case kept != nil && !job.RepliesTo(kept, a.decision.Hash):
		refuse(job.ReasonSeen, "another job of this id ran here before; ask with a new one")
	case kept != nil:
		a.send(kept)
	case claim.Running:
		a.accepted()
	case e.Cancelled:
		refuse(job.ReasonCancelled, "was cancelled before it came here")
	case !e.Ended.IsZero():
		refuse(job.ReasonSeen, "ran here before ("+e.State+") and its answer is not kept; ask with a new one")
	case a.decision.Change:
		lost("was started here, and the node ended before the action did; look at what it left")
	case a.decision.Job.IssuedAt().Before(a.r.started):
		lost("was asked here, and the node has been restarted since; its answer is not kept, ask again")
	default:
		refuse(job.ReasonSeen, "this job ran here before and its answer is not kept; ask with a new one")
	}
}

// sign makes a reply to this job and signs it.
func (a *answer) sign(r job.Reply) []byte {
	r.Protocol, r.Job = a.decision.Job.Protocol, a.decision.Hash
	r.Took, r.Time = time.Since(a.start).Microseconds(), time.Now().UnixMilli()
	signed, err := r.Sign(a.r.config.Credentials())
	if err != nil { // a bug: replyOf makes only what can be signed
		a.log.Error("reply cannot be signed", logkey.Error, err)
		r = job.Reply{Protocol: r.Protocol, Kind: job.Result, State: job.Failed, Job: r.Job, Time: r.Time, Message: "the action ended, and its answer could not be encoded"}
		signed, _ = r.Sign(a.r.config.Credentials())
	}
	return signed
}

// send seals a reply to who asked and sends it.
func (a *answer) send(signed []byte) {
	sealed, err := job.SealReply(a.decision.Job, a.decision.Hash, signed)
	if err != nil {
		a.log.Error("reply cannot be sealed", logkey.Error, err)
		return
	}
	err = a.r.config.Publish(job.ReplySubject(a.r.config.Node, a.decision.Signer.Key.ID(), a.decision.Job.ID), sealed)
	if err != nil {
		a.r.counts.add(Replies, Unsent)
		a.log.Warn("reply not sent; whoever asked asks again", logkey.Error, err)
		return
	}
	a.r.counts.add(Replies, Sent)
}
