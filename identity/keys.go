package identity

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// The kinds of key. They exist so that the compiler refuses a key of one kind where another is meant.
type (
	Root    struct{}
	Issuing struct{}
	Admin   struct{}
	Node    struct{}
	Joining struct{} // the key inside a token
)

// Kind is one of the kinds of key.
type Kind interface{ kind() string }

func (Root) kind() string    { return "root" }
func (Issuing) kind() string { return "issuing" }
func (Admin) kind() string   { return "admin" }
func (Node) kind() string    { return "node" }
func (Joining) kind() string { return "joining" }

// Context separates kinds of messages: what is signed under one context verifies under no other.
type Context string

// The contexts. A new kind of message gets a new one; an incompatible change of a message gets the next version.
const (
	JobContext       Context = "fleet job v1"
	ReplyContext     Context = "fleet reply v1"
	ApprovalContext  Context = "fleet approval v1"
	DocumentContext  Context = "fleet document v1"
	TokenContext     Context = "fleet token v1"
	StatementContext Context = "fleet statement v1"
	LabelsContext    Context = "fleet labels v1"
	JoinContext      Context = "fleet join v1"
	RenewContext     Context = "fleet renew v1"
	ProofContext     Context = "fleet proof v1"
	RootContext      Context = "fleet root v1"
	RootedContext    Context = "fleet root document v1"
)

// ID is a short name for a public key: 26 characters of lower-case base32 over the first 16 bytes of its SHA-256.
// Two keys with one ID would be a collision on 128 bits.
type ID string

// Valid reports whether id has the form of one: only then may it become part of a subject or a file name.
func (id ID) Valid() bool {
	if len(id) != 26 {
		return false
	}
	for i := range len(id) {
		if c := id[i]; (c < 'a' || c > 'z') && (c < '2' || c > '7') {
			return false
		}
	}
	return true
}

// FleetID names a fleet: it is the beginning of the hash of its first root record, see Anchor.
type FleetID = ID

var idEncoding = base32.StdEncoding.WithPadding(base32.NoPadding)

// PublicKey is the public half of an Ed25519 key of kind K. The zero value verifies nothing.
type PublicKey[K Kind] struct {
	_ [0]func() // no ==: compare with Equal
	b [ed25519.PublicKeySize]byte
}

// PublicKeyOf makes a public key of raw bytes, which must be 32.
func PublicKeyOf[K Kind](raw []byte) (PublicKey[K], error) {
	var k PublicKey[K]
	if len(raw) != len(k.b) {
		return k, fmt.Errorf("a %s key has %d bytes, not %d", kindOf[K](), len(k.b), len(raw))
	}
	copy(k.b[:], raw)
	return k, nil
}

func kindOf[K Kind]() string { var k K; return k.kind() }

// Verify reports whether sig is this key's signature over message in the given context.
func (k PublicKey[K]) Verify(c Context, message, sig []byte) bool {
	return !k.IsZero() && len(sig) == ed25519.SignatureSize && ed25519.Verify(k.b[:], signed(c, message), sig)
}

// Open verifies a signed message (64 bytes of signature, then the message) and returns the message.
func (k PublicKey[K]) Open(c Context, raw []byte) ([]byte, error) {
	sig, message, err := Split(raw)
	if err != nil {
		return nil, err
	}
	if !k.Verify(c, message, sig) {
		return nil, fmt.Errorf("the signature of %s is not valid", k)
	}
	return message, nil
}

// Equal reports whether both are the same key.
func (k PublicKey[K]) Equal(o PublicKey[K]) bool { return k.b == o.b }

// IsZero reports whether no key was set.
func (k PublicKey[K]) IsZero() bool { return k.b == [ed25519.PublicKeySize]byte{} }

// ID returns the key's short name.
func (k PublicKey[K]) ID() ID {
	sum := sha256.Sum256(k.b[:])
	return ID(strings.ToLower(idEncoding.EncodeToString(sum[:16])))
}

// Bytes returns a copy of the 32 raw bytes.
func (k PublicKey[K]) Bytes() []byte { return append([]byte(nil), k.b[:]...) }

// String is the key as a person pastes it: fleet-KIND:BASE64.
func (k PublicKey[K]) String() string {
	return "fleet-" + kindOf[K]() + ":" + base64.RawURLEncoding.EncodeToString(k.b[:])
}

// MarshalText is String.
func (k PublicKey[K]) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText is the reverse of String; it refuses keys of another kind.
func (k *PublicKey[K]) UnmarshalText(text []byte) error {
	raw, err := decodeKey("fleet-"+kindOf[K]()+":", string(text))
	if err != nil {
		return err
	}
	*k, err = PublicKeyOf[K](raw)
	return err
}

