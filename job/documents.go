package job

import (
	"fmt"

	"fleet/identity"
	"fleet/internal/wire"
)

// DocumentQuery asks on DocGetSubject for replicated documents. The answer is a DocumentAnswer.
type DocumentQuery struct {
	Documents []WantedDocument `cbor:"1,keyasint"` // at most MaxDocuments
}

// WantedDocument names a document, or all of a kind.
type WantedDocument struct {
	Kind string `cbor:"1,keyasint"`
	Name string `cbor:"2,keyasint,omitempty"` // "": all documents of the kind
	// Version and Hash name the version that is wanted at least: a higher one, or one of this number with a greater hash, will
	// do too. Without them it is whatever is there.
	Version uint64 `cbor:"3,keyasint,omitempty"`
	Hash    []byte `cbor:"4,keyasint,omitempty"` // 32 bytes, or none
}

// exact reports whether w names one document and its version.
func (w WantedDocument) exact() bool {
	return w.Kind != "" && w.Name != "" && w.Version != 0 && len(w.Hash) == len(identity.Hash{})
}

// DocumentAnswer has the signed documents that the asked node has, as far as they fit into MaxDocumentAnswer. Whoever asked
// verifies them, and asks again for what is missing.
type DocumentAnswer struct {
	Documents [][]byte `cbor:"1,keyasint"`
	// More says that there are others that did not fit.
	More bool `cbor:"2,keyasint,omitempty"`
}

// Encode returns what goes on the wire.
func (q DocumentQuery) Encode() ([]byte, error) { return wire.Marshal(q) }

// Encode returns what goes on the wire.
func (a DocumentAnswer) Encode() ([]byte, error) { return wire.Marshal(a) }

// DecodeDocumentQuery reads a query, strictly.
func DecodeDocumentQuery(raw []byte) (DocumentQuery, error) {
	var q DocumentQuery
	if err := wire.Unmarshal(raw, &q); err != nil {
		return DocumentQuery{}, fmt.Errorf("document query: %w", err)
	}
	if len(q.Documents) > MaxDocuments {
		return DocumentQuery{}, fmt.Errorf("document query for %d documents, at most %d are allowed", len(q.Documents), MaxDocuments)
	}
	for _, w := range q.Documents {
		if len(w.Hash) != 0 && len(w.Hash) != len(identity.Hash{}) {
			return DocumentQuery{}, fmt.Errorf("document query with a hash of %d bytes", len(w.Hash))
		}
	}
	return q, nil
}

// DecodeDocuments reads an answer, strictly. The documents are not verified.
func DecodeDocuments(raw []byte) (DocumentAnswer, error) {
	var a DocumentAnswer
	if len(raw) > MaxPayload {
		return a, fmt.Errorf("documents in %d bytes, at most %d are possible", len(raw), MaxPayload)
	}
	if err := wire.Unmarshal(raw, &a); err != nil {
		return DocumentAnswer{}, fmt.Errorf("documents: %w", err)
	}
	return a, nil
}
