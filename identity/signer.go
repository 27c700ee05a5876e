package identity

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
)

// Signer is an admin's key wherever it is kept: in a file (PrivateKey[Admin]), or with an agent that never gives it
// away. It may block while an agent asks its owner. It is safe for use by several goroutines.
type Signer interface {
	Public() PublicKey[Admin]
	// Handshake signs with the key as crypto/tls asks for it: an Ed25519 signature over the message itself.
	Handshake() crypto.Signer
}

// Handshake is the key as crypto/tls and Signer want it.
func (k PrivateKey[K]) Handshake() crypto.Signer { return k.signer() }

// SignAdmin returns the 64-byte signature over message in context c, followed by message: what goes on the wire. It
// verifies what a foreign signer returns, so that a wrong agent is noticed here and not by every host.
func SignAdmin(s Signer, c Context, message []byte) ([]byte, error) {
	sig, err := s.Handshake().Sign(rand.Reader, signed(c, message), crypto.Hash(0))
	if err != nil {
		return nil, fmt.Errorf("sign with the admin's key: %w", err)
	}
	if len(sig) != ed25519.SignatureSize || !s.Public().Verify(c, message, sig) {
		return nil, fmt.Errorf("the signature made for %s is not valid; check that it is an Ed25519 key", s.Public())
	}
	return append(sig, message...), nil
}
