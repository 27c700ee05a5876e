package client_test

import (
	"testing"
	"time"

	"fleet/client"
	"fleet/identity"
)

// Whichever of two commands keeps what it has seen last, nothing newer is lost.
func TestRulesOfTwoCommands(t *testing.T) {
	root, now := identity.NewKey[identity.Root](), time.Now()
	roster := func(version uint64) []byte {
		raw, err := identity.SignRoster(root, identity.Roster{Version: version, Fleet: "test", Admins: []identity.AdminEntry{{Name: "ann", Key: identity.NewKey[identity.Admin]().Public()}}}, now)
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
	older, newer := client.Rules{Roster: roster(4), Revocations: [][]byte{first}}, client.Rules{Roster: roster(5), Revocations: [][]byte{second}}
	for name, pair := range map[string][2]client.Rules{"the newer one first": {newer, older}, "the older one first": {older, newer}, "with nothing": {newer, {}}} {
		both, err := pair[1].Joined(pair[0], root.Public())
		if err != nil {
			t.Fatal(err)
		}
		r, err := both.Open(root.Public())
		if err != nil || r.Version != 5 || !r.IsRevoked(two) || name != "with nothing" && !r.IsRevoked(one) {
			t.Errorf("%s: version %d, revoked %v, %v", name, r.Version, r.Revoked, err)
		}
	}
}
