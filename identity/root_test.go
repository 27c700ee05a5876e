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

// parts of a root that may be replaced by another.
type rootParts struct {
	Quorum
	keys []PrivateKey[Root]
}

func newParts(t testing.TB, threshold, n int) (p rootParts) {
	t.Helper()
	for range n {
		p.keys = append(p.keys, NewKey[Root]())
	}
	var err error
	if p.Quorum, err = quorumOf(threshold, p.keys...); err != nil {
		t.Fatal(err)
	}
	return p
}

func publicOf(keys ...PrivateKey[Root]) (public []RootKey) {
	for _, k := range keys {
		public = append(public, RootKey{Key: k.Public()})
	}
	return public
}

// A document counts when as many root keys signed it as the root says, each once.
func TestThreshold(t *testing.T) {
	root, other := newParts(t, 2, 3), newParts(t, 2, 3)
	body := []byte("body")
	message := ofFleet(RootedContext, root.first, body)
	sig := func(k PrivateKey[Root], at int, message []byte) rootSignature {
		raw, err := FileRoot(k).Sign(message)
		if err != nil {
			t.Fatal(err)
		}
		return rootSignature{Key: at, Sign: raw}
	}
	zero, one, two := sig(root.keys[0], 0, message), sig(root.keys[1], 1, message), sig(root.keys[2], 2, message)
	for name, tt := range map[string]struct {
		list []rootSignature
		want string
	}{
		"two":                           {[]rootSignature{zero, two}, ""},
		"two others":                    {[]rootSignature{one, two}, ""},
		"one":                           {[]rootSignature{one}, "it has 1 signatures"},
		"none":                          {nil, "it has 0 signatures"},
		"all three":                     {[]rootSignature{zero, one, two}, "it has 3 signatures"},
		"one twice":                     {[]rootSignature{one, one}, "different keys"},
		"in another order":              {[]rootSignature{two, zero}, "different keys"},
		"a key that there is not":       {[]rootSignature{zero, {Key: 3, Sign: two.Sign}}, "different keys"},
		"a key below all":               {[]rootSignature{{Key: -1, Sign: two.Sign}, zero}, "different keys"},
		"one under another's name":      {[]rootSignature{zero, {Key: 1, Sign: two.Sign}}, "is not valid"},
		"one of another root":           {[]rootSignature{zero, sig(other.keys[1], 1, message)}, "is not valid"},
		"of another document":           {[]rootSignature{zero, sig(root.keys[1], 1, ofFleet(RootedContext, root.first, []byte("other")))}, "is not valid"},
		"of another fleet, by this key": {[]rootSignature{zero, sig(root.keys[1], 1, ofFleet(RootedContext, other.first, body))}, "is not valid"},
		"of a root record":              {[]rootSignature{zero, sig(root.keys[1], 1, ofFleet(RootContext, root.first, body))}, "is not valid"},
	} {
		raw, err := wire.Marshal(rooted{body, tt.list})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := root.open(raw); (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := (Authority{}).open(nil); err == nil {
		t.Error("a root that is nobody's opens something")
	}
	few := Quorum{root.Authority, root.Holders[:1]}
	if _, err := few.Sign(body); !errors.Is(err, ErrTooFewKeys) {
		t.Errorf("with one key of two: %v", err)
	}
}

// Holders sign one after the other, in any order, and each on another machine.
func TestProposal(t *testing.T) {
	root, stranger := newParts(t, 2, 3), newParts(t, 1, 1)
	p := Proposal{Body: []byte("body")}
	if err := p.Sign(root.Authority, stranger.Holders[0]); err == nil {
		t.Error("a stranger signed")
	}
	for _, i := range []int{2, 2, 0} {
		if err := p.Sign(root.Authority, root.Holders[i]); err != nil {
			t.Fatal(err)
		}
		if _, err := p.Document(root.Authority); (err == nil) != (i == 0) {
			t.Errorf("after the signature of %d: %v", i, err)
		}
	}
}

// replaced is what follows before, signed by all of these.
func replaced(t testing.TB, before Authority, threshold int, keys []RootKey, vouched []Hash, holders ...RootSigner) Authority {
	t.Helper()
	r, err := before.Replace(threshold, keys, vouched, now)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range holders {
		if err := r.Sign(before, h); err != nil {
			t.Fatal(err)
		}
	}
	root, err := r.Root(before)
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// A root is followed when as many of the keys before it signed as they had to, and as many of its own.
func TestRootsThatFollow(t *testing.T) {
	one, next := newParts(t, 2, 3), newParts(t, 1, 2)
	public := publicOf(next.keys...)
	for name, tt := range map[string]struct {
		holders []RootSigner
		want    string
	}{
		"signed by both":                  {[]RootSigner{one.Holders[0], one.Holders[2], next.Holders[1]}, ""},
		"in another order":                {[]RootSigner{next.Holders[0], one.Holders[2], one.Holders[1]}, ""},
		"by one of the two before":        {[]RootSigner{one.Holders[0], next.Holders[1]}, "the root before it did not sign it"},
		"by nobody of the new keys":       {one.Holders[:2], "its own keys did not sign it"},
		"by the new keys alone":           {next.Holders, "the root before it did not sign it"},
		"by more of them than are needed": {append(slices.Clone(one.Holders), next.Holders...), ""},
	} {
		root := replaced(t, one.Authority, 1, public, nil, tt.holders...)
		got, err := one.Follow(root.Raw())
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil && (got.Version() != 2 || got.Threshold() != 1 || len(got.Keys()) != 2 || got.Anchor().ID() != one.Anchor().ID() || !got.Follows(one.Raw())) {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if _, err := one.Replace(3, public, nil, now); err == nil {
		t.Error("3 of 2 keys")
	}
	if _, err := one.Replace(1, append(public, public...), nil, now); err == nil {
		t.Error("one key twice")
	}
}

// There is no way back, to the side, or to another fleet; but what is pinned is believed.
func TestRootsThatDoNotFollow(t *testing.T) {
	one := newParts(t, 1, 1)
	next, fork := newParts(t, 1, 1), newParts(t, 1, 1)
	two := replaced(t, one.Authority, 1, publicOf(next.keys...), nil, one.Holders[0], next.Holders[0])
	three := replaced(t, two, 1, publicOf(one.keys...), nil, next.Holders[0], one.Holders[0])
	side := replaced(t, one.Authority, 1, publicOf(fork.keys...), nil, one.Holders[0], fork.Holders[0])
	lost := replaced(t, two, 1, publicOf(fork.keys...), nil, fork.Holders[0])
	mangled := bytes.Clone(two.Raw())
	mangled[bytes.Index(mangled, two.record.Keys[0].Key.Bytes())] ^= 1
	for name, tt := range map[string]struct {
		from  Authority
		to    []byte
		wants bool
	}{
		"the next":                    {one.Authority, two.Raw(), true},
		"the one after that":          {one.Authority, three.Raw(), true},
		"itself":                      {two, two.Raw(), true},
		"back":                        {two, one.Raw(), false},
		"to the side":                 {two, side.Raw(), false},
		"to another fleet":            {one.Authority, next.Raw(), false},
		"a lost root, without a word": {two, lost.Raw(), false},
		"changed on the way":          {one.Authority, mangled, false},
		"cut off":                     {one.Authority, two.Raw()[:len(two.Raw())-1], false},
		"from nothing":                {Authority{}, one.Raw(), false},
	} {
		if _, err := tt.from.Follow(tt.to); (err == nil) != tt.wants {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, tt := range map[string]struct {
		anchor Anchor
		raw    []byte
		wants  bool
	}{
		"by the first record":             {one.Anchor(), three.Raw(), true},
		"by one in between":               {two.Anchor(), three.Raw(), true},
		"older than what is pinned":       {three.Anchor(), two.Raw(), false},
		"a lost root, by its first":       {one.Anchor(), lost.Raw(), false},
		"a lost root that is pinned":      {lost.Anchor(), lost.Raw(), true},
		"another fleet's, known the same": {Anchor{next.Anchor().First, two.Anchor().Known}, two.Raw(), false},
	} {
		if _, err := OpenRoot(tt.anchor, tt.raw); (err == nil) != tt.wants {
			t.Errorf("%s: %v", name, err)
		}
	}
	after, err := lost.Follow(replaced(t, lost, 1, publicOf(next.keys...), nil, fork.Holders[0], next.Holders[0]).Raw())
	if err != nil || after.Version() != 4 {
		t.Errorf("what follows a root that is pinned: %v", err)
	}
}

// What a replaced root signed counts as far as the new one vouches for it, whatever the old keys sign later.
func TestVouching(t *testing.T) {
	w, next := newWorld(t), newParts(t, 1, 1)
	later, err := SignRoster(w.root, w.roster.Next("ann"), now)
	if err != nil {
		t.Fatal(err)
	}
	two := replaced(t, w.root.Authority, 1, publicOf(next.keys...), []Hash{HashOf(w.doc), {9}, {9}}, w.root.Holders[0], next.Holders[0])
	if _, err := OpenRoster(two, w.doc); err != nil {
		t.Errorf("what it vouches for: %v", err)
	}
	if _, err := OpenRoster(two, later); err == nil {
		t.Error("what the old key signs later counts")
	}
	three := replaced(t, two, 1, publicOf(next.keys...), nil, next.Holders[0])
	if _, err := OpenRoster(three, w.doc); err == nil {
		t.Error("what the newest root does not vouch for counts")
	}
	raw := bytes.Clone(two.Raw())
	hash := HashOf(w.doc)
	raw[bytes.LastIndex(raw, hash[:])] ^= 1
	if _, err := OpenRoot(w.root.Anchor(), raw); err == nil {
		t.Error("somebody else said what it vouches for")
	}
}

func TestAnchorText(t *testing.T) {
	one, next := newParts(t, 1, 1), newParts(t, 1, 1)
	two := replaced(t, one.Authority, 1, publicOf(next.keys...), nil, one.Holders[0], next.Holders[0])
	for _, a := range []Anchor{one.Anchor(), two.Anchor()} {
		if got, err := ParseAnchor(" " + a.String() + "\n"); err != nil || got != a {
			t.Errorf("%s: %v, %v", a, got, err)
		}
	}
	for _, bad := range []string{"", "fleet-anchor:", "fleet-anchor:AAAA", "fleet-root:" + strings.TrimPrefix(one.Anchor().String(), "fleet-anchor:"),
		"fleet-anchor:" + strings.Repeat("A", 43), one.Anchor().String() + "A"} {
		if a, err := ParseAnchor(bad); err == nil {
			t.Errorf("%q is %v", bad, a)
		}
	}
}

func TestRootKeyText(t *testing.T) {
	k := RootKey{Key: NewKey[Root]().Public()}
	for _, want := range []RootKey{k, {Key: k.Key, Application: "ssh:fleet"}} {
		if got, err := ParseRootKey(want.String()); err != nil || !got.Equal(want) {
			t.Errorf("%s: %v, %v", want, got, err)
		}
	}
	for _, bad := range []string{"", "fleet-root:AAAA", k.String() + ":web", NewKey[Admin]().Public().String()} {
		if _, err := ParseRootKey(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

// FuzzOpenRoot changes a chain of three records: what comes out must be one of the three.
func FuzzOpenRoot(f *testing.F) {
	one, next := fixedRoot(f), fixed[Root](f, 3)
	two := replaced(f, one.Authority, 1, publicOf(next), []Hash{{1}, {2}}, one.Holders[0], FileRoot(next))
	f.Add(one.Raw())
	f.Add(two.Raw())
	f.Fuzz(func(t *testing.T, raw []byte) {
		a, err := OpenRoot(one.Anchor(), raw)
		if err == nil && !bytes.Equal(a.Raw(), one.Raw()) && !bytes.Equal(a.Raw(), two.Raw()) {
			t.Fatalf("accepted %x", raw)
		}
	})
}

// FuzzRooted changes what two of three keys signed: nothing else counts.
func FuzzRooted(f *testing.F) {
	root, err := quorumOf(2, fixed[Root](f, 1), fixed[Root](f, 2), fixed[Root](f, 3))
	if err != nil {
		f.Fatal(err)
	}
	root.first = Hash{1} // as in every other process
	want, err := root.Sign([]byte("body"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(want)
	f.Fuzz(func(t *testing.T, raw []byte) {
		if _, err := root.open(raw); err == nil && !bytes.Equal(raw, want) {
			t.Fatalf("accepted %x", raw)
		}
	})
}

// The root of 2026 becomes two of three a day later.
func TestRootVectors(t *testing.T) {
	one := fixedRoot(t)
	keys := []PrivateKey[Root]{fixed[Root](t, 3), fixed[Root](t, 4), fixed[Root](t, 5)}
	r, err := one.Replace(2, publicOf(keys...), []Hash{HashOf([]byte("a document"))}, now.Add(24*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range append(one.Holders, FileRoot(keys[2]), FileRoot(keys[0])) {
		if err := r.Sign(one.Authority, h); err != nil {
			t.Fatal(err)
		}
	}
	two, err := r.Root(one.Authority)
	if err != nil {
		t.Fatal(err)
	}
	checkVector(t, "root2.v1.hex", two.Raw())
}
