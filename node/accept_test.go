package node

import (
	"strings"
	"testing"
	"time"

	"fleet/identity"
	"fleet/internal/identitytest"
)

// What comes with an admission is checked before anything of it is kept: the roster is no older than the token's admin knew,
// it admits the broker that it came from, and the certificate is for this host's statement.
func TestAnAdmissionIsForThisHost(t *testing.T) {
	now := time.Now()
	root, admin, key := identity.NewKey[identity.Root](), identity.NewKey[identity.Admin](), identity.NewKey[identity.Node]()
	issuer, err := identity.NewIssuer(root, now)
	if err != nil {
		t.Fatal(err)
	}
	fleet := identitytest.Fleet{Root: root.Public(), Admin: admin, Issuer: issuer}
	upstart := fleet
	upstart.Admin = identity.NewKey[identity.Admin]()
	roster := func(version uint64) []byte {
		signed, err := identity.SignRoster(root, identity.Roster{Version: version, Fleet: "test", Admins: []identity.AdminEntry{{Name: "ann", Key: admin.Public()}}}, now)
		if err != nil {
			t.Fatal(err)
		}
		return signed
	}
	chain := func(statement []byte) identity.Chain {
		c, err := issuer.Issue(statement, now)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	token := fleet.Token(t, identity.Record{Labels: map[string]string{"env": "prod"}, Roster: 5}, now)
	j := joining{token: token, key: key, seal: identity.NewSealKey()}
	if j.statement, err = identity.NewStatement(token, key.Public(), j.seal.Public(), "web1", now); err != nil {
		t.Fatal(err)
	}
	peer := fleet.Host(t, "peer", identity.Record{Role: identity.Peer}, now)
	revoked, err := identity.SignRevocations(root, "ann", now, identity.RevokeNode(peer.Key.Public().ID(), now))
	if err != nil {
		t.Fatal(err)
	}
	good := identity.Admission{Chain: chain(j.statement), Documents: [][]byte{roster(5)}, GossipKey: make([]byte, 32)}
	for name, tt := range map[string]struct {
		change func(*identity.Admission, *identity.Chain)
		want   string
	}{
		"as it should be": {func(*identity.Admission, *identity.Chain) {}, ""},
		"no roster":       {func(a *identity.Admission, _ *identity.Chain) { a.Documents = nil }, "no roster came"},
		"an older roster": {func(a *identity.Admission, _ *identity.Chain) { a.Documents = [][]byte{roster(4)} }, "is version 4, and the token's admin knew version 5"},
		"a broker that is revoked": {func(a *identity.Admission, _ *identity.Chain) { a.Documents = append(a.Documents, revoked) },
			"peer: node " + string(peer.Key.Public().ID()) + " is revoked"},
		"a broker that was made up with the issuing key": {func(_ *identity.Admission, broker *identity.Chain) {
			*broker = upstart.Host(t, "peer", identity.Record{Role: identity.Peer}, now).Chain
		}, "which is no admin's"},
		"other labels": {func(a *identity.Admission, _ *identity.Chain) {
			a.Chain = chain(identitytest.Statement(t, fleet.Token(t, identity.Record{Labels: map[string]string{"env": "dev"}}, now), key, "web1", now))
		}, "not for this host's statement"},
		"another sealing key": {func(a *identity.Admission, _ *identity.Chain) {
			a.Chain = chain(identitytest.Statement(t, token, key, "web1", now))
		}, "not for this host's statement"},
		"another host's": {func(a *identity.Admission, _ *identity.Chain) { a.Chain = peer.Chain }, "not for this host's statement"},
		"no gossip key":  {func(a *identity.Admission, _ *identity.Chain) { a.GossipKey = nil }, "no gossip key"},
	} {
		a, broker := good, peer.Chain
		tt.change(&a, &broker)
		m, _, err := j.accept(a, broker)
		if tt.want == "" && (err != nil || !m.Key.Public().Equal(key.Public())) || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