// ParsePublic is UnmarshalText as a function.
func ParsePublic[K Kind](text string) (k PublicKey[K], err error) {
	err = k.UnmarshalText([]byte(text))
	return k, err
}

// MarshalBinary is Bytes; with UnmarshalBinary it makes a key a byte string on the wire.
func (k PublicKey[K]) MarshalBinary() ([]byte, error) { return k.Bytes(), nil }

// UnmarshalBinary is the reverse of MarshalBinary.
func (k *PublicKey[K]) UnmarshalBinary(raw []byte) (err error) {
	*k, err = PublicKeyOf[K](raw)
	return err
}

// PrivateKey is an Ed25519 key of kind K. It prints as its public half whatever the verb, so that it cannot end up in
// a log by accident; Secret is the one way to its text.
type PrivateKey[K Kind] struct {
	_   [0]func()
	key *[ed25519.PrivateKeySize]byte // behind a pointer, so that %#v of a struct around it shows an address
}

// NewKey makes a key from the system's randomness.
func NewKey[K Kind]() PrivateKey[K] {
	var seed [ed25519.SeedSize]byte
	rand.Read(seed[:]) // never fails (crypto/rand)
	k, _ := privateKeyOf[K](seed[:])
	return k
}

func privateKeyOf[K Kind](seed []byte) (PrivateKey[K], error) {
	if len(seed) != ed25519.SeedSize {
		return PrivateKey[K]{}, fmt.Errorf("a %s key's seed has %d bytes, not %d", kindOf[K](), ed25519.SeedSize, len(seed))
	}
	return PrivateKey[K]{key: (*[ed25519.PrivateKeySize]byte)(ed25519.NewKeyFromSeed(seed))}, nil
}

// Public returns the public half.
func (k PrivateKey[K]) Public() PublicKey[K] {
	pub, _ := PublicKeyOf[K](k.signer().Public().(ed25519.PublicKey))
	return pub
}

// Sign returns the 64-byte signature over message in context c, followed by message: what goes on the wire.
func (k PrivateKey[K]) Sign(c Context, message []byte) []byte {
	sig := ed25519.Sign(k.signer(), signed(c, message))
	return append(sig, message...)
}

// IsZero reports whether no key was set.
func (k PrivateKey[K]) IsZero() bool { return k.key == nil }

// Secret is the key as its file holds it. Only files of mode 0600 and sealed messages may see it.
func (k PrivateKey[K]) Secret() string {
	return secretPrefix[K]() + base64.RawURLEncoding.EncodeToString(k.signer().Seed())
}

// ParseSecret is the reverse of Secret. Its errors never quote the text.
func ParseSecret[K Kind](text string) (PrivateKey[K], error) {
	raw, err := decodeKey(secretPrefix[K](), text)
	if err != nil {
		return PrivateKey[K]{}, err
	}
	return privateKeyOf[K](raw)
}

func secretPrefix[K Kind]() string { return "fleet-" + kindOf[K]() + "-secret:" }

// String is the public half: a private key never prints itself.
func (k PrivateKey[K]) String() string {
	if k.IsZero() {
		return "no " + kindOf[K]() + " key"
	}
	return "private half of " + k.Public().String()
}

// GoString is String.
func (k PrivateKey[K]) GoString() string { return k.String() }

// Format keeps every fmt verb from looking inside.
func (k PrivateKey[K]) Format(f fmt.State, _ rune) { fmt.Fprint(f, k.String()) }

func (k PrivateKey[K]) signer() ed25519.PrivateKey { return k.key[:] }

// Split cuts a signed message into signature and message without verifying anything.
func Split(raw []byte) (sig, message []byte, err error) {
	if len(raw) <= ed25519.SignatureSize {
		return nil, nil, errors.New("signed message is too short")
	}
	return raw[:ed25519.SignatureSize], raw[ed25519.SignatureSize:], nil
}

func signed(c Context, message []byte) []byte {
	b := make([]byte, 0, len(c)+1+len(message))
	b = append(b, c...)
	b = append(b, 0)
	return append(b, message...)
}

func decodeKey(prefix, text string) ([]byte, error) {
	rest, ok := strings.CutPrefix(strings.TrimSpace(text), prefix)
	if !ok {
		return nil, fmt.Errorf("not this kind of key: it must begin with %q", prefix)
	}
	raw, err := DecodeText(rest)
	if err != nil {
		return nil, fmt.Errorf("damaged key after %q: not base64", prefix)
	}
	return raw, nil
}
