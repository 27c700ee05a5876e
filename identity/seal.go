package identity

import (
	"crypto/ecdh"
	"crypto/hpke"
	"encoding/base64"
	"fmt"
	"strings"
)

// Sealing is HPKE (RFC 9180) in base mode: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20-Poly1305. It hides; it does
// not say who sealed: what is sealed is signed inside. The info text separates the uses, as Context does for signatures.

// SealKey opens what was sealed to its public half. Like other keys it never prints itself.
type SealKey struct{ key *hpke.PrivateKey }

// SealSize is the length of a public sealing key in bytes.
const SealSize = 32

const sealPrefix = "fleet-seal-secret:"

// NewSealKey makes a key from the system's randomness.
func NewSealKey() SealKey {
	k, err := hpke.DHKEM(ecdh.X25519()).GenerateKey()
	if err != nil {
		panic(err) // crypto/rand does not fail
	}
	return SealKey{&k}
}

// Public is the half that others seal to.
func (k SealKey) Public() []byte { return (*k.key).PublicKey().Bytes() }

// IsZero reports whether no key was set.
func (k SealKey) IsZero() bool { return k.key == nil }

// Open opens what Seal made for this key and info.
func (k SealKey) Open(info string, sealed []byte) ([]byte, error) {
	plain, err := hpke.Open(*k.key, hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), []byte(info), sealed)
	if err != nil {
		return nil, fmt.Errorf("open the sealed message (%s): %w", info, err)
	}
	return plain, nil
}

// Seal makes what only the holder of the public key's other half can open.
func Seal(to []byte, info string, plain []byte) ([]byte, error) {
	public, err := hpke.DHKEM(ecdh.X25519()).NewPublicKey(to)
	if err != nil {
		return nil, fmt.Errorf("key to seal to: %w", err)
	}
	return hpke.Seal(public, hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), []byte(info), plain)
}

// Secret is the key as its file holds it.
func (k SealKey) Secret() string {
	raw, err := (*k.key).Bytes()
	if err != nil {
		panic(err) // X25519 keys always have bytes
	}
	return sealPrefix + base64.RawURLEncoding.EncodeToString(raw)
}

// ParseSealKey is the reverse of Secret. Its errors never quote the text.
func ParseSealKey(text string) (SealKey, error) {
	raw, err := decodeKey(sealPrefix, strings.TrimSpace(text))
	if err != nil {
		return SealKey{}, err
	}
	k, err := hpke.DHKEM(ecdh.X25519()).NewPrivateKey(raw)
	if err != nil {
		return SealKey{}, fmt.Errorf("sealing key: %w", err)
	}
	return SealKey{&k}, nil
}

// String tells nothing but that there is a key.
func (k SealKey) String() string { return "sealing key" }

// GoString is String.
func (k SealKey) GoString() string { return k.String() }
