package identity

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"strings"
)

// RootKey is one of the keys that sign for the fleet: an Ed25519 key, or one on a security key (sk-ssh-ed25519@openssh.com).
type RootKey struct {
	Key PublicKey[Root] `cbor:"1,keyasint"`
	// Application is what a security key made it for, which begins with "ssh:"; "" is a key that signs what it is given.
	Application string `cbor:"2,keyasint,omitempty"`
}

// What a security key adds to a signature: flags, and how often it has signed (PROTOCOL.u2f of OpenSSH).
const (
	securityExtra = 1 + 4
	userPresent   = 1 // the flag: somebody touched it
	sshPrefix     = "ssh:"
)

// verify reports whether sig is the key's over message.
func (k RootKey) verify(message, sig []byte) bool {
	if k.Key.IsZero() {
		return false
	}
	if k.Application == "" {
		return len(sig) == ed25519.SignatureSize && ed25519.Verify(k.Key.b[:], message, sig)
	}
	if len(sig) != ed25519.SignatureSize+securityExtra || sig[ed25519.SignatureSize]&userPresent == 0 {
		return false
	}
	application, sum := sha256.Sum256([]byte(k.Application)), sha256.Sum256(message)
	signed := bytes.Join([][]byte{application[:], sig[ed25519.SignatureSize:], sum[:]}, nil)
	return ed25519.Verify(k.Key.b[:], signed, sig[:ed25519.SignatureSize])
}

// Equal reports whether both are the same key.
func (k RootKey) Equal(o RootKey) bool { return k.Key.Equal(o.Key) && k.Application == o.Application }

// ID is the key's short name.
func (k RootKey) ID() ID { return k.Key.ID() }

// String is the key as a person pastes it: fleet-root:BASE64, and of a security key its application after another colon.
func (k RootKey) String() string {
	if k.Application == "" {
		return k.Key.String()
	}
	return k.Key.String() + ":" + k.Application
}

// ParseRootKey is the reverse of String.
func ParseRootKey(text string) (k RootKey, err error) {
	prefix := "fleet-" + kindOf[Root]() + ":"
	rest, ok := strings.CutPrefix(strings.TrimSpace(text), prefix)
	if !ok {
		return k, fmt.Errorf("not a root key: it must begin with %q", prefix)
	}
	key, application, _ := strings.Cut(rest, ":")
	k.Application = application
	if k.Key, err = ParsePublic[Root](prefix + key); err != nil {
		return k, err
	}
	return k, k.check()
}

func (k RootKey) check() error {
	if k.Key.IsZero() {
		return fmt.Errorf("a root key is missing")
	}
	if k.Application != "" && (!strings.HasPrefix(k.Application, sshPrefix) || len(k.Application) > maxLabel || !printable(k.Application)) {
		return fmt.Errorf("a security key's application must begin with %q and have at most %d bytes", sshPrefix, maxLabel)
	}
	return nil
}

// RootSigner is a root key wherever it is kept. Signing may block while somebody is asked to touch or confirm something.
type RootSigner interface {
	Key() RootKey
	// Sign returns the signature over message as RootKey has it.
	Sign(message []byte) ([]byte, error)
}

// FileRoot is a root key from a file.
func FileRoot(key PrivateKey[Root]) RootSigner { return fileRoot{key} }

type fileRoot struct{ key PrivateKey[Root] }

func (f fileRoot) Key() RootKey { return RootKey{Key: f.key.Public()} }

func (f fileRoot) Sign(message []byte) ([]byte, error) {
	return ed25519.Sign(f.key.signer(), message), nil
}
