package identity

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fleet/internal/wire"
)

// admins finds the keys of some admins.
func admins(keys ...PublicKey[Admin]) Signers {
	return func(id ID) (PublicKey[Admin], bool) {
		for _, k := range keys {
			if k.ID() == id {
				return k, true
			}
		}
		return PublicKey[Admin]{}, false
	}
}

func TestGenuineDocuments(t *testing.T) {
	w, bob := newWorld(t), NewKey[Admin]()
	signed := func(d Document, by PrivateKey[Admin]) []byte {
		t.Helper()
		raw, err := SignDocument(by, d, now)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	note := Document{Kind: "note", Name: "x", Version: 1, Body: []byte("a"), Until: now.Add(time.Hour)}
	revocation, err := SignRevocations(w.root, "ann", now, RevokeAdmin(bob.Public()))
	if err != nil {
		t.Fatal(err)
	}
	forged := note
	forged.Signer = w.admin.Public().ID()
	raw, err := forged.encode()
	if err != nil {
		t.Fatal(err)
	}
	changed := signed(note, bob)
	changed[len(changed)-1] ^= 1
	far := note
	far.Until = now.Add(10 * MaxDocumentLife)
	for _, tt := range []struct {
		name string
		raw  []byte
		want string // "" for genuine
	}{
		{"a roster", w.doc, ""},
		{"a revocation", revocation, ""},
		{"of an admin", signed(note, bob), ""},
		{"of nobody who is known", signed(note, NewKey[Admin]()), "is not and was not an admin"},
		{"in the name of another admin", bob.Sign(DocumentContext, raw), "is not valid"},
		{"changed on the way", changed, "document: "},
		{"that lasts for ever", signed(far, bob), "ends in more than 366 days"},
		{"signed as something else", bob.Sign(JobContext, changed[64:]), "document: "},
		{"too large", make([]byte, MaxDocument+1), "at most 65536"},
		{"empty", nil, "too short"},
	} {
		_, err := VerifyDocument(w.root.Authority, admins(w.admin.Public(), bob.Public()), tt.raw, now)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// What only the root may sign no admin can, and what an admin signs has to end.
func TestWhatAnAdminMaySign(t *testing.T) {
	w := newWorld(t)
	until := now.Add(time.Hour)
	for name, d := range map[string]Document{
		"a roster":               {Kind: RosterKind, Name: RosterKind, Version: 9, Until: until},
		"a revocation":           {Kind: RevocationKind, Name: "x", Version: 1, Until: until},
		"a rotation":             {Kind: RotationKind, Name: "0", Version: 1, Until: until},
		"what never ends":        {Kind: "note", Name: "x", Version: 1},
		"what has no version":    {Kind: "note", Name: "x", Until: until},
		"what ended, with words": {Kind: "note", Name: "x", Version: 1, Until: until, Ended: true, Body: []byte("a")},
		"a history cut off":      {Kind: "note", Name: "x", Version: 1, Until: until, History: History{Before: []byte("a")}},
		"a name with a newline":  {Kind: "note", Name: "x", Version: 1, Until: until, By: "ann\n"},
		"what is too large":      {Kind: "note", Name: "x", Version: 1, Until: until, Body: make([]byte, MaxDocument)},
	} {
		if _, err := SignDocument(w.admin, d, now); err == nil {
			t.Errorf("%s can be signed", name)
		}
	}
}

// Genuine and in force are two questions: what a removed admin signed stays what it is, and counts no more.
func TestDocumentsOfARemovedAdmin(t *testing.T) {
	w, bob := newWorld(t), NewKey[Admin]()
	with := w.roster
	with.Admins = append([]AdminEntry{{"bob", bob.Public(), nil}}, with.Admins...)
	raw, err := SignDocument(bob, Document{Kind: "note", Name: "x", Version: 1, Until: now.Add(time.Hour)}, now)
	if err != nil {
		t.Fatal(err)
	}
	revocation := RevokeAdmin(bob.Public())
	d, err := VerifyDocument(w.root.Authority, admins(revocation.Key), raw, now)
	if err != nil {
		t.Fatal(err)
	}
	if !with.Authorises(d) || w.roster.Authorises(d) {
		t.Error("it counts because the roster has its signer")
	}
	// Whatever version of the roster counts, also one that knows nothing of it: who was revoked is no admin.
	after := with.Revoking([]Revocation{revocation})
	if _, there := after.Admin(bob.Public().ID()); there || after.Authorises(d) || len(after.Admins) != 1 || len(with.Admins) != 2 {
		t.Errorf("revoked, and the admins are %v", after.Admins)
	}
	rooted, err := VerifyDocument(w.root.Authority, nil, w.doc, now)
	if err != nil || !after.Authorises(rooted) {
		t.Errorf("what the root signed: %v", err)
	}
}

func TestRevocations(t *testing.T) {
	w := newWorld(t)
	node, token := NewKey[Node]().Public().ID(), NewKey[Joining]().Public().ID()
	of := map[ID]Revocation{}
	all := []Revocation{RevokeNode(node, now), RevokeToken(token, now.Add(time.Hour)), RevokeTokenHosts(NewKey[Joining]().Public().ID(), now), RevokeAdmin(w.admin.Public())}
	for _, r := range all {
		raw, err := SignRevocations(w.root, "ann", now, r)
		if err != nil {
			t.Fatal(err)
		}
		got, err := OpenRevocations(w.root.Authority, raw)
		if err != nil || len(got) != 1 || !same(got[0], r) || got[0].Document != HashOf(raw) {
			t.Errorf("got  %+v, %v\nwant %+v", got, err, r)
		}
		of[r.ID] = r
	}
	raw, err := SignRevocations(w.root, "ann", now, append(all, all...)...)
	if err != nil {
		t.Fatal(err)
	}
	got, err := OpenRevocations(w.root.Authority, raw)
	d, err2 := VerifyDocument(w.root.Authority, nil, raw, now)
	if err := errors.Join(err, err2); err != nil || len(got) != len(all) || !d.Until.IsZero() {
		t.Fatalf("all in one: %d, %v, %v", len(got), d.Until, err)
	}
	for _, r := range got {
		if !same(r, of[r.ID]) {
			t.Errorf("got  %+v\nwant %+v", r, of[r.ID])
		}
	}
	for name, r := range map[string]Revocation{
		"of nothing":                {What: RevokedNode},
		"of something else":         {What: "root", ID: node},
		"of an admin without a key": {What: RevokedAdmin, ID: w.admin.Public().ID()},
		"of an admin, another key":  {What: RevokedAdmin, ID: node, Key: w.admin.Public()},
		"of a node with a key":      {What: RevokedNode, ID: w.admin.Public().ID(), Key: w.admin.Public()},
	} {
		if _, err := SignRevocations(w.root, "ann", now, r); err == nil {
			t.Errorf("a revocation %s can be signed", name)
		}
	}
}

func same(a, b Revocation) bool {
	return a.ID == b.ID && a.What == b.What && a.Hosts == b.Hosts && a.Until.Equal(b.Until) && a.Key.Equal(b.Key)
}

// Whatever the root signs under the name of a document of revocations, it cannot take the place of one that says more.
func TestRevocationsCannotBeReplaced(t *testing.T) {
	w := newWorld(t)
	raw, err := SignRevocations(w.root, "ann", now, RevokeNode(NewKey[Node]().Public().ID(), now))
	if err != nil {
		t.Fatal(err)
	}
	d, err := VerifyDocument(w.root.Authority, nil, raw, now)
	if err != nil {
		t.Fatal(err)
	}
	later := revocations{List: []revoked{{ID: make([]byte, 16), What: RevokedNode, Until: d.Until}}}
	for name, change := range map[string]func(*Document){
		"a later version":   func(d *Document) { d.Version++ },
		"other revocations": func(d *Document) { d.Body, _ = wire.Marshal(later) },
		"an earlier end":    func(d *Document) { d.Until = d.Until.Add(-time.Second) },
		"none":              func(d *Document) { d.Body, _ = wire.Marshal(revocations{}) },
		"an id cut off": func(d *Document) {
			d.Body, _ = wire.Marshal(revocations{List: []revoked{{ID: []byte{1}, What: RevokedNode, Until: d.Until}}})
		},
		"one of a key twice": func(d *Document) { d.Body, _ = wire.Marshal(revocations{List: append(later.List, later.List...)}) },
	} {
		changed := d
		change(&changed)
		if name != "other revocations" && name != "a later version" && name != "an earlier end" {
			changed.Name = revocationsName(changed.Body)
		}
		encoded, err := changed.encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := VerifyDocument(w.root.Authority, nil, w.root.bytes(t, encoded), now); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

// Of two revocations of one key the stronger counts, in whatever order they come.
func TestTheStrongerRevocationCounts(t *testing.T) {
	w := newWorld(t)
	token, node := NewKey[Joining]().Public().ID(), NewKey[Node]().Public().ID()
	weak, strong := RevokeToken(token, now.Add(time.Hour)), RevokeTokenHosts(token, now)
	for _, list := range [][]Revocation{{weak, strong}, {strong, weak}} {
		raw, err := SignRevocations(w.root, "ann", now, list...)
		if err != nil {
			t.Fatal(err)
		}
		packed, err := OpenRevocations(w.root.Authority, raw)
		if err != nil || len(packed) != 1 {
			t.Fatal(packed, err)
		}
		for _, r := range []Roster{w.roster.Revoking(list), w.roster.Revoking(list[:1]).Revoking(list[1:]), w.roster.Revoking(packed)} {
			if r.ShutsOut(node, token) == nil || !r.IsRevoked(token) || r.Revoked[token].Until.Before(strong.Until) {
				t.Errorf("%+v", r.Revoked)
			}
		}
	}
	only := w.roster.Revoking([]Revocation{weak})
	if only.ShutsOut(node, token) != nil || only.RevokesSame(only.Revoking([]Revocation{strong})) || only.ShutsOut(token, "") == nil {
		t.Error("a token that is revoked alone, and one with its hosts, are the same")
	}
}

// Each version knows those before it, so that two made at the same time can be told from one made after the other.
func TestHistory(t *testing.T) {
	w := newWorld(t)
	next := func(r Roster, by string) Roster {
		t.Helper()
		raw, err := SignRoster(w.root, r.Next(by), now)
		if err != nil {
			t.Fatal(err)
		}
		if r, err = OpenRoster(w.root.Authority, raw); err != nil {
			t.Fatal(err)
		}
		return r
	}
	first := w.roster
	anns, bobs := next(first, "ann"), next(first, "bob")
	if anns.Version != 2 || !anns.Knows(first.Hash) || anns.Knows(bobs.Hash) || bobs.By != "bob" || anns.Beats(bobs) == bobs.Beats(anns) || !anns.Beats(first) {
		t.Errorf("%+v\n%+v", anns, bobs)
	}
	lost := next(bobs, "bob")
	raw, err := SignRoster(w.root, next(anns, "ann").Merging(lost).Next("ann"), now)
	if err != nil {
		t.Fatal(err)
	}
	merged, err := OpenRoster(w.root.Authority, raw)
	if err != nil || !merged.Knows(lost.Hash) || !merged.Knows(bobs.Hash) || !merged.Knows(anns.Hash) || !merged.Knows(first.Hash) {
		t.Errorf("%+v, %v", merged, err)
	}
	for range 2 * MaxHistory {
		merged = next(merged, "ann")
	}
	if n := len(merged.History.Before); n != MaxHistory*HistoryStep || !merged.Knows(lost.Hash) {
		t.Errorf("after many versions it names %d bytes of them", n)
	}
}

func fixed[K Kind](t testing.TB, b byte) PrivateKey[K] {
	t.Helper()
	key, err := ParseSecret[K](secretPrefix[K]() + base64.RawURLEncoding.EncodeToString(bytes.Repeat([]byte{b}, 32)))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// fixedRoot is the vectors' root: one key, whose seed is 32 times 01.
func fixedRoot(t testing.TB) Quorum { return fixedRootOf(t, 1, fixed[Root](t, 1)) }

// fixedRootOf is the same root in every process, as fuzzing needs it.
func fixedRootOf(t testing.TB, threshold int, keys ...PrivateKey[Root]) Quorum {
	t.Helper()
	record, err1 := wire.Marshal(rootRecord{Version: 1, Threshold: threshold, Keys: publicOf(keys...), Issued: now, Salt: bytes.Repeat([]byte{7}, saltSize)})
	signed, err2 := wire.Marshal(signedRecord{Record: record})
	raw, err3 := rootChain{Records: [][]byte{signed}}.encode()
	root, err4 := OpenRoot(Anchor{hashOfRecord(signed), hashOfRecord(signed)}, raw)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		t.Fatal(err)
	}
	q := Quorum{Authority: root}
	for _, k := range keys {
		q.Holders = append(q.Holders, FileRoot(k))
	}
	return q
}

// The vectors in testdata are documents as release 1 signs them, with keys whose seeds are 32 times 01 (root) and 02
// (admin). They must decode for as long as documents are version 1, and what decodes must encode to the same bytes.
func TestVectors(t *testing.T) {
	root, admin := fixedRoot(t), fixed[Admin](t, 2)
	first := Roster{Version: 1, Fleet: "acme", Keys: Keys{Issuing: "aaaaaaaaaaaaaaaaaaaaaaaaaa"},
		Roles: []RoleEntry{{"all", []Rule{{Action: "*.*"}}}}, Admins: []AdminEntry{{"ann", admin.Public(), []string{"all"}}}}
	raw1, err1 := SignRoster(root, first, now)
	one, err2 := OpenRoster(root.Authority, raw1)
	two := one.Next("ann")
	two.Hosts = 40
	raw2, err3 := SignRoster(root, two, now.Add(time.Hour))
	revocation := RevokeNode("gr2q7gf5lh6pzfdnurnkvputhm", now)
	raw3, err4 := SignRevocations(root, "ann", now, revocation, RevokeTokenHosts("aaaaaaaaaaaaaaaaaaaaaaaaaa", now))
	raw4, err5 := SignDocument(admin, Document{Kind: "note", Name: "x", Version: 2, History: History{Before: bytes.Repeat([]byte{5}, 16), Merged: bytes.Repeat([]byte{6}, 32)}, By: "ann", Until: now.Add(time.Hour), Ended: true}, now)
	if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
		t.Fatal(err)
	}
	for name, raw := range map[string][]byte{"root1.v1.hex": root.Raw(), "roster1.v1.hex": raw1, "roster2.v1.hex": raw2, "revocation.v1.hex": raw3, "ended.v1.hex": raw4} {
		checkVector(t, name, raw)
		if _, err := VerifyDocument(root.Authority, admins(admin.Public()), raw, now); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func checkVector(t *testing.T, name string, raw []byte) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Error(err)
	}
	want, err := hex.DecodeString(strings.Join(strings.Fields(string(text)), ""))
	if err != nil || !bytes.Equal(raw, want) {
		t.Errorf("%s: signed anew it is (%v)\n%x", name, err, raw)
	}
}

// FuzzDocument feeds bytes that an admin did sign, as far as they are read before the kind's own code.
func FuzzDocument(f *testing.F) {
	root, admin := fixedRoot(f), fixed[Admin](f, 2)
	raw, err := SignDocument(admin, Document{Kind: "note", Name: "x", Version: 1, Until: now.Add(time.Hour), Body: []byte("a")}, now)
	if err != nil {
		f.Fatal(err)
	}
	_, message, _ := Split(raw)
	f.Add(message)
	f.Fuzz(func(t *testing.T, message []byte) {
		d, err := VerifyDocument(root.Authority, admins(admin.Public()), admin.Sign(DocumentContext, message), now)
		if err != nil {
			return
		}
		once, err := d.encode()
		again, err2 := VerifyDocument(root.Authority, admins(admin.Public()), admin.Sign(DocumentContext, once), now)
		twice, err3 := again.encode()
		if errors.Join(err, err2, err3) != nil || !bytes.Equal(once, twice) {
			t.Errorf("%q was taken, and encodes to %q and then to %q", message, once, twice)
		}
		if d.Until.IsZero() || d.Kind == RosterKind || d.Kind == RevocationKind || d.Kind == RotationKind {
			t.Errorf("an admin signed %+v", d)
		}
	})
}
