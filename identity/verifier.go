package identity

import (
	"sync"
)

// Verifier opens many statements, of which most share a token, and each of which comes again: a plan and the job after it hear
// the same hosts. It is safe for use by several goroutines. It remembers only what held, and no roster: that may change
// between one reply and the next.
type Verifier struct {
	root Anchor

	mu      sync.RWMutex
	records map[Hash]Record
	claims  map[Hash]Claim
	labels  map[Hash]Labels
}

// NewVerifier returns a Verifier for one fleet.
func NewVerifier(root Anchor) *Verifier {
	return &Verifier{root: root, records: map[Hash]Record{}, claims: map[Hash]Claim{}, labels: map[Hash]Labels{}}
}

// Open is OpenStatement.
func (v *Verifier) Open(raw []byte) (Claim, error) {
	sum := HashOf(raw)
	v.mu.RLock()
	claim, known := v.claims[sum]
	v.mu.RUnlock()
	if known {
		return claim, nil
	}
	s, err := decodeStatement(raw)
	if err != nil {
		return Claim{}, err
	}
	record, err := v.openRecord(s.Record)
	if err != nil {
		return Claim{}, err
	}
	if claim, err = s.claim(record, raw); err != nil {
		return Claim{}, err
	}
	v.mu.Lock()
	remember(v.claims, sum, claim, maxClaims)
	v.mu.Unlock()
	return claim, nil
}

func (v *Verifier) openRecord(signed []byte) (Record, error) {
	sum := HashOf(signed)
	v.mu.RLock()
	record, known := v.records[sum]
	v.mu.RUnlock()
	if known {
		return record, nil
	}
	record, err := openRecord(v.root, signed)
	if err == nil {
		v.mu.Lock()
		remember(v.records, sum, record, maxRecords)
		v.mu.Unlock()
	}
	return record, err
}

// OpenLabels is OpenLabels.
func (v *Verifier) OpenLabels(signed []byte) (Labels, error) {
	sum := HashOf(signed)
	v.mu.RLock()
	l, known := v.labels[sum]
	v.mu.RUnlock()
	if known {
		return l, nil
	}
	l, err := OpenLabels(v.root, signed)
	if err == nil {
		v.mu.Lock()
		remember(v.labels, sum, l, maxClaims)
		v.mu.Unlock()
	}
	return l, err
}

// remember makes room, when there is none, by forgetting all: who still speaks is verified once more.
func remember[T any](m map[Hash]T, sum Hash, v T, room int) {
	if len(m) >= room {
		clear(m)
	}
	m[sum] = v
}
