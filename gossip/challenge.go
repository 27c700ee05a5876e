package gossip

import (
	"crypto/rand"
	"net/netip"
)

// The kinds of user message; the first byte of each.
const (
	kindChallenge = 1
	kindAnswer    = 2
	kindMissed    = 3 // somebody waits for the one that this is sent to; nothing follows
)

// nonce is made anew for each question.
type nonce [16]byte

// challenge asks the one at Asked to sign these very bytes with the key of ID. It names where it is sent to, so that nobody
// can hand it on to the one who has the key: a node signs only what is meant for its own address.
type challenge struct {
	nonce nonce
	id    string         // whose key is asked for
	asked netip.AddrPort // where the challenge is sent
	asker string         // id of the node that asks, unverified
	from  netip.AddrPort // where it wants the answer
}

func newNonce() (n nonce) {
	rand.Read(n[:])
	return n
}

func (c challenge) encode() []byte {
	b := append([]byte{kindChallenge}, c.nonce[:]...)
	b = append(append(b, byte(len(c.id))), c.id...)
	b = appendAddr(b, c.asked)
	b = append(append(b, byte(len(c.asker))), c.asker...)
	return appendAddr(b, c.from)
}

func decodeChallenge(b []byte) (c challenge, ok bool) {
	if c.nonce, b, ok = cutNonce(b, kindChallenge); !ok {
		return c, false
	}
	if c.id, b, ok = cutText(b); !ok || !validID(c.id) {
		return c, false
	}
	if c.asked, b, ok = cutAddr(b); !ok {
		return c, false
	}
	if c.asker, b, ok = cutText(b); !ok || !validID(c.asker) {
		return c, false
	}
	c.from, b, ok = cutAddr(b)
	return c, ok && len(b) == 0
}

// answer is the proof that whoever sends it could sign the challenge of that nonce.
type answer struct {
	nonce nonce
	proof []byte
}

func (a answer) encode() []byte {
	return append(append([]byte{kindAnswer}, a.nonce[:]...), a.proof...)
}

func decodeAnswer(b []byte) (a answer, ok bool) {
	a.nonce, a.proof, ok = cutNonce(b, kindAnswer)
	return a, ok && len(a.proof) > 0 && len(a.proof) <= maxProof
}

func cutNonce(b []byte, kind byte) (n nonce, rest []byte, ok bool) {
	if len(b) < 1+len(n) || b[0] != kind {
		return n, nil, false
	}
	return nonce(b[1 : 1+len(n)]), b[1+len(n):], true
}
