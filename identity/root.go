package identity

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"fleet/internal/wire"
)

// RootKind is the kind of the document that says whose signatures count as the fleet's root, and its name. It is the chain of
// root records from the first one, which the anchor pins.
const RootKind = "root"

// rootRecord says which keys are the fleet's root, and how many of them must sign. Its successor must be signed by as many as it
// says itself, and by as many of the new keys as that says.
type rootRecord struct {
	Version   int       `cbor:"1,keyasint"` // 1 is the first
	Threshold int       `cbor:"2,keyasint"`
	Keys      []RootKey `cbor:"3,keyasint"`
	Issued    time.Time `cbor:"4,keyasint"`
	Salt      []byte    `cbor:"5,keyasint,omitempty"` // of the first: two fleets may have the same keys
	Before    Hash      `cbor:"6,keyasint,omitzero"`  // of the signed record before
	// Vouches is the SHA-256 of the hashes of documents that go on counting although earlier keys signed them.
	Vouches Hash `cbor:"7,keyasint,omitzero"`
}

// signedRecord is a record with the signatures of the keys of the one before, and of its own. The first has none: it is pinned.
type signedRecord struct {
	Record []byte          `cbor:"1,keyasint"`
	Before []rootSignature `cbor:"2,keyasint,omitempty"`
	Own    []rootSignature `cbor:"3,keyasint,omitempty"`
}

// rootSignature is by the key at this place in its record.
type rootSignature struct {
	_    struct{} `cbor:",toarray"`
	Key  int
	Sign []byte
}

// rootChain is the document: signed records, each encoded, and what the last one vouches for: hashes, ascending.
type rootChain struct {
	Records [][]byte `cbor:"1,keyasint"`
	Vouched []byte   `cbor:"2,keyasint,omitempty"`
}

// Authority is who may sign for a fleet as its root: the keys in the newest root record, so many of them together. The zero value
// is nobody.
type Authority struct {
	first   Hash
	hash    Hash
	record  rootRecord
	vouched map[Hash]bool
	chain   rootChain
	raw     []byte
}

// NewRoot makes a fleet's first root: threshold of the keys must sign.
func NewRoot(threshold int, keys []RootKey, now time.Time) (Authority, error) {
	record := rootRecord{Version: 1, Threshold: threshold, Keys: keys, Issued: now.Truncate(time.Second), Salt: make([]byte, saltSize)}
	rand.Read(record.Salt)
	if err := record.check(); err != nil {
		return Authority{}, err
	}
	body, err := wire.Marshal(record)
	if err != nil {
		return Authority{}, err
	}
	signed, err := wire.Marshal(signedRecord{Record: body})
	if err != nil {
		return Authority{}, err
	}
	raw, err := rootChain{Records: [][]byte{signed}}.encode()
	if err != nil {
		return Authority{}, err
	}
	first := hashOfRecord(signed)
	return OpenRoot(Anchor{first, first}, raw)
}

// OpenRoot verifies a chain of root records from the first one, which must be the anchor's. What came before the record that the
// anchor knows is fixed by its hash; what comes after it must be signed.
func OpenRoot(anchor Anchor, raw []byte) (Authority, error) {
	chain, err := decodeRoot(raw)
	if err != nil {
		return Authority{}, fmt.Errorf("root: %w", err)
	}
	a := Authority{first: anchor.First, chain: chain, raw: bytes.Clone(raw)}
	known := false
	for i, signed := range chain.Records {
		if err := a.add(i+1, signed, anchor, known); err != nil {
			return Authority{}, fmt.Errorf("root record %d: %w", i+1, err)
		}
		known = known || a.hash == anchor.Known
	}
	if !known {
		return Authority{}, errors.New("root: it is older than the one that is pinned here, or another one")
	}
	return a, a.vouch()
}

// add makes the next record the one in force.
func (a *Authority) add(version int, signed []byte, anchor Anchor, verify bool) error {
	var s signedRecord
	var r rootRecord
	err := wire.Unmarshal(signed, &s)
	if err == nil {
		err = wire.Unmarshal(s.Record, &r)
	}
	if err == nil {
		err = r.check()
	}
	hash := hashOfRecord(signed)
	switch {
	case err != nil:
		return err
	case r.Version != version || r.Before != a.hash:
		return errors.New("it does not follow the one before")
	case version == 1 && (hash != anchor.First || len(s.Before)+len(s.Own) > 0):
		return fmt.Errorf("it is of another fleet (this one is %s)", anchor.ID())
	}
	if verify {
		message := ofFleet(RootContext, a.first, s.Record)
		if err := a.record.verify(message, s.Before); err != nil {
			return fmt.Errorf("the root before it did not sign it: %w", err)
		}
		if err := r.verify(message, s.Own); err != nil {
			return fmt.Errorf("its own keys did not sign it: %w", err)
		}
	}
	a.hash, a.record = hash, r
	return nil
}

// vouch reads what the newest record vouches for.
func (a *Authority) vouch() error {
	if a.record.Vouches != vouches(a.chain.Vouched) {
		return errors.New("root: the documents that it vouches for are not those in the record")
	}
	a.vouched = map[Hash]bool{}
	for some := range slices.Chunk(a.chain.Vouched, len(Hash{})) {
		a.vouched[Hash(some)] = true
	}
	return nil
}

