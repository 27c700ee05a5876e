package identity

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"testing"
)

// securityKey signs as PROTOCOL.u2f of OpenSSH says that a security key does, in software.
type securityKey struct {
	key         PrivateKey[Root]
	application string
	flags       byte
	counter     uint32
}

func (s *securityKey) Key() RootKey {
	return RootKey{Key: s.key.Public(), Application: s.application}
}

func (s *securityKey) Sign(message []byte) ([]byte, error) {
	s.counter++
	extra := binary.BigEndian.AppendUint32([]byte{s.flags}, s.counter)
	application, sum := sha256.Sum256([]byte(s.application)), sha256.Sum256(message)
	sig := ed25519.Sign(s.key.signer(), slices.Concat(application[:], extra, sum[:]))
	return append(sig, extra...), nil
}

// A root key on a security key: its signature counts when it was touched, for this application, this message and this count.
func TestSecurityKey(t *testing.T) {
	touched := &securityKey{NewKey[Root](), "ssh:fleet", userPresent, 6}
	key, message := touched.Key(), []byte("message")
	sig, err := touched.Sign(message)
	if err != nil || !key.verify(message, sig) {
		t.Fatalf("a good signature does not hold, %v", err)
	}
	byItself := securityKey{touched.key, touched.application, 0, 6} // a program that has the key's use, and no finger
	untouched, _ := byItself.Sign(message)
	elsewhere := securityKey{touched.key, "ssh:other", userPresent, 6}
	other, _ := elsewhere.Sign(message)
	plain := ed25519.Sign(touched.key.signer(), message)
	for name, bad := range map[string][]byte{
		"nobody touched it": untouched, "for another application": other, "of a plain key": plain,
		"a plain one with flags": append(slices.Clone(plain), 1, 0, 0, 0, 7), "cut off": sig[:len(sig)-1], "too long": append(slices.Clone(sig), 0), "none": nil,
	} {
		if key.verify(message, bad) {
			t.Errorf("%s: it holds", name)
		}
	}
	for i := range sig {
		bad := slices.Clone(sig)
		if bad[i] ^= 1; key.verify(message, bad) {
			t.Errorf("it holds with byte %d changed", i)
		}
	}
	if key.verify([]byte("another"), sig) || (RootKey{Key: key.Key}).verify(message, sig) {
		t.Error("it holds for another message, or as a plain key's")
	}
	if got, err := ParseRootKey(key.String()); err != nil || !got.Equal(key) {
		t.Errorf("%v, %v", got, err)
	}
}

// It is one of several root keys like any other.
func TestASecurityKeyAmongRootKeys(t *testing.T) {
	before, file := newParts(t, 1, 1), FileRoot(NewKey[Root]())
	touched := &securityKey{NewKey[Root](), "ssh:fleet", userPresent, 0}
	root := replaced(t, before.Authority, 2, []RootKey{file.Key(), touched.Key()}, nil, before.Holders[0], file, touched)
	p := Proposal{Body: []byte("body")}
	for _, by := range []RootSigner{touched, file} {
		if err := p.Sign(root, by); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := p.Document(root); err != nil {
		t.Error(err)
	}
}
