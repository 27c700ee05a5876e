package attack

import (
	"testing"
	"time"

	"fleet/identity"
)

// signedBy is a token by another admin's key than the fleet's first one.
func (m *mesh) signedBy(t *testing.T, admin identity.Signer, role identity.Role, labels map[string]string) identity.Token {
	t.Helper()
	token, err := identity.NewToken(m.root.Public(), admin, identity.Record{Role: role, Labels: labels,
		Created: time.Now(), Expires: time.Now().Add(time.Hour)}, []string{m.hosts[0].broker})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// An admin who may do all to hosts with env=dev signs himself tokens: for a peer, for a peer with that label, for a host of
// production, and for one without a label that would say what it is. No peer admits them, whoever delivers the request.
func TestAnAdminLimitedToSomeHostsSignsOtherTokens(t *testing.T) {
	shared.amend(t, func(r *identity.Roster) {
		r.Roles = append(r.Roles, identity.RoleEntry{Name: "dev", Rules: []identity.Rule{{Action: "*.*", Hosts: "env=dev"}}})
	})
	bob := shared.hire(t, "bobofdev", "dev")
	dev, prod := map[string]string{"env": "dev"}, map[string]string{"env": "prod"}
	for _, tt := range []struct {
		name   string
		role   identity.Role
		labels map[string]string
	}{
		{"web60", identity.Peer, nil}, {"web61", identity.Peer, dev}, {"web62", identity.Member, prod}, {"web63", identity.Ephemeral, prod}, {"web64", identity.Member, nil},
	} {
		t.Run(string(tt.role)+tt.labels["env"], func(t *testing.T) {
			token := shared.signedBy(t, bob, tt.role, tt.labels)
			reason := "bobofdev may not create this token: no role of bobofdev allows token." + string(tt.role)
			shared.notAdmitted(t, token, tt.name, reason)
			key := identity.NewKey[identity.Node]()
			_, err := joinOver(t, shared.captured.conn, token, tt.name, key)
			shared.refusedToAdmit(t, err, token, tt.name, key, reason)
		})
	}
	if _, err := shared.join(t, shared.signedBy(t, bob, identity.Member, dev), "web65", identity.NewKey[identity.Node]()); err != nil {
		t.Errorf("a token that he may create: %v", err)
	}
}
