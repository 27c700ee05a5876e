package node

import (
	"context"
	"fmt"
	"time"

	"fleet/plugins/answers"
	"fleet/plugins/plugin"
)

// Bounds of one answer: it must fit into one message together with the rest of it.
const (
	usualAuditLines = 50
	maxAuditLines   = 500
	maxAuditBytes   = 256 << 10
	maxAuditSince   = 10 * 365 * 24 * time.Hour
)

func auditAction() plugin.Action {
	return plugin.Action{
		Name: "audit", Description: "Report what the node decided and did: the newest lines of its audit", Kind: plugin.Read, Timeout: 30 * time.Second,
		Inputs: []plugin.Input{
			{Name: "job", Prompt: "Job", Description: "only lines of the job with this id", Type: plugin.String, Optional: true, Pattern: "[0-9A-Z]{26}", MaxLength: 26},
			{Name: "event", Prompt: "Event", Description: "only lines about this, such as admission", Type: plugin.String, Optional: true, Pattern: "[a-z]+", MaxLength: 20},
			{Name: "since", Prompt: "Since", Description: "only lines of the last so many seconds", Type: plugin.Integer, Optional: true},
			{Name: "limit", Prompt: "Limit", Description: fmt.Sprintf("the newest so many lines, at most %d", maxAuditLines), Type: plugin.Integer, Default: int64(usualAuditLines)},
		},
		Outputs: answers.Outputs[answers.AuditPage](),
	}
}

func (p Plugin) audit(ctx context.Context, args plugin.Args) plugin.Result {
	q := AuditQuery{Job: args.String("job"), Event: args.String("event"), Limit: int(args.Int("limit")), Bytes: maxAuditBytes}
	if q.Limit < 1 || q.Limit > maxAuditLines {
		return plugin.Failf("limit: %d is not a number of lines from 1 to %d", q.Limit, maxAuditLines)
	}
	if since, given := args["since"]; given {
		seconds := args.Int("since")
		if seconds < 1 || seconds > int64(maxAuditSince/time.Second) {
			return plugin.Failf("since: %v is not a number of seconds", since)
		}
		q.Since = time.Now().Add(-time.Duration(seconds) * time.Second)
	}
	page, err := p.host.Audit(ctx, q)
	if err != nil {
		return plugin.Failf("the audit cannot be read: %v", err)
	}
	return answers.OK(fmt.Sprintf("%d lines of %d", len(page.Lines), page.Seq), page)
}
