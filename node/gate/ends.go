package gate

import (
	"encoding/hex"
	"fmt"
	"strings"

	"fleet/job"
	"fleet/node/audit"
	"fleet/node/journal"
)

// The ways out of Judge but the last. Each writes its line into the audit; that it cannot be written, the audit itself logs
// and counts, and only a change that is about to run has to heed it.

// drop is for bytes that do not verify: they are never answered.
func (g *Gate) drop(signed []byte, why Dropped, err error) Decision {
	hash := job.HashOf(signed)
	g.Audit.AddLimited(audit.Entry{Event: audit.Dropped, Hash: hex.EncodeToString(hash[:]), Message: err.Error()})
	return Decision{Verdict: Drop, Err: err, Dropped: why}
}

// refuse is for a job that verified and may not run here. The signer is told why.
func (g *Gate) refuse(d Decision, reason job.Reason, format string, args ...any) Decision {
	d.Reason, d.Message = reason, fmt.Sprintf(format, args...)
	return g.end(d, Refuse, audit.Refuse)
}

// seen is for a copy of a job that was claimed before.
func (g *Gate) seen(d Decision, claim journal.Claim) Decision {
	d.Verdict, d.Claim = Seen, claim
	e := d.Entry(audit.Repeated)
	e.Args = nil
	g.Audit.AddLimited(e)
	return d
}

// end is for every other verdict under which nothing runs.
func (g *Gate) end(d Decision, v Verdict, decision string) Decision {
	d.Verdict = v
	g.write(d, decision)
	return d
}

// write writes the line of a decision, durably for a change. Where the job was not claimed, whoever has a copy of it can bring it
// again and again, so its lines are limited.
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
		Event: event, Job: d.Job.ID, Hash: hex.EncodeToString(d.Hash[:]), Signer: d.Signer.Name, Plugin: d.Job.Plugin, Action: d.Job.Action,
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
