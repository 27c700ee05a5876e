package node

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"fleet/identity"
	"fleet/job"
	"fleet/node/audit"
	"fleet/node/gate"
	"fleet/plugins/plugin"
	"fleet/plugins/rpcutil"
)

// Where a line cannot be written, the audit itself says so in the log, counts it and tells the count later; only a change
// that is about to run has to heed it.

func (n *Node) auditStart() {
	if n.config.AuditOptional {
		n.log.Warn("changes run also when they cannot be audited (audit_required = false)")
	}
	n.audit.AddDurable(audit.Entry{Event: audit.Start, Message: fmt.Sprintf("fleet %s, roster version %d", n.config.Version, n.roster.Load().Version)})
}

func (n *Node) auditStop() {
	n.audit.AddDurable(audit.Entry{Event: audit.Stop})
	if err := n.audit.Close(); err != nil {
		n.log.Warn("audit not closed in order", "error", err)
	}
}

// auditDecision writes what the gate decided. For a change that may run, the line is on disk when it returns, or d has
// become a refusal. A read that may run gets its one line when it has ended.
func (n *Node) auditDecision(d *gate.Decision, signed []byte) {
	if d.Verdict == gate.Pass && !d.Change {
		return
	}
	e := n.entryOf(*d)
	e.Event = audit.Decided
	var err error
	switch d.Verdict {
	case gate.Drop:
		hash := job.HashOf(signed)
		n.audit.AddLimited(audit.Entry{Event: audit.Dropped, Hash: hex.EncodeToString(hash[:]), Message: d.Err.Error()})
		return
	case gate.Seen:
		e.Event, e.Args = audit.Repeated, nil
		n.audit.AddLimited(e)
		return
	case gate.NoMatch:
		e.Decision = audit.NoMatch
	case gate.Willing:
		e.Decision = audit.WouldRun
	case gate.Pass:
		e.Decision = audit.Run
	default:
		e.Decision = audit.Refuse
		if !d.Claim.First { // not claimed: whoever has a copy of the job can bring it here again and again
			n.audit.AddLimited(e)
			return
		}
	}
	if d.Change {
		err = n.audit.AddDurable(e)
	} else {
		n.audit.Add(e)
	}
	if err != nil && d.Verdict == gate.Pass && !n.config.AuditOptional {
		d.Verdict, d.Reason = gate.Refuse, job.ReasonAudit
		d.Message = fmt.Sprintf("%v; until it can, this host changes nothing: look at %s", err, n.config.Dir.file(auditDir))
		e.Decision, e.Reason = audit.Refuse, string(d.Reason) // in case that only the disk's word was missing
		n.audit.Add(e)
	}
}

// auditOutcome writes how an action ended.
func (n *Node) auditOutcome(a *answer, r job.Reply) {
	e := n.entryOf(a.decision)
	e.Event, e.State, e.Message, e.TookUS = audit.Ended, string(r.State), r.Message, time.Since(a.start).Microseconds()
	if a.decision.Change {
		e.Args, e.By, e.Second = nil, "", "" // they stand in the decision
		n.audit.AddDurable(e)
		return
	}
	e.Decision = audit.Run
	n.audit.Add(e)
}

// auditAdmission writes that a host was let in, or why not. req is empty where nothing in it could be believed.
func (n *Node) auditAdmission(req identity.JoinRequest, refused error) {
	e := audit.Entry{Event: audit.Admission, Signer: req.Name, Decision: audit.Admit}
	if !req.Key.IsZero() {
		e.Key = string(req.Key.ID())
	}
	if refused != nil {
		e.Decision, e.Message = audit.Refuse, refused.Error()
		n.audit.AddLimited(e)
		return
	}
	n.audit.AddDurable(e)
}

// auditRoster writes that another roster is in force.
func (n *Node) auditRoster() {
	r := n.roster.Load()
	n.audit.AddDurable(audit.Entry{Event: audit.Roster, Message: fmt.Sprintf("version %d, %d admins", r.Version, len(r.Admins))})
}

// auditDocument writes why a document that somebody offered was not taken.
func (n *Node) auditDocument(refused error) {
	n.audit.AddLimited(audit.Entry{Event: audit.Document, Decision: audit.Refuse, Message: refused.Error()})
}

// entryOf is what all lines about a job have.
func (n *Node) entryOf(d gate.Decision) audit.Entry {
	e := audit.Entry{
		Job: d.Job.ID, Hash: hex.EncodeToString(d.Hash[:]), Signer: d.Signer.Name, Plugin: d.Job.Plugin, Action: d.Job.Action,
		Args: n.shownArgs(d.Job), Reason: string(d.Reason), By: d.By, Second: strings.Join(d.Seconds, ", "),
	}
	if !d.Signer.Key.IsZero() {
		e.Key = string(d.Signer.Key.ID())
	}
	if d.Message != d.By {
		e.Message = d.Message
	}
	return e
}

// shownArgs are a job's arguments as they may be logged and audited.
func (n *Node) shownArgs(j job.Job) plugin.Args {
	action, _ := actions{n}.Action(j.Plugin, j.Action)
	return action.Shown(j.Args)
}

// Audit answers those who read the audit from afar.
func (h host) Audit(ctx context.Context, q rpcutil.AuditQuery) (rpcutil.AuditPage, error) {
	p, err := h.n.audit.Read(ctx, audit.Query(q))
	return rpcutil.AuditPage{Lines: p.Lines, More: p.More, Seq: p.Head.Seq, Hash: p.Head.Hash}, err
}
