package identity

import (
	"testing"
	"time"
)

// What a Verifier remembers holds only as it was: for this leaf, under this issuing certificate, in this time.
func TestVerifierRemembersOnlyWhatHeld(t *testing.T) {
	root, now := NewKey[Root](), time.Now()
	var issuers [2]Issuer
	for i := range issuers {
		var err error
		if issuers[i], err = NewIssuer(root, now); err != nil {
			t.Fatal(err)
		}
	}
	var chains [2]Chain
	for i := range chains {
		id := NodeIdentity{Key: NewKey[Node]().Public(), Seal: NewSealKey().Public(), Name: "web1", Role: Member}
		var err error
		if chains[i], err = issuers[0].Issue(id, now); err != nil {
			t.Fatal(err)
		}
	}
	v := NewVerifier(root.Public())
	for round := range 3 { // the first learns the issuing certificate, the second the leaf
		for _, c := range chains {
			want, err1 := VerifyChain(root.Public(), c, now)
			got, err2 := v.Verify(c, now)
			if err1 != nil || err2 != nil || got.ID != want.ID || got.Issuer != want.Issuer || !got.NotAfter.Equal(want.NotAfter) {
				t.Errorf("round %d: got %+v, %v; want %+v, %v", round, got, err2, want, err1)
			}
		}
	}
	other, err := issuers[1].Issue(NodeIdentity{Key: NewKey[Node]().Public(), Seal: NewSealKey().Public(), Name: "web2", Role: Member}, now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Verify(other, now); err != nil {
		t.Error(err)
	}
	broken := append([]byte(nil), chains[0].Leaf...)
	broken[len(broken)-1] ^= 1
	for name, tt := range map[string]struct {
		chain Chain
		at    time.Time
	}{
		"under another issuing certificate": {Chain{Leaf: chains[0].Leaf, Issuing: issuers[1].Certificate}, now},
		"with another signature":            {Chain{Leaf: broken, Issuing: issuers[0].Certificate}, now},
		"after its time":                    {chains[0], now.Add(NodeLife + time.Minute)},
		"before its time":                   {chains[0], now.Add(-backdate - time.Minute)},
	} {
		if id, err := v.Verify(tt.chain, tt.at); err == nil {
			t.Errorf("%s: %+v was believed", name, id)
		}
	}
}

func TestVerifierIsBounded(t *testing.T) {
	v := NewVerifier(NewKey[Root]().Public())
	for i := range maxLeaves + 10 {
		v.remember([32]byte{byte(i), byte(i >> 8), byte(i >> 16)}, leaf{})
	}
	if len(v.leaves) > maxLeaves {
		t.Errorf("%d leaves are remembered", len(v.leaves))
	}
}
