package gate

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"strings"

	"fleet/job"
	"fleet/job/filter"
	"fleet/node/audit"
	"fleet/node/journal"
	"fleet/policy"
)

// The ways out of Judge but the last. Each writes its line into the audit; that it cannot be written, the audit itself logs
// and counts, and only a change that is about to run has to heed it.

// drop is for bytes that do not verify: they are never answered.
func (g *Gate) drop(signed []byte, why Dropped, err error) Decision {
	hash := job.HashOf(signed)
	g.Audit.AddLimited(audit.Entry{Event: audit.Dropped, Hash: hex.EncodeToString(hash[:]), Message: err.Error()})
	return Decision{Verdict: Drop, Err: err, Dropped: why}
}

// refuse is for a job that verified and may not run here. The signer is told why. It is the end of these bytes: they do not run
// when they come again. One of another fleet never can.
func (g *Gate) refuse(d Decision, reason job.Reason, format string, args ...any) Decision {
	d.Reason, d.Message = reason, fmt.Sprintf(format, args...)
	if reason != job.ReasonFleet && !(d.Claimed && d.Change) { // a claim on disk is one
		g.Journal.Refuse(d.known, journal.Refusal{Reason: string(reason), Message: d.Message})
		g.release(d) // after it is remembered
		d.Claimed = false
	}
	return g.end(d, Refuse, audit.Refuse)
}

// kind is what the job takes room of. What this host has no action for may be a change.
func (d Decision) kind() kind {
	switch {
	case d.Job.Plugin == "jobs" && d.Job.Action == "cancel": // or nobody could end what fills the room
		return cancel
	case d.known.Change:
		return change
	}
	return read
}

// busy is for a job that finds no room. A copy is answered by how that one stands. What is new is to come again: nothing of it is
// remembered, and it has no line in the audit, as nothing is decided.
func (g *Gate) busy(d Decision, full string) Decision {
	if claim, known := g.Journal.Find(d.known); known {
		return g.seen(d, claim)
	}
	d.Verdict, d.Message, d.Claim = Busy, full, journal.Claim{}
	return d
}

// withoutRight is for a job that no rule can allow here. It has claimed nothing, and its filter is asked nothing but what the
// signer may know: who has the right on other hosts, by their labels, is not refused by those that his filter leaves out.
func (g *Gate) withoutRight(d Decision, reach policy.Reach) Decision {
	if claim, known := g.Journal.Find(d.known); known { // it came when he had the right
		return g.seen(d, claim)
	}
	where := ""
	if reach == policy.Elsewhere {
		m, err := filter.Compile(d.Job.Filter)
		if err == nil && !m.Could(g.Host.Name(), g.Self().Labels) {
			return g.noMatch(d)
		}
		where = " here"
	}
	roles := cmp.Or(strings.Join(d.Signer.Roles, ", "), "none")
	d.By = fmt.Sprintf("no role of %s allows %s.%s%s (roles: %s)", d.Signer.Name, d.Job.Plugin, d.Job.Action, where, roles)
	return g.refuse(d, job.ReasonPolicy, "%s", d.By)
}

// noMatch is for a job that is not for this host. A change stays so, whatever becomes of the host; where its list of targets says so
// there is nothing to remember. A read stays claimed, if it was.
func (g *Gate) noMatch(d Decision) Decision {
	if d.known.Change && g.listed(d.Job) {
		g.Journal.Refuse(d.known, journal.Refusal{})
		g.release(d)
	}
	return g.end(d, NoMatch, audit.NoMatch)
}

// release lets go of a job that is held. One that is not may have the id of another that is.
func (g *Gate) release(d Decision) {
	if d.Claim.First {
		g.Journal.Release(d.Job.ID)
	}
}

// seen is for a copy of a job that came before: it is answered by how that one stands.
func (g *Gate) seen(d Decision, claim journal.Claim) Decision {
	d.Verdict, d.Claim = Seen, claim
	e := d.Entry(audit.Repeated)
	e.Args, e.Why = nil, ""
	g.Audit.AddLimited(e)
	if why := claim.Refused; why != nil {
		d.Verdict, d.Reason, d.Message = Refuse, job.Reason(why.Reason), why.Message
		if why.Reason == "" {
			d.Verdict = NoMatch
		} else if why.Message == "" {
			d.Message = "was refused here before; send a new one"
		}
	}
	return d
}

// end is for every other verdict under which nothing runs.
func (g *Gate) end(d Decision, v Verdict, decision string) Decision {
	d.Verdict = v
	g.write(d, decision)
	return d
}

// write writes the line of a decision, durably for a change. Where the job was not claimed, whoever has a copy of it can bring it
// again and again, and who has no right any number of new ones, so its lines are limited.
func (g *Gate) write(d Decision, decision string) error {
	e := d.Entry(audit.Decided)
	e.Decision = decision
	switch {
	case !d.Claim.First:
		return g.Audit.AddLimited(e)
	case d.Change:
		return g.Audit.AddDurable(e)
	}
	return g.Audit.Add(e)
}

// Entry is what each line about the job has: who signed what, and what was decided.
func (d Decision) Entry(event audit.Event) audit.Entry {
	e := audit.Entry{
		Event: event, Job: d.Job.ID, Plan: d.Job.Plan.ID, Why: d.Job.Reason, Hash: hex.EncodeToString(d.Hash[:]), Signer: d.Signer.Name, Plugin: d.Job.Plugin, Action: d.Job.Action,
		Args: d.Shown, Reason: string(d.Reason), By: d.By, Second: strings.Join(d.CoSigners, ", "),
	}
	if !d.Signer.Key.IsZero() {
		e.Key = string(d.Signer.Key.ID())
	}
	if d.Message != d.By {
		e.Message = d.Message
	}
	return e
}
