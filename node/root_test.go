package node

import (
	"os"
	"testing"
	"time"

	"fleet/identity"
)

// replaced is a root of one other key that vouches for these documents, and that key.
func (k keeper) replaced(vouched ...[]byte) (identity.Quorum, []byte) {
	k.t.Helper()
	key := identity.FileRoot(identity.NewKey[identity.Root]())
	var hashes []identity.Hash
	for _, raw := range vouched {
		hashes = append(hashes, identity.HashOf(raw))
	}
	r, err := k.root.Replace(1, []identity.RootKey{key.Key()}, hashes, time.Now())
	if err != nil {
		k.t.Fatal(err)
	}
	for _, by := range append(k.root.Holders, key) {
		if err := r.Sign(k.root.Authority, by); err != nil {
			k.t.Fatal(err)
		}
	}
	next, err := r.Root(k.root.Authority)
	if err != nil {
		k.t.Fatal(err)
	}
	return identity.Quorum{Authority: next, Holders: []identity.RootSigner{key}}, next.Raw()
}

// A node goes by the root that replaces its own, for good: what only the old one signed is gone, what the new one vouches for
// stays, and what the old one signs later is not taken.
func TestAnotherRoot(t *testing.T) {
	k := newKeeper(t)
	roster, late := k.next(nil), k.next(func(r *identity.Roster) { r.Fleet = "late" })
	kept, dropped := identity.NewKey[identity.Node]().Public().ID(), identity.NewKey[identity.Node]().Public().ID()
	vouched := k.revocation(identity.RevokeNode(kept, time.Now()))
	for _, raw := range [][]byte{roster, vouched, k.revocation(identity.RevokeNode(dropped, time.Now()))} {
		if err := k.keep(raw); err != nil {
			t.Fatal(err)
		}
	}
	next, raw := k.replaced(roster, vouched)
	_, side := k.replaced(roster)
	inForce := func(what string) {
		t.Helper()
		if r := k.roster.Load(); r.Version != 2 || !r.IsRevoked(kept) || r.IsRevoked(dropped) {
			t.Errorf("%s: in force is version %d, revoked %v", what, r.Version, r.Revoked)
		}
		if err := k.keep(side); err == nil {
			t.Errorf("%s: another root of that version was taken", what)
		}
		if err := k.keep(k.root.Raw()); err == nil {
			t.Errorf("%s: the old root was taken", what)
		}
		if err := k.keep(late); err == nil {
			t.Errorf("%s: a roster that the old root signed was taken", what)
		}
	}
	if err := k.keep(raw); err != nil {
		t.Fatal(err)
	}
	inForce("when it came")
	m, err := k.config.Dir.Load()
	if err != nil || m.Authority.Version() != 2 || m.Root != next.Anchor() {
		t.Fatalf("on disk is root version %d, %v", m.Authority.Version(), err)
	}
	k.keys.disk, k.me = m, m
	k.open()
	inForce("after a restart")
	if err := os.Remove(k.config.Dir.file(docsDir) + "/root,root.doc"); err != nil {
		t.Fatal(err)
	}
	k.open()
	inForce("with its file gone")
	k.root = next
	if err := k.keep(k.next(nil)); err != nil || k.roster.Load().Version != 3 {
		t.Errorf("a roster that the new root signed: version %d, %v", k.roster.Load().Version, err)
	}
}
