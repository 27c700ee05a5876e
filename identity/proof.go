package identity

import (
	"crypto/ed25519"
)

// ProveKey shows whoever made a challenge that this side holds k: the public key, and the signature over the challenge. The
// challenge should name who is asked and where, since a proof can be handed on.
func ProveKey(k PrivateKey[Node], challenge []byte) []byte {
	sig, _, _ := Split(k.Sign(ProofContext, challenge))
	return append(k.Public().Bytes(), sig...)
}

// KeyProven reports whether proof was made over challenge with the key of that id.
func KeyProven(id ID, challenge, proof []byte) bool {
	if len(proof) != ed25519.PublicKeySize+ed25519.SignatureSize {
		return false
	}
	k, err := PublicKeyOf[Node](proof[:ed25519.PublicKeySize])
	return err == nil && k.ID() == id && k.Verify(ProofContext, challenge, proof[ed25519.PublicKeySize:])
}
