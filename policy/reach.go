package policy

import (
	"context"
	"slices"

	"fleet/identity"
)

// Reach is how far a signer's right to an action goes, as far as can be told at no cost: without its arguments, the job's filter
// or any fact. It never says less than what Decide would allow.
type Reach int

const (
	Nowhere   Reach = iota // no rule allows it now, on whatever host
	Elsewhere              // a role allows it now, on hosts with other labels
	Here                   // a rule may allow it on this host
)

// RosterReach is how far the roster alone lets it go. Of q it looks at the signer, the action, the labels and the time.
func RosterReach(ctx context.Context, r identity.Roster, q Question) Reach {
	reach := Nowhere
	for _, role := range r.Roles {
		if !slices.Contains(q.Signer.Roles, role.Name) {
			continue
		}
		for _, rule := range role.Rules {
			if !fitsAction(rule.Action, q) || !fitsTime(rule, q) {
				continue
			}
			if fitsLabels(ctx, rule, q) {
				return Here
			}
			reach = Elsewhere
		}
	}
	return reach
}

// Reach is how far the host's file and the roster let it go. The file can only add to it: who may do it by the roster and not
// on this host is told so where the job is for this host, and elsewhere it is no match.
func (f File) Reach(q Question, roster func() Reach) Reach {
	for _, r := range f.rules {
		if !r.concerns(q) {
			continue
		}
		if r.allow {
			return Here
		}
		if len(r.args) == 0 && r.when == "" {
			break // it always denies; no later rule is asked
		}
	}
	return roster()
}
