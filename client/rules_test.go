package client_test

import (
	"testing"
	"time"

	"fleet/client"
	"fleet/identity"
	"fleet/internal/identitytest"
)

// Whichever of two commands keeps what it has seen last, nothing newer is lost.
func TestRulesOfTwoCommands(t *testing.T) {
	root, now := identitytest.Root(), time.Now()
	roster := func(version uint64) []byte {
		raw, err := identity.SignRoster(root, identity.Roster{Version: version, Fleet: "test", Keys: identity.Keys{Issuing: root.Anchor().ID()}, Admins: []identity.AdminEntry{{Name: "ann", Key: identity.NewKey[identity.Admin]().Public()}}}, now)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	revocation := func() (identity.ID, []byte) {
		id := identity.NewKey[identity.Node]().Public().ID()
		raw, err := identity.SignRevocations(root, "ann", now, identity.RevokeNode(id, now))
		if err != nil {
			t.Fatal(err)
		}
		return id, raw
	}
	one, first := revocation()
	two, second := revocation()
	older, newer := client.Rules{Root: root.Raw(), Roster: roster(4), Revocations: [][]byte{first}}, client.Rules{Root: root.Raw(), Roster: roster(5), Revocations: [][]byte{second}}
	for name, pair := range map[string][2]client.Rules{"the newer one first": {newer, older}, "the older one first": {older, newer}, "with nothing": {newer, {}}} {
		both, err := pair[1].Joined(pair[0], root.Anchor())
		if err != nil {
			t.Fatal(err)
		}
		_, r, err := both.Open(root.Anchor())
		if err != nil || r.Version != 5 || !r.IsRevoked(two) || name != "with nothing" && !r.IsRevoked(one) {
			t.Errorf("%s: version %d, revoked %v, %v", name, r.Version, r.Revoked, err)
		}
	}
}
