package identity

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"fleet/internal/wire"
)

// held is a fleet whose root is two of three keys, and the roster in force.
type held struct {
	rootParts
	roster Roster
	doc    []byte
}

func newHeld(t testing.TB) (h held) {
	t.Helper()
	h.rootParts = newParts(t, 2, 3)
	return h.withRoster(t)
}

func (h held) withRoster(t testing.TB) held {
	t.Helper()
	admin := NewKey[Admin]().Public()
	first := Roster{Version: 1, Fleet: "acme", Keys: Keys{Issuing: NewKey[Issuing]().Public().ID()},
		Roles: []RoleEntry{{"all", []Rule{{Action: "*.*"}}}}, Admins: []AdminEntry{{"ann", admin, []string{"all"}}}}
	var err error
	if h.doc, err = SignRoster(h.Quorum, first, now); err == nil {
		h.roster, err = OpenRoster(h.Authority, h.doc)
	}
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// holder is the person who has this key.
func (h held) holder(i int) RootSigner { return FileRoot(h.keys[i]) }

func (h held) next(t testing.TB, edit func(*Roster)) []byte {
	t.Helper()
	r := h.roster.Next("ann")
	edit(&r)
	body, err := r.Propose(now.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// passed is the change as another machine reads it.
func (h held) passed(t testing.TB, c Change) Change {
	t.Helper()
	text, err := c.Text()
	if err == nil {
		c, err = ParseChange(h.Anchor(), text+"\n")
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A roster and a revocation are signed by two holders, one after the other, and count as if both keys had been together.
func TestAChangeFromHolderToHolder(t *testing.T) {
	h := newHeld(t)
	revocation, err := ProposeRevocations("ann", now, RevokeNode(NewKey[Node]().Public().ID(), now))
	if err != nil {
		t.Fatal(err)
	}
	c, err := NewChange(h.Authority, h.doc, h.next(t, func(r *Roster) { r.Hosts = 7 }))
	if err == nil {
		c, err = c.Adding(revocation)
	}
	if err != nil {
		t.Fatal(err)
	}
	sign := func(c *Change, i int, added bool) {
		t.Helper()
		*c = h.passed(t, *c)
		if got, err := c.Sign(h.holder(i)); err != nil || got != added {
			t.Fatalf("key %d: %t, %v", i, got, err)
		}
		*c = h.passed(t, *c)
	}
	missing := func(want int) {
		t.Helper()
		if got, own := c.Missing(); got != want || own != 0 {
			t.Errorf("%d and %d are missing, want %d", got, own, want)
		}
	}
	missing(2)
	sign(&c, 2, true)
	sign(&c, 2, false)
	missing(1)
	if _, err := c.Finished(); !errors.Is(err, ErrTooFewKeys) {
		t.Errorf("with one of two: %v", err)
	}
	if _, err := c.Sign(FileRoot(NewKey[Root]())); err == nil {
		t.Error("a key that is not the root's signed")
	}
	sign(&c, 0, true)
	missing(0)
	sign(&c, 1, false) // no more than are needed
	if keys, _ := c.Signed(); len(keys) != 2 || !keys[0].Equal(h.record.Keys[0]) || !keys[1].Equal(h.record.Keys[2]) {
		t.Errorf("signed by %v", keys)
	}
	signed, err := c.Finished()
	if err != nil || len(signed) != 2 {
		t.Fatal(len(signed), err)
	}
	if r, err := OpenRoster(h.Authority, signed[0]); err != nil || r.Hosts != 7 || !r.Knows(h.roster.Hash) {
		t.Errorf("%+v, %v", r, err)
	}
	if list, err := OpenRevocations(h.Authority, signed[1]); err != nil || len(list) != 1 {
		t.Errorf("%+v, %v", list, err)
	}
	if err := c.Follows(h.Authority, h.roster); err != nil {
		t.Error(err)
	}
	if later, err := OpenRoster(h.Authority, signed[0]); err != nil || !errors.Is(c.Follows(h.Authority, later), ErrStale) {
		t.Errorf("it follows what it has become: %v", err)
	}
	if next := newHeld(t); !errors.Is(c.Follows(next.Authority, h.roster), ErrStale) {
		t.Error("it follows another root")
	}
}

// A new root is signed by holders of the one before it.
func TestARootFromHolderToHolder(t *testing.T) {
	h, next := newHeld(t), newParts(t, 1, 2)
	r, err := h.Replace(1, publicOf(next.keys...), []Hash{h.roster.Hash}, now)
	if err != nil {
		t.Fatal(err)
	}
	c, err := NewRootChange(h.Authority, h.doc, r)
	if err != nil {
		t.Fatal(err)
	}
	for i, by := range []RootSigner{next.Holders[1], h.holder(1), h.holder(2)} {
		older, own := c.Missing()
		if want := [][2]int{{2, 1}, {2, 0}, {1, 0}}[i]; want != [2]int{older, own} {
			t.Errorf("before %d: %d and %d are missing", i, older, own)
		}
		if _, err := c.Finished(); !errors.Is(err, ErrTooFewKeys) {
			t.Errorf("before %d: %v", i, err)
		}
		if added, err := c.Sign(by); err != nil || !added {
			t.Fatal(added, err)
		}
		c = h.passed(t, c)
	}
	signed, err := c.Finished()
	if err != nil {
		t.Fatal(err)
	}
	if a, err := h.Follow(signed[0]); err != nil || a.Threshold() != 1 || a.Version() != 2 {
		t.Errorf("%v, %v", a.Version(), err)
	}
	if keys, own := c.Signed(); len(keys) != 2 || len(own) != 1 {
		t.Errorf("signed by %v and %v", keys, own)
	}
}

// What is no honest change of this fleet is not shown to anybody who could sign it.
func TestChangesThatAreNone(t *testing.T) {
	h, other, parts := newHeld(t), newHeld(t), newParts(t, 1, 1)
	replacement := func(change func(*Replacement)) change {
		r, err := h.Replace(1, publicOf(parts.keys...), []Hash{h.roster.Hash}, now)
		if err == nil {
			err = r.Sign(h.Authority, h.holder(0))
		}
		if err != nil {
			t.Fatal(err)
		}
		if change != nil {
			change(&r)
		}
		return unsigned(h, &r)
	}
	good := func() change {
		p := Proposal{Body: h.next(t, func(*Roster) {})}
		if err := p.Sign(h.Authority, h.holder(1)); err != nil {
			t.Fatal(err)
		}
		return change{Root: h.raw, Roster: h.doc, Documents: []Proposal{p}}
	}
	body := func(d Document, body any) []byte {
		raw, err := d.toSign(body, now)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	record := func(change func(*rootRecord)) func(*Replacement) {
		return func(r *Replacement) {
			own, err := r.record(h.Authority)
			if err != nil {
				t.Fatal(err)
			}
			change(&own)
			r.Before = nil
			if r.Record, err = wire.Marshal(own); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, tt := range map[string]struct {
		make func() change
		want string // "": it is one
	}{
		"good":                     {good, ""},
		"another fleet's":          {func() change { w := good(); w.Root = other.raw; return w }, "of another fleet"},
		"a roster of another root": {func() change { w := good(); w.Roster = other.doc; return w }, "the roster that it follows"},
		"without documents":        {func() change { w := good(); w.Documents = nil; return w }, "1 to 16 documents"},
		"with too many":            {func() change { w := good(); w.Documents = slices.Repeat(w.Documents, 17); return w }, "1 to 16 documents"},
		"the same twice":           {func() change { w := good(); w.Documents = append(w.Documents, w.Documents[0]); return w }, "not the first document"},
		"documents and a root":     {func() change { w := replacement(nil); w.Documents = good().Documents; return w }, "1 to 16 documents"},
		"another version":          {func() change { w := good(); w.Documents = edited(t, h, func(r *Roster) { r.Version++ }); return w }, "does not say that it follows"},
		"another history": {func() change {
			w := good()
			w.Documents = edited(t, h, func(r *Roster) { r.History.Merged = make([]byte, 16) })
			return w
		}, "does not say that it follows"},
		"an invalid signature":            {func() change { w := good(); w.Documents[0].Signatures[0].Sign[3] ^= 1; return w }, "is not valid"},
		"a signature under another's":     {func() change { w := good(); w.Documents[0].Signatures[0].Key = 0; return w }, "is not valid"},
		"a signature of another document": {func() change { w := good(); w.Documents[0].Body = h.next(t, func(r *Roster) { r.Hosts = 9 }); return w }, "is not valid"},
		"a rotation": {func() change {
			w := good()
			w.Documents = []Proposal{{Body: body(Document{Kind: RotationKind, Name: "1.0", Version: 1}, Rotation{})}}
			return w
		}, "signed on one machine"},
		"a kind that is not known": {func() change {
			w := good()
			w.Documents = []Proposal{{Body: body(Document{Kind: "note", Name: "x", Version: 1}, 1)}}
			return w
		}, "signed on one machine"},
		"no document":               {func() change { w := good(); w.Documents = []Proposal{{Body: []byte("x")}}; return w }, "decode"},
		"a large document":          {func() change { w := good(); w.Documents = []Proposal{{Body: make([]byte, MaxDocument)}}; return w }, "the limit for a document"},
		"a root":                    {func() change { return replacement(nil) }, ""},
		"a root after another":      {func() change { return replacement(func(r *Replacement) { r.After = other.raw }) }, "made for another root"},
		"a root of another version": {func() change { return replacement(record(func(r *rootRecord) { r.Version = 9 })) }, "does not follow"},
		"a root before another":     {func() change { return replacement(record(func(r *rootRecord) { r.Before = Hash{1} })) }, "does not follow"},
		"a root with a salt":        {func() change { return replacement(record(func(r *rootRecord) { r.Salt = []byte{1} })) }, "does not follow"},
		"a root of no keys":         {func() change { return replacement(record(func(r *rootRecord) { r.Keys = nil })) }, "there may be 1 to"},
		"a root that vouches for other documents than it says": {func() change {
			return replacement(func(r *Replacement) { r.Vouched = append(r.Vouched, bytes.Repeat([]byte{255}, 32)...) })
		}, "vouches for"},
		"a root that drops the roster": {func() change { return replacement(func(r *Replacement) { *r = without(t, h, parts) }) }, "does not vouch for the roster"},
		"a root, wrongly signed":       {func() change { return replacement(func(r *Replacement) { r.Before[0].Sign[0] ^= 1 }) }, "is not valid"},
	} {
		raw, err := wire.Marshal(tt.make())
		if err != nil {
			t.Fatal(err)
		}
		_, err = ParseChange(h.Anchor(), Change{wire: tt.make()}.text(t))
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s (%d bytes): %v, want %q", name, len(raw), err, tt.want)
		}
	}
	for _, bad := range []string{"", "fleet-change1.", "fleet-change1.AA", "fleet-change2.AAAA", "fleet-change1." + strings.Repeat("A", 2*maxChange)} {
		if _, err := ParseChange(h.Anchor(), bad); err == nil {
			t.Errorf("%.30q is taken", bad)
		}
	}
}

func (c Change) text(t testing.TB) string {
	t.Helper()
	text, err := c.Text()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func unsigned(h held, r *Replacement) change {
	return change{Root: h.raw, Roster: h.doc, Replacement: r}
}

// edited is a document of a roster that nobody has signed.
func edited(t testing.TB, h held, edit func(*Roster)) []Proposal {
	t.Helper()
	return []Proposal{{Body: h.next(t, edit)}}
}

// without is a new root that vouches for nothing.
func without(t testing.TB, h held, parts rootParts) Replacement {
	t.Helper()
	r, err := h.Replace(1, publicOf(parts.keys...), nil, now)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// FuzzParseChange feeds what anybody may have written: what is accepted is the same again, and nobody's signature is invented.
func FuzzParseChange(f *testing.F) {
	keys := []PrivateKey[Root]{fixed[Root](f, 1), fixed[Root](f, 2), fixed[Root](f, 3)}
	h := held{rootParts: rootParts{fixedRootOf(f, 2, keys...), keys}}.withRoster(f)
	c, err := NewChange(h.Authority, h.doc, h.next(f, func(r *Roster) { r.Hosts = 7 }))
	if err != nil {
		f.Fatal(err)
	}
	if _, err := c.Sign(h.holder(0)); err != nil {
		f.Fatal(err)
	}
	raw, err := wire.Marshal(c.wire)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Fuzz(func(t *testing.T, raw []byte) {
		var w change
		if wire.Unmarshal(raw, &w) != nil {
			return
		}
		c, err := w.open(h.Anchor())
		if err != nil {
			return
		}
		if again := h.passed(t, c); len(again.Documents) != len(c.Documents) {
			t.Fatal("it is another one when it is read again")
		}
		if _, err := c.Finished(); err == nil {
			t.Fatal("it counts with one of two signatures")
		}
	})
}
