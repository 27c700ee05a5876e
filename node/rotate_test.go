package node

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"fleet/identity"
	"fleet/internal/identitytest"
)

// Whoever stole the old issuing key makes himself a host; nobody renews its certificate into the new world.
func TestOnlyNodesThatTheAdminSawAreCarriedOver(t *testing.T) {
	now, root := time.Now(), identitytest.Root()
	n, fleet := solitaryUnder(t, root, now)
	certificate := func(fleet identitytest.Fleet, name string) identity.Certificate {
		c, err := identity.OpenChain(n.me.Root, fleet.Host(t, name, identity.Record{}, now).Chain, now)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	r := *n.roster.Load()
	since, err := identity.NewIssuer(root.Anchor(), now)
	if err != nil {
		t.Fatal(err)
	}
	r.Keys = identity.Keys{Issuing: since.Key.Public().ID(), Gossip: identity.GossipID(nil), Older: []identity.ID{r.Keys.Issuing}}
	n.roster.Store(&r)
	seen := certificate(fleet, "web2")
	n.keys.shared.Store(&sharedKeys{carried: map[identity.ID]bool{seen.Own().ID: true}})
	if _, err := n.mayRenew(seen); err != nil {
		t.Errorf("one that the admin saw: %v", err)
	}
	if _, err := n.mayRenew(certificate(fleet, "web3")); err == nil || !strings.Contains(err.Error(), "admit the host again with a new token") {
		t.Errorf("one that the admin did not see: %v", err)
	}
	stranger := fleet
	stranger.Admin = identity.NewKey[identity.Admin]()
	if _, err := n.mayRenew(certificate(stranger, "web4")); err == nil || !strings.Contains(err.Error(), "no admin's") {
		t.Errorf("one that was made up with the issuing key: %v", err)
	}
	fleet.Issuer = since
	if _, err := n.mayRenew(certificate(fleet, "web5")); err != nil {
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
		{"the new one beside the old", identity.Keys{Gossip: id("b"), Older: []identity.ID{id("a")}}, "ab", "ba"},
		{"the new one alone", identity.Keys{Gossip: id("b")}, "ba", "b"},
		{"admitted since", identity.Keys{Gossip: id("b"), Older: []identity.ID{id("a")}}, "bb", "b"},
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
