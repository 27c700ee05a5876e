package client

import (
	"testing"
	"time"

	"fleet/identity"
)

// Somebody revokes more while a command waits for hosts to have its revocation: they have the other one's document instead.
func TestInstead(t *testing.T) {
	root := identity.NewKey[identity.Root]()
	revoke := func(ids ...identity.ID) []byte {
		t.Helper()
		var list []identity.Revocation
		for _, id := range ids {
			list = append(list, identity.RevokeNode(id, time.Now()))
		}
		raw, err := identity.SignRevocations(root, "ann", time.Now(), list...)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	a, b := identity.NewKey[identity.Node]().Public().ID(), identity.NewKey[identity.Node]().Public().ID()
	mine, packed, others := revoke(a), revoke(a, b), revoke(b)
	for name, tt := range map[string]struct {
		known [][]byte
		want  []byte
	}{
		"nothing is known":       {nil, mine},
		"it is there":            {[][]byte{others, mine}, mine},
		"another one is there":   {[][]byte{others}, mine},
		"one that says the same": {[][]byte{packed}, packed},
	} {
		c := &Client{config: Config{Root: root.Public()}, rules: Rules{Revocations: tt.known}}
		if got := c.Instead(mine); string(got) != string(tt.want) {
			t.Errorf("%s: another one", name)
		}
	}
}
