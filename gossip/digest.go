package gossip

import (
	"encoding/binary"
	"errors"
	"fmt"
)

const digestLayout = 2

// encodeDigest writes refs, which must be sorted by kind and name:
//
//	1  layout, 2
//	n  how many follow, shortest uvarint
//	then each: kind and name with their lengths in one byte, the version as shortest uvarint, 32 bytes of SHA-256
func encodeDigest(refs []Ref) []byte {
	b := binary.AppendUvarint([]byte{digestLayout}, uint64(len(refs)))
	for _, r := range refs {
		b = appendText(appendText(b, r.Kind), r.Name)
		b = append(binary.AppendUvarint(b, r.Version), r.Hash[:]...)
	}
	return b
}

// decodeDigest reads what encodeDigest wrote and nothing else: sorted, without doubles, without a tail.
func decodeDigest(b []byte) ([]Ref, error) {
	if len(b) > maxDigest {
		return nil, fmt.Errorf("digest has %d bytes, at most %d are allowed", len(b), maxDigest)
	}
	if len(b) < 1 || b[0] != digestLayout {
		return nil, errors.New("digest has an unknown layout")
	}
	n, b, ok := cutUvarint(b[1:])
	if !ok || n > maxDocuments {
		return nil, fmt.Errorf("digest does not say how many documents follow, or more than %d", maxDocuments)
	}
	var out []Ref // grows with what is really there, not with what n claims
	for i := range n {
		var r Ref
		if r.Kind, b, ok = cutText(b); ok {
			r.Name, b, ok = cutText(b)
		}
		if ok {
			r.Version, b, ok = cutUvarint(b)
		}
		if !ok || len(b) < len(r.Hash) {
			return nil, fmt.Errorf("digest is cut off in document %d", i)
		}
		b = b[copy(r.Hash[:], b):]
		if err := r.check(); err != nil {
			return nil, fmt.Errorf("digest: %w", err)
		}
		if i > 0 && compareRefs(out[i-1], r) >= 0 {
			return nil, fmt.Errorf("digest is not sorted at %s", r)
		}
		out = append(out, r)
	}
	if len(b) != 0 {
		return nil, errors.New("digest has a tail")
	}
	return out, nil
}

// Digest returns a short list of what is here, for Compare on another node. Documents about to end are left out, so that a
// node with a fast clock that has dropped them does not ask for them again.
func (s *Store) Digest() []byte { return encodeDigest(s.refs(s.now(), clockMargin)) }

// Compare reads another node's digest: missing is what that node claims to have and this one should fetch; ahead is what is
// here and that node should fetch. Documents that Put refused lately are not missing. It fails on a digest that is not
// exactly as Digest makes them.
func (s *Store) Compare(digest []byte) (missing, ahead []Ref, err error) {
	theirs, err := decodeDigest(digest)
	if err != nil {
		return nil, nil, err
	}
	now := s.now()
	at := make(map[string]Ref, len(theirs))
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, t := range theirs {
		at[fileName(t)] = t
		ours, ok := s.docs[fileName(t)]
		if (!ok || t.Beats(ours.Ref)) && !s.refused.has(t.Hash, now) {
			missing = append(missing, t)
		}
	}
	for _, r := range s.sorted(now, clockMargin) {
		if t, ok := at[fileName(r)]; !ok || r.Beats(t) {
			ahead = append(ahead, r)
		}
	}
	return missing, ahead, nil
}
