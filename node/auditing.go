package node

import (
	"context"
	"fmt"

	"fleet/identity"
	"fleet/internal/logkey"
	"fleet/node/audit"
	"fleet/plugins/answers"
	nodeplugin "fleet/plugins/node"
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
		n.log.Warn("audit not closed in order", logkey.Error, err)
	}
}

// auditAdmission writes that a host was let in, or why not. who is empty where nothing in the request could be believed.
func (n *Node) auditAdmission(who identity.NodeIdentity, refused error) {
	if refused == nil {
		by := string(who.Admin)
		if a, ok := n.roster.Load().Admin(who.Admin); ok {
			by = a.Name
		}
		n.audit.AddDurable(admitted(who, by))
		return
	}
	n.audit.AddLimited(audit.Entry{Event: audit.Admission, Signer: who.Name, Key: string(who.ID), Decision: audit.Refuse, Message: refused.Error()})
}

// admitted is the line about a host that was let in with a token that this admin made.
func admitted(who identity.NodeIdentity, by string) audit.Entry {
	return audit.Entry{Event: audit.Admission, Signer: who.Name, Key: string(who.ID), Token: string(who.Token), Decision: audit.Admit,
		Message: fmt.Sprintf("%s, with token %s that %s made", who.Role, who.Token, by)}
}

// auditRoster writes that another roster is in force than old, and which keys count no more.
func (n *Node) auditRoster(old identity.Roster) {
	r := n.roster.Load()
	if r.Hash != old.Hash {
		n.audit.AddDurable(audit.Entry{Event: audit.Roster, Message: fmt.Sprintf("version %d (%s), %d admins", r.Version, r.Hash.Short(), len(r.Admins))})
	}
	var lines []string
	for id, v := range r.Revoked {
		switch was, known := old.Revoked[id]; {
		case v.Hosts && !was.Hosts:
			lines = append(lines, fmt.Sprintf("%s %s is revoked with all hosts that came with it", v.What, id))
		case !known:
			lines = append(lines, fmt.Sprintf("%s %s is revoked", v.What, id))
		}
	}
	if more := len(lines) - maxRevokedLines; more > 0 {
		lines = append(lines[:maxRevokedLines], fmt.Sprintf("%d others are revoked", more))
	}
	for _, line := range lines {
		n.audit.AddDurable(audit.Entry{Event: audit.Roster, Message: line})
	}
}

// maxRevokedLines is how many keys that were revoked are named at a time: a host that was away for long may hear of 16,384, and
// each line is a write to the disk.
const maxRevokedLines = 100

// auditDocument writes why a document that somebody offered was not taken.
func (n *Node) auditDocument(refused error) {
	n.audit.AddLimited(audit.Entry{Event: audit.Document, Decision: audit.Refuse, Message: refused.Error()})
}

// Audit answers those who read the audit from afar.
func (h host) Audit(ctx context.Context, q nodeplugin.AuditQuery) (answers.AuditPage, error) {
	p, err := h.n.audit.Read(ctx, audit.Query(q))
	return answers.AuditPage{Lines: p.Lines, More: p.More, Seq: p.Head.Seq, Hash: p.Head.Hash}, err
}
