package identity

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"fleet/internal/wire"
)

// Replacement is a new root that root keys sign one after the other, each perhaps on another machine: so many of the root before it
// as that says, and so many of its own.
type Replacement struct {
	After   []byte          `cbor:"1,keyasint"` // the root before it, as Authority.Raw is
	Record  []byte          `cbor:"2,keyasint"`
	Vouched []byte          `cbor:"3,keyasint,omitempty"`
	Before  []rootSignature `cbor:"4,keyasint,omitempty"`
	Own     []rootSignature `cbor:"5,keyasint,omitempty"`
}

// Replace makes the root that follows a: threshold of these keys must sign then. It vouches for the documents with these hashes:
// whatever else a signed does not count any more.
func (a Authority) Replace(threshold int, keys []RootKey, vouched []Hash, now time.Time) (Replacement, error) {
	slices.SortFunc(vouched, func(x, y Hash) int { return bytes.Compare(x[:], y[:]) })
	var list []byte
	for _, h := range slices.Compact(vouched) {
		list = append(list, h[:]...)
	}
	record := rootRecord{Version: a.record.Version + 1, Threshold: threshold, Keys: keys, Issued: now.Truncate(time.Second), Before: a.hash, Vouches: vouches(list)}
	if err := record.check(); err != nil {
		return Replacement{}, err
	}
	raw, err := wire.Marshal(record)
	return Replacement{After: a.raw, Record: raw, Vouched: list}, err
}

// Sign adds a key's signature, as one of the root before, of the new one, or both. Signing again changes nothing.
func (r *Replacement) Sign(before Authority, by RootSigner) error {
	own, err := r.record(before)
	if err != nil {
		return err
	}
	message := ofFleet(RootContext, before.first, r.Record)
	older, newer := before.record.has(by.Key()), own.has(by.Key())
	if !older && !newer {
		return fmt.Errorf("the key %s is neither of the root nor of the one that replaces it", by.Key().ID())
	}
	if older && len(r.Before) < before.record.Threshold {
		if r.Before, err = before.record.sign(message, r.Before, by); err != nil {
			return err
		}
	}
	if newer && len(r.Own) < own.Threshold {
		r.Own, err = own.sign(message, r.Own, by)
	}
	return err
}

// Missing is how many signatures are missing of the keys of the root before, and of the new ones.
func (r Replacement) Missing(before Authority) (older, newer int, err error) {
	own, err := r.record(before)
	return before.record.Threshold - len(r.Before), own.Threshold - len(r.Own), err
}

// Root is the new root, as its signatures make it. Without those of the root before only hosts take it that are told to, one by one:
// whose anchor knows it.
func (r Replacement) Root(before Authority) (Authority, error) {
	if _, err := r.record(before); err != nil {
		return Authority{}, err
	}
	signed, err := wire.Marshal(signedRecord{Record: r.Record, Before: r.Before, Own: r.Own})
	if err != nil {
		return Authority{}, err
	}
	raw, err := rootChain{Records: append(slices.Clip(before.chain.Records), signed), Vouched: r.Vouched}.encode()
	if err != nil {
		return Authority{}, err
	}
	return OpenRoot(Anchor{before.first, hashOfRecord(signed)}, raw)
}

// Keys are the new root's, of which needs must sign.
func (r Replacement) Keys(before Authority) (keys []RootKey, needs int, err error) {
	own, err := r.record(before)
	return own.Keys, own.Threshold, err
}

func (r Replacement) record(before Authority) (own rootRecord, err error) {
	if !bytes.Equal(r.After, before.raw) {
		return own, fmt.Errorf("it was made for another root than version %d, which is in force; make it again", before.Version())
	}
	if err := wire.Unmarshal(r.Record, &own); err != nil {
		return own, err
	}
	return own, own.check()
}

// has reports whether the key is one of the record's.
func (r rootRecord) has(key RootKey) bool {
	return slices.ContainsFunc(r.Keys, key.Equal)
}
