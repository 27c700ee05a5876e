package identity

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
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
	revocation, err := SignRevocation(w.root, RevokeAdmin(bob.Public()), now)
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
		_, err := VerifyDocument(w.root.Public(), admins(w.admin.Public(), bob.Public()), tt.raw, now)
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
	d, err := VerifyDocument(w.root.Public(), admins(revocation.Key), raw, now)
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
	rooted, err := VerifyDocument(w.root.Public(), nil, w.doc, now)
	if err != nil || !after.Authorises(rooted) {
		t.Errorf("what the root signed: %v", err)
	}
}

func TestRevocations(t *testing.T) {
	w := newWorld(t)
	node, token := NewKey[Node]().Public().ID(), NewKey[Joining]().Public().ID()
	for _, r := range []Revocation{RevokeNode(node, now), RevokeToken(token, now.Add(time.Hour)), RevokeToken(token, time.Time{}), RevokeAdmin(w.admin.Public())} {
		r.By = "ann"
		raw, err := SignRevocation(w.root, r, now)
		if err != nil {
			t.Fatal(err)
		}
		got, err := OpenRevocation(w.root.Public(), raw)
		r.Issued = now
		if got.Issued, got.Until, r.Until = got.Issued.UTC(), got.Until.UTC(), r.Until.UTC(); err != nil || !reflect.DeepEqual(got, r) {
			t.Errorf("got  %+v, %v\nwant %+v", got, err, r)
		}
	}
	for name, r := range map[string]Revocation{
		"of nothing":                {What: RevokedNode},
		"of something else":         {What: "root", ID: node},
		"of an admin without a key": {What: RevokedAdmin, ID: w.admin.Public().ID()},
		"of an admin, another key":  {What: RevokedAdmin, ID: node, Key: w.admin.Public()},
		"of a node with a key":      {What: RevokedNode, ID: w.admin.Public().ID(), Key: w.admin.Public()},
	} {
		if _, err := SignRevocation(w.root, r, now); err == nil {
			t.Errorf("a revocation %s can be signed", name)
		}
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
		if r, err = OpenRoster(w.root.Public(), raw); err != nil {
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
	merged, err := OpenRoster(w.root.Public(), raw)
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

// The vectors in testdata are documents as release 1 signs them, with keys whose seeds are 32 times 01 (root) and 02
// (admin). They must decode for as long as documents are version 1, and what decodes must encode to the same bytes.
func TestVectors(t *testing.T) {
	root, admin := fixed[Root](t, 1), fixed[Admin](t, 2)
	first := Roster{Version: 1, Fleet: "acme", Roles: []RoleEntry{{"all", []Rule{{Action: "*.*"}}}}, Admins: []AdminEntry{{"ann", admin.Public(), []string{"all"}}}}
	raw1, err1 := SignRoster(root, first, now)
	one, err2 := OpenRoster(root.Public(), raw1)
	raw2, err3 := SignRoster(root, one.Next("ann"), now.Add(time.Hour))
	revocation := RevokeNode("gr2q7gf5lh6pzfdnurnkvputhm", now)
	revocation.By = "ann"
	raw3, err4 := SignRevocation(root, revocation, now)
	raw4, err5 := SignDocument(admin, Document{Kind: "note", Name: "x", Version: 2, History: History{Before: bytes.Repeat([]byte{5}, 16), Merged: bytes.Repeat([]byte{6}, 32)}, By: "ann", Until: now.Add(time.Hour), Ended: true}, now)
	if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
		t.Fatal(err)
	}
	for name, raw := range map[string][]byte{"roster1.v1.hex": raw1, "roster2.v1.hex": raw2, "revocation.v1.hex": raw3, "ended.v1.hex": raw4} {
		text, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Error(err)
			continue
		}
		want, err := hex.DecodeString(strings.Join(strings.Fields(string(text)), ""))
		if err != nil || !bytes.Equal(raw, want) {
			t.Errorf("%s: signed anew it is (%v)\n%x", name, err, raw)
		}
		if _, err := VerifyDocument(root.Public(), admins(admin.Public()), want, now); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzDocument feeds bytes that an admin did sign, as far as they are read before the kind's own code.
func FuzzDocument(f *testing.F) {
	root, admin := fixed[Root](f, 1), fixed[Admin](f, 2)
	raw, err := SignDocument(admin, Document{Kind: "note", Name: "x", Version: 1, Until: now.Add(time.Hour), Body: []byte("a")}, now)
	if err != nil {
		f.Fatal(err)
	}
	_, message, _ := Split(raw)
	f.Add(message)
	f.Fuzz(func(t *testing.T, message []byte) {
		d, err := VerifyDocument(root.Public(), admins(admin.Public()), admin.Sign(DocumentContext, message), now)
		if err != nil {
			return
		}
		once, err := d.encode()
		again, err2 := VerifyDocument(root.Public(), admins(admin.Public()), admin.Sign(DocumentContext, once), now)
		twice, err3 := again.encode()
		if errors.Join(err, err2, err3) != nil || !bytes.Equal(once, twice) {
			t.Errorf("%q was taken, and encodes to %q and then to %q", message, once, twice)
		}
		if d.Until.IsZero() || d.Kind == RosterKind || d.Kind == RevocationKind || d.Kind == RotationKind {
			t.Errorf("an admin signed %+v", d)
		}
	})
}
