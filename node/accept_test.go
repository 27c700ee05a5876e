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
	root, admin, key := identitytest.Root(), identity.NewKey[identity.Admin](), identity.NewKey[identity.Node]()
	issuer, err := identity.NewIssuer(root.Anchor(), now)
	if err != nil {
		t.Fatal(err)
	}
	fleet := identitytest.Fleet{Root: root.Anchor(), Admin: admin, Issuer: issuer}
	upstart := fleet
	upstart.Admin = identity.NewKey[identity.Admin]()
	roster := func(version uint64) []byte {
		signed, err := identity.SignRoster(root, identity.Roster{Version: version, Fleet: "test", Keys: identity.Keys{Issuing: issuer.Key.Public().ID()}, Admins: []identity.AdminEntry{{Name: "ann", Key: admin.Public()}}}, now)
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
	old, err := identity.NewIssuer(root.Anchor(), now)
	if err != nil {
		t.Fatal(err)
	}
	captured := fleet
	captured.Issuer = old
	for name, tt := range map[string]struct {
		documents [][]byte
		broker    identity.Chain
		want      string
	}{
		"as it should be":          {[][]byte{root.Raw(), roster(5)}, peer.Chain, ""},
		"no roster":                {[][]byte{root.Raw()}, peer.Chain, "no roster came"},
		"another root":             {[][]byte{identitytest.Root().Raw(), roster(5)}, peer.Chain, "another fleet"},
		"an older roster":          {[][]byte{root.Raw(), roster(4)}, peer.Chain, "is version 4, and the token's admin knew version 5"},
		"a broker that is revoked": {[][]byte{root.Raw(), roster(5), revoked}, peer.Chain, "peer: node " + string(peer.Key.Public().ID()) + " is revoked"},
		"a broker that was made up with the issuing key":           {[][]byte{root.Raw(), roster(5)}, upstart.Host(t, "peer", identity.Record{Role: identity.Peer}, now).Chain, "which is no admin's"},
		"a broker by an issuing key that the roster does not name": {[][]byte{root.Raw(), roster(5)}, captured.Host(t, "peer", identity.Record{Role: identity.Peer}, now).Chain, "an issuing key that the roster does not name"},
	} {
		_, err := j.verify(tt.documents, tt.broker)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	known, err := j.verify([][]byte{root.Raw(), roster(5)}, peer.Chain)
	if err != nil {
		t.Fatal(err)
	}
	good := identity.Admission{Chain: chain(j.statement), GossipKey: make([]byte, 32)}
	for name, tt := range map[string]struct {
		change func(*identity.Admission)
		want   string
	}{
		"as it should be": {func(*identity.Admission) {}, ""},
		"other labels": {func(a *identity.Admission) {
			a.Chain = chain(identitytest.Statement(t, fleet.Token(t, identity.Record{Labels: map[string]string{"env": "dev"}}, now), key, "web1", now))
		}, "not for this host's statement"},
		"another sealing key": {func(a *identity.Admission) {
			a.Chain = chain(identitytest.Statement(t, token, key, "web1", now))
		}, "not for this host's statement"},
		"another host's": {func(a *identity.Admission) { a.Chain = peer.Chain }, "not for this host's statement"},
		"no gossip key":  {func(a *identity.Admission) { a.GossipKey = nil }, "no gossip key"},
	} {
		a := good
		tt.change(&a)
		m, err := j.accept(a, known)
		if tt.want == "" && (err != nil || !m.Key.Public().Equal(key.Public())) || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
