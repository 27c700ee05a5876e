package identity

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

// rotationFor makes new keys for a peer and a member.
func rotationFor(t testing.TB, w world) (r Rotation, s Secrets, peer, member NodeIdentity, peerKey, memberKey SealKey) {
	t.Helper()
	issuer, err := NewIssuer(w.root.Anchor(), now)
	if err != nil {
		t.Fatal(err)
	}
	gossip := []byte(strings.Repeat("g", gossipKeySize))
	s = Secrets{Gossip: gossip, Issuing: issuer.Key.Secret()}
	r = Rotation{Version: 7, Part: 1, Keys: Keys{Issuing: issuer.Key.Public().ID(), Gossip: GossipID(gossip), Since: 7}, Issuing: issuer.Certificate}
	peerKey, memberKey = NewSealKey(), NewSealKey()
	peer = NodeIdentity{ID: NewKey[Node]().Public().ID(), Role: Peer, Seal: peerKey.Public()}
	member = NodeIdentity{ID: NewKey[Node]().Public().ID(), Role: Member, Seal: memberKey.Public()}
	for _, n := range []NodeIdentity{peer, member} {
		if err := r.SealTo(n, s); err != nil {
			t.Fatal(err)
		}
	}
	return r, s, peer, member, peerKey, memberKey
}

func TestARotationOpensForThoseItIsFor(t *testing.T) {
	w := newWorld(t)
	r, s, peer, member, peerKey, memberKey := rotationFor(t, w)
	raw, err := SignRotation(w.root, r, now)
	if err != nil {
		t.Fatal(err)
	}
	got, err := OpenRotation(w.root.Authority, raw)
	if err != nil || !reflect.DeepEqual(got, r) {
		t.Fatalf("%+v %v", got, err)
	}
	if d, err := VerifyDocument(w.root.Authority, nil, raw, now); err != nil || d.Kind != RotationKind || d.Name != "7.1" || d.Version != 7 {
		t.Errorf("%+v %v", d, err)
	}
	gossip, issuer, found, err := got.OpenFor(peer.ID, peerKey)
	if err != nil || !found || string(gossip) != string(s.Gossip) || issuer.Key.Secret() != s.Issuing || !issuer.Fits() {
		t.Errorf("for the peer: %v %v", found, err)
	}
	gossip, issuer, found, err = got.OpenFor(member.ID, memberKey)
	if err != nil || !found || string(gossip) != string(s.Gossip) || !issuer.Key.IsZero() {
		t.Errorf("for the member: %v %v, issuing key %v", found, err, !issuer.Key.IsZero())
	}
	if _, _, found, err := got.OpenFor(NewKey[Node]().Public().ID(), memberKey); found || err != nil {
		t.Errorf("for a stranger: %v %v", found, err)
	}
	if _, _, _, err := got.OpenFor(peer.ID, memberKey); err == nil {
		t.Error("a member opens what is for a peer")
	}
	got.Sealed[member.ID] = got.Sealed[peer.ID]
	if _, _, _, err := got.OpenFor(member.ID, peerKey); err == nil {
		t.Error("what is for one node opens for another")
	}
}

func TestRotationsThatDoNotHold(t *testing.T) {
	w, other := newWorld(t), newWorld(t)
	good, _, peer, _, peerKey, _ := rotationFor(t, w)
	for name, change := range map[string]func(*Rotation){
		"no version": func(r *Rotation) { r.Version = 0 }, "no keys": func(r *Rotation) { r.Keys = Keys{} },
		"a part too many": func(r *Rotation) { r.Part = maxRotations }, "no certificate": func(r *Rotation) { r.Issuing = nil },
		"a node without an id": func(r *Rotation) { r.Sealed = map[ID][]byte{"../x": nil} },
	} {
		r := good
		change(&r)
		if _, err := SignRotation(w.root, r, now); err == nil {
			t.Errorf("%s: was signed", name)
		}
	}
	raw, err := SignRotation(other.root, good, now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenRotation(w.root.Authority, raw); err == nil {
		t.Error("of another root: was taken")
	}
	if _, err := OpenRoster(other.root.Authority, raw); err == nil {
		t.Error("a rotation was taken for a roster")
	}
	for name, change := range map[string]func(*Rotation){
		"another gossip key":  func(r *Rotation) { r.Keys.Gossip = GossipID([]byte("other")) },
		"another issuing key": func(r *Rotation) { r.Keys.Issuing = NewKey[Issuing]().Public().ID() },
	} {
		r := good
		change(&r)
		if _, _, _, err := r.OpenFor(peer.ID, peerKey); err == nil {
			t.Errorf("%s than it names: was taken", name)
		}
	}
}

// A rotation with as many nodes as may be in one part fits into a document.
func TestAFullPartOfARotationFits(t *testing.T) {
	w := newWorld(t)
	r, s, peer, _, _, _ := rotationFor(t, w)
	for len(r.Sealed) < MaxRotated {
		peer.ID = NewKey[Node]().Public().ID()
		if err := r.SealTo(peer, s); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := SignRotation(w.root, r, now)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes", len(raw))
}

func TestWhoTheRosterAdmits(t *testing.T) {
	w := newWorld(t)
	claim, err := OpenStatement(w.root.Anchor(), w.statement(t, Record{}, NewKey[Node](), "web1"))
	if err != nil {
		t.Fatal(err)
	}
	node, old := Certificate{claim: claim, Issuer: "new"}, Certificate{claim: claim, Issuer: "old"}
	stranger := node
	stranger.claim.by = NewKey[Admin]().Public()
	roster := func(k Keys) Roster {
		r := w.roster
		r.Keys = k
		return r
	}
	before, overlap, after := Keys{Issuing: "old"}, Keys{Issuing: "new", Older: []ID{"older", "old"}}, Keys{Issuing: "new"}
	for _, tt := range []struct {
		name   string
		roster Roster
		shown  Certificate
		want   string
	}{
		{"before any rotation", roster(before), old, ""},
		{"by a key that nothing names", roster(Keys{}), old, "does not name"},
		{"while both are accepted", roster(overlap), old, ""},
		{"after it, with the new key", roster(after), node, ""},
		{"after it, with the old key", roster(after), old, "an issuing key that the roster does not name: it was replaced"},
		{"revoked", roster(after).Revoking([]Revocation{{ID: "other"}, {ID: claim.node.ID}}), node, "is revoked"},
		{"another is revoked", roster(after).Revoking([]Revocation{{ID: "other"}}), node, ""},
		{"with a token that no admin signed", w.roster, stranger, "no admin's"},
		{"the same, where no roster is known", Roster{}, stranger, ""},
		{"revoked, where no roster is known", Roster{}.Revoking([]Revocation{{ID: claim.node.ID}}), node, "is revoked"},
	} {
		_, err := tt.roster.Admit(tt.shown)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func FuzzRotationBody(f *testing.F) {
	w := newWorld(f)
	r, _, peer, _, key, _ := rotationFor(f, w)
	raw, err := SignRotation(w.root, r, time.Unix(0, 0))
	if err != nil {
		f.Fatal(err)
	}
	message, _ := w.root.open(raw)
	f.Add(message)
	f.Fuzz(func(t *testing.T, message []byte) {
		r, err := OpenRotation(w.root.Authority, w.root.bytes(t, message))
		if err != nil {
			return
		}
		if r.Version == 0 || len(r.Sealed) > MaxRotated {
			t.Errorf("was taken: %+v", r)
		}
		r.OpenFor(peer.ID, key)
	})
}
