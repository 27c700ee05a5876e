package policy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"fleet/identity"
)

// TokenPlugin stands in rules where an action has its plugin: token.member, token.ephemeral and token.peer are the rights to
// create join tokens of that role. No plugin may have this name.
const TokenPlugin = "token"

// TokenRoles are the roles of hosts for which there is such a right.
func TokenRoles() []identity.Role {
	return []identity.Role{identity.Member, identity.Ephemeral, identity.Peer}
}

// Token decides whether an admin may let hosts in with a token of this role and these labels. The roster alone decides. A
// rule's expression over hosts is asked of the token's labels. A token has one signature, so a rule that asks for a second
// one allows none, and it has no arguments, so neither does a rule that names some. A peer is trusted by the whole fleet,
// whatever its labels, so a rule for all plugins that is limited to some hosts is no right to create peers: it takes one
// that names tokens.
func Token(r identity.Roster, signer identity.AdminEntry, role identity.Role, labels map[string]string, now time.Time) Answer {
	// Labels are at hand, so nothing blocks.
	a := Roster(context.Background(), r, Question{
		Signer: signer, Plugin: TokenPlugin, Action: string(role), Change: true, Labels: labels, Now: now,
	})
	switch {
	case a.Allowed:
		return a
	case a.Waits:
		return Answer{By: "a token cannot carry the second signature that this rule asks for: " + a.By}
	}
	return Answer{By: fmt.Sprintf("no role of %s allows %s.%s with these labels (roles: %s)", signer.Name, TokenPlugin, role, strings.Join(signer.Roles, ", "))}
}

// MayAdmit says why the admin who signed a token has no right to it, or nil. It is asked where the token is used: whoever
// came with it stays when the right is taken away.
func MayAdmit(r identity.Roster, record identity.Record, now time.Time) error {
	admin, ok := r.Admin(record.Issuer.ID())
	if !ok {
		return errors.New("the token was not created by an admin of this fleet")
	}
	if a := Token(r, admin, record.Role, record.Labels, now); !a.Allowed {
		return fmt.Errorf("%s may not create this token: %s", admin.Name, a.By)
	}
	return nil
}

// coversToken reports whether a rule that fits in all else is meant for a token of this role.
func coversToken(rule identity.Rule, role string) bool {
	return role != string(identity.Peer) || rule.Hosts == "" || aboutTokens(rule)
}

// aboutTokens reports whether a rule is for the rights to create tokens and for nothing else.
func aboutTokens(r identity.Rule) bool { return strings.HasPrefix(r.Action, TokenPlugin+".") }

// CheckTokenRule says what keeps a rule about tokens from ever allowing any, or nil. It says nothing of other rules.
func CheckTokenRule(r identity.Rule) error {
	_, role, _ := strings.Cut(r.Action, ".")
	switch {
	case !aboutTokens(r):
		return nil
	case role != "*" && !identity.Role(role).Valid():
		return fmt.Errorf("%q is not a right to create tokens; there are token.member, token.ephemeral, token.peer and token.*", r.Action)
	case len(r.Args) > 0:
		return fmt.Errorf("a rule for %s has no arguments: the labels that a token may give are for --hosts", r.Action)
	case r.Second > 0:
		return fmt.Errorf("a token carries one signature, so a rule for %s that asks for a second one would allow none", r.Action)
	}
	return nil
}
