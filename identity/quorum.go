package identity

import (
	"errors"
	"fmt"
	"slices"

	"fleet/internal/wire"
)

// rooted is a document that the root signed.
type rooted struct {
	Body       []byte          `cbor:"1,keyasint"`
	Signatures []rootSignature `cbor:"2,keyasint"`
}

// Quorum is a fleet's root, and those keys that are at hand: its own, and perhaps some of former days.
type Quorum struct {
	Authority
	Holders []RootSigner
}

// Own are the keys at hand that are the root's.
func (q Quorum) Own() (own []RootSigner) {
	for _, h := range q.Holders {
		if q.record.has(h.Key()) {
			own = append(own, h)
		}
	}
	return own
}

var errNotRooted = errors.New("no root key signed it")

// ErrTooFewKeys is wrapped when more root keys must sign than are at hand.
var ErrTooFewKeys = errors.New("more root keys must sign")

// Sign makes the document with this body, which Roster.Propose or ProposeRevocations made. It asks no more keys than must sign, and
// none that are not the root's. Where too few are at hand the error is ErrTooFewKeys.
func (q Quorum) Sign(body []byte) ([]byte, error) {
	p := Proposal{Body: body}
	for _, h := range q.Own() {
		if len(p.Signatures) == q.record.Threshold {
			break
		}
		if err := p.Sign(q.Authority, h); err != nil {
			return nil, err
		}
	}
	return p.Document(q.Authority)
}

// Proposal is a document that root keys sign one after the other, each perhaps on another machine.
type Proposal struct {
	Body       []byte          `cbor:"1,keyasint"`
	Signatures []rootSignature `cbor:"2,keyasint,omitempty"`
}

// Sign adds a key's signature. Signing again with the same key changes nothing.
func (p *Proposal) Sign(root Authority, by RootSigner) error {
	list, err := root.record.sign(ofFleet(RootedContext, root.first, p.Body), p.Signatures, by)
	if err == nil {
		p.Signatures = list
	}
	return err
}

// Document is what is handed in, once enough keys have signed; until then the error is ErrTooFewKeys.
func (p Proposal) Document(root Authority) ([]byte, error) {
	if have := len(p.Signatures); have < root.record.Threshold {
		return nil, fmt.Errorf("%w: %d of %d have", ErrTooFewKeys, have, root.record.Threshold)
	}
	raw, err := wire.Marshal(rooted(p))
	if err != nil {
		return nil, err
	}
	_, err = root.open(raw)
	return raw, err
}

// sign adds by's signature over message to the list, unless it is there.
func (r rootRecord) sign(message []byte, list []rootSignature, by RootSigner) ([]rootSignature, error) {
	at := slices.IndexFunc(r.Keys, func(k RootKey) bool { return k.Equal(by.Key()) })
	if at < 0 {
		return list, fmt.Errorf("the key %s is none of this fleet's root keys", by.Key().ID())
	}
	if slices.ContainsFunc(list, func(s rootSignature) bool { return s.Key == at }) {
		return list, nil
	}
	sig, err := by.Sign(message)
	if err != nil {
		return list, fmt.Errorf("sign with the root key %s: %w", by.Key().ID(), err)
	}
	if !r.Keys[at].verify(message, sig) {
		return list, fmt.Errorf("the signature made for the root key %s is not valid", by.Key().ID())
	}
	list = append(slices.Clone(list), rootSignature{Key: at, Sign: sig})
	sortSignatures(list)
	return list, nil
}

// open verifies a document that the root signed, or vouches for, and returns its body.
func (a Authority) open(raw []byte) ([]byte, error) {
	var r rooted
	if err := wire.Unmarshal(raw, &r); err != nil {
		return nil, errNotRooted
	}
	if a.vouched[HashOf(raw)] {
		return r.Body, nil
	}
	if err := a.record.verify(ofFleet(RootedContext, a.first, r.Body), r.Signatures); err != nil {
		return nil, err
	}
	return r.Body, nil
}

// ofFleet is what root keys sign: one key may be of two fleets.
func ofFleet(c Context, fleet Hash, message []byte) []byte {
	return append(signed(c, fleet[:]), message...)
}
