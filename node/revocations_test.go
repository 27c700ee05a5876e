package node

import (
	"errors"
	"testing"
	"time"

	"fleet/identity"
	"fleet/job"
	"fleet/node/mesh"
)

// revokeOne does what fleet node revoke does, without the network.
func (k keeper) revokeOne(r *identity.Roster, v identity.Revocation) {
	k.t.Helper()
	list, err := r.Together(time.Now(), v)
	if err != nil {
		k.t.Fatal(err)
	}
	signed, err := identity.SignRevocations(k.root, "ann", time.Now(), list...)
	if err != nil {
		k.t.Fatal(err)
	}
	if _, err := k.docs.Put(signed); err != nil {
		k.t.Fatalf("revocation %d: %v", len(r.Revoked)+1, err)
	}
	if list, err = identity.OpenRevocations(k.root.Authority, signed); err != nil {
		k.t.Fatal(err)
	}
	for _, v := range list { // in place: Revoking makes a copy each time
		r.Revoked[v.ID] = v
	}
}

// handedOut is the roster that a client gets of this node, and whether that is all.
func (k keeper) handedOut() (r identity.Roster, whole bool) {
	k.t.Helper()
	q, err := job.DocumentQuery{Documents: []job.WantedDocument{{Kind: identity.RosterKind, Name: identity.RosterKind}, {Kind: identity.RevocationKind}}}.Encode()
	if err != nil {
		k.t.Fatal(err)
	}
	answer, err := job.DecodeDocuments(k.answerDocument(mesh.Request{Data: q}))
	if err != nil {
		k.t.Fatal(err)
	}
	r, err = identity.OpenRoster(k.root.Authority, answer.Documents[0])
	list, err2 := identity.OpenRevocations(k.root.Authority, answer.Documents[1:]...)
	if err := errors.Join(err, err2); err != nil {
		k.t.Fatal(err)
	}
	return r.Revoking(list), !answer.More
}

func newID() identity.ID { return identity.NewKey[identity.Node]().Public().ID() }

// There is room for as many revocations as a fleet has hosts. One after the other they stay few documents, all of which a
// client gets, and a restart finds again.
func TestRevocationsHaveNoWall(t *testing.T) {
	k := newKeeper(t)
	r := *k.roster.Load()
	r.Revoked = map[identity.ID]identity.Revocation{}
	const single = 1100 // more than the root may have documents
	for range single {
		k.revokeOne(&r, identity.RevokeNode(newID(), time.Now()))
	}
	if n := len(k.docs.All(identity.RevocationKind)); n > packedFor(single) {
		t.Errorf("%d revocations are %d documents", single, n)
	}
	for len(r.Revoked) < identity.MaxRevoked {
		var list []identity.Revocation
		for range min(450, identity.MaxRevoked-len(r.Revoked)) { // the smallest lists that are not packed again
			v := identity.RevokeTokenHosts(newID(), time.Now())
			list, r.Revoked[v.ID] = append(list, v), v
		}
		signed, err := identity.SignRevocations(k.root, "ann", time.Now(), list...)
		if err == nil {
			_, err = k.docs.Put(signed)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.Together(time.Now(), identity.RevokeNode(newID(), time.Now())); err == nil {
		t.Error("there is no end")
	}
	began := time.Now()
	if err := k.settle(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d revocations in %d documents are put in force in %v", len(r.Revoked), len(k.docs.All(identity.RevocationKind)), time.Since(began))
	for range 2 {
		if got := k.roster.Load(); len(got.Revoked) != identity.MaxRevoked {
			t.Errorf("%d are in force", len(got.Revoked))
		}
		if got, whole := k.handedOut(); !whole || len(got.Revoked) != identity.MaxRevoked {
			t.Errorf("a client gets %d, all: %v", len(got.Revoked), whole)
		}
		began = time.Now()
		k.open()
		t.Logf("a start takes %v", time.Since(began))
	}
}

// packedFor is how many documents n revocations are at the most.
func packedFor(n int) int { return n/450 + 32 }

// What was revoked alone and then in a list is one document less, and the list does not come back as several.
func TestPackedRevocationsReplaceTheirDocuments(t *testing.T) {
	k := newKeeper(t)
	var list []identity.Revocation
	var alone [][]byte
	for range 3 {
		v := identity.RevokeNode(newID(), time.Now())
		list, alone = append(list, v), append(alone, k.revocation(v))
	}
	token := newID()
	list, alone = append(list, identity.RevokeTokenHosts(token, time.Now())), append(alone, k.revocation(identity.RevokeToken(token, time.Now().Add(time.Hour))))
	packed, err := identity.SignRevocations(k.root, "ann", time.Now(), list...)
	if err != nil {
		t.Fatal(err)
	}
	for _, raw := range append(append(alone, packed), alone...) {
		if err := k.keep(raw); err != nil {
			t.Error(err)
		}
	}
	for range 2 {
		if all := k.docs.All(identity.RevocationKind); len(all) != 1 || string(all[0]) != string(packed) {
			t.Errorf("%d documents are left", len(all))
		}
		if r := k.roster.Load(); len(r.Revoked) != 4 || r.ShutsOut(newID(), token) == nil {
			t.Errorf("in force is %v", r.Revoked)
		}
		k.open()
	}
	k.wrong("")
}
