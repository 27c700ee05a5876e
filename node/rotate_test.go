package node

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"fleet/identity"
)

// Whoever stole the old issuing key makes himself a host; nobody renews its certificate into the new world.
func TestOnlyNodesThatTheAdminSawAreCarriedOver(t *testing.T) {
	n := solitary(t, time.Now())
	r := *n.roster.Load()
	r.Keys = identity.Keys{Issuing: identity.NewKey[identity.Issuing]().Public().ID(), Gossip: identity.GossipID(nil), Overlap: true}
	n.roster.Store(&r)
	seen := identity.NodeIdentity{ID: "seen", Name: "web2", Issuer: n.self.Load().Issuer}
	n.keys.shared.Store(&sharedKeys{carried: map[identity.ID]bool{seen.ID: true}})
	if err := n.mayRenew(seen); err != nil {
		t.Errorf("one that the admin saw: %v", err)
	}
	made := seen
	made.ID = "made"
	if err := n.mayRenew(made); err == nil || !strings.Contains(err.Error(), "admit the host again with a new token") {
		t.Errorf("one that was made up: %v", err)
	}
	made.Issuer = r.Keys.Issuing
	if err := n.mayRenew(made); err != nil {
		t.Errorf("one that was admitted since: %v", err)
	}
}

func TestGossipKeysInForce(t *testing.T) {
	key := func(c string) []byte { return []byte(strings.Repeat(c, 32)) }
	id := func(c string) identity.ID { return identity.GossipID(key(c)) }
	for _, tt := range []struct {
		name  string
		force identity.Keys
		held  string
		want  string
	}{
		{"before any rotation", identity.Keys{}, "a", "a"},
		{"the new one beside the old", identity.Keys{Gossip: id("b"), Overlap: true}, "ab", "ba"},
		{"the new one alone", identity.Keys{Gossip: id("b")}, "ba", "b"},
		{"admitted since", identity.Keys{Gossip: id("b"), Overlap: true}, "bb", "b"},
		{"left behind: goes on with what it has", identity.Keys{Gossip: id("c")}, "ab", "ab"},
	} {
		var held, want [][]byte
		for _, c := range tt.held {
			held = append(held, key(string(c)))
		}
		for _, c := range tt.want {
			want = append(want, key(string(c)))
		}
		got := inForce(tt.force, held)
		if !bytes.Equal(bytes.Join(got, nil), bytes.Join(want, nil)) {
			t.Errorf("%s: %q", tt.name, got)
		}
		text := gossipKeyText(got)
		if again, err := parseGossipKeys(text); err != nil || gossipKeyText(again) != text {
			t.Errorf("%s: on disk %v", tt.name, err)
		}
	}
}