// vouches is the hash of the list, which is zero for an empty one.
func vouches(list []byte) Hash {
	if len(list) == 0 {
		return Hash{}
	}
	return sha256.Sum256(list)
}

// Follow verifies a chain that comes after a, or is a itself, byte by byte.
func (a Authority) Follow(raw []byte) (Authority, error) {
	next, err := OpenRoot(a.Anchor(), raw)
	if err != nil {
		return Authority{}, err
	}
	if next.Version() == a.Version() && !bytes.Equal(raw, a.raw) {
		return Authority{}, errors.New("root: the same version with other bytes")
	}
	return next, nil
}

// Follows reports whether a is a later root than the one of this chain.
func (a Authority) Follows(raw []byte) bool {
	before, err := decodeRoot(raw)
	n := len(before.Records)
	return err == nil && n < len(a.chain.Records) && slices.EqualFunc(before.Records, a.chain.Records[:n], bytes.Equal)
}

// Anchor pins the fleet, and a as the newest root.
func (a Authority) Anchor() Anchor { return Anchor{a.first, a.hash} }

// Version is 1 for the first root; 0 is nobody's.
func (a Authority) Version() uint64 { return uint64(a.record.Version) }

// Keys are the root's, of which Threshold together sign.
func (a Authority) Keys() []RootKey { return slices.Clone(a.record.Keys) }

// Threshold is how many keys must sign.
func (a Authority) Threshold() int { return a.record.Threshold }

// Vouched are the hashes of the documents that go on counting although earlier keys signed them, in ascending order.
func (a Authority) Vouched() (list []Hash) {
	for some := range slices.Chunk(a.chain.Vouched, len(Hash{})) {
		list = append(list, Hash(some))
	}
	return list
}

// Raw is the document. It must not be changed.
func (a Authority) Raw() []byte { return a.raw }

// Issued is when the root was made.
func (a Authority) Issued() time.Time { return a.record.Issued }

// verify returns nil if list has exactly as many signatures over message as are needed, by different keys in their order: so
// nobody can make other bytes of what is signed.
func (r rootRecord) verify(message []byte, list []rootSignature) error {
	if r.Threshold == 0 || len(list) != r.Threshold {
		return fmt.Errorf("it has %d signatures of root keys; it needs %d", len(list), r.Threshold)
	}
	return r.verifySome(message, list)
}

// verifySome is verify for a list that may lack signatures.
func (r rootRecord) verifySome(message []byte, list []rootSignature) error {
	if len(list) > r.Threshold {
		return fmt.Errorf("it has %d signatures of root keys; it needs %d", len(list), r.Threshold)
	}
	for i, s := range list {
		if s.Key < 0 || s.Key >= len(r.Keys) || i > 0 && s.Key <= list[i-1].Key {
			return errors.New("its signatures are not by different keys of the root, in their order")
		}
		if !r.Keys[s.Key].verify(message, s.Sign) {
			return fmt.Errorf("the signature of the root key %s is not valid", r.Keys[s.Key].ID())
		}
	}
	return nil
}

func (r rootRecord) check() error {
	if len(r.Keys) == 0 || len(r.Keys) > MaxRootKeys || r.Threshold < 1 || r.Threshold > len(r.Keys) {
		return fmt.Errorf("%d of %d root keys must sign; there may be 1 to %d keys", r.Threshold, len(r.Keys), MaxRootKeys)
	}
	for i, k := range r.Keys {
		if err := k.check(); err != nil {
			return err
		}
		if slices.ContainsFunc(r.Keys[:i], func(o RootKey) bool { return o.Key.Equal(k.Key) }) {
			return fmt.Errorf("the root key %s is listed twice", k.ID())
		}
	}
	return nil
}

func (c rootChain) encode() ([]byte, error) {
	raw, err := wire.Marshal(c)
	if err != nil {
		return nil, err
	}
	raw = append([]byte(RootContext+"\x00"), raw...)
	if len(raw) > MaxDocument {
		return nil, fmt.Errorf("the root has %d bytes; the limit for a document is %d", len(raw), MaxDocument)
	}
	return raw, nil
}

// isRoot reports whether a document is a chain of root records, as it says itself.
func isRoot(raw []byte) bool { return bytes.HasPrefix(raw, []byte(RootContext+"\x00")) }

func decodeRoot(raw []byte) (c rootChain, err error) {
	if len(raw) > MaxDocument || !isRoot(raw) {
		return c, errors.New("not a chain of root records")
	}
	if err := wire.Unmarshal(raw[len(RootContext)+1:], &c); err != nil {
		return c, err
	}
	const step = len(Hash{})
	if len(c.Records) == 0 || len(c.Records) > maxRoots || len(c.Vouched)%step != 0 {
		return c, fmt.Errorf("it has %d records; it must have 1 to %d", len(c.Records), maxRoots)
	}
	list := slices.Collect(slices.Chunk(c.Vouched, step))
	if !slices.IsSortedFunc(list, bytes.Compare) || len(slices.CompactFunc(list, bytes.Equal))*step != len(c.Vouched) {
		return c, errors.New("what it vouches for is not in order")
	}
	return c, nil
}

func hashOfRecord(raw []byte) Hash { return sha256.Sum256(signed(RootContext, raw)) }

// sortSignatures puts signatures into the order of the keys.
func sortSignatures(list []rootSignature) {
	slices.SortFunc(list, func(a, b rootSignature) int { return cmp.Compare(a.Key, b.Key) })
}
