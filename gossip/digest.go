package gossip

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

const (
	digestLayout = 1
	// hashPrefix is how many bytes of a document's SHA-256 a digest carries. It only has to notice that two documents
	// of one version differ by accident; who forges needs a key, not a collision.
	hashPrefix = 8
)

// Ref names a document in one version.
type Ref struct {
	Kind    string // such as "roster": 1 to 32 of a-z, 0-9, '.', '-' and '_', not starting with '.'
	Name    string // 1 to 96 of the same
	Version uint64 // from 1 up; the highest wins
}

func (r Ref) String() string { return fmt.Sprintf("%s/%s version %d", r.Kind, r.Name, r.Version) }

func (r Ref) check() error {
	switch {
	case !validWord(r.Kind, maxKind):
		return fmt.Errorf("document kind %q is not 1 to %d of a-z, 0-9, '.', '-' and '_'", r.Kind, maxKind)
	case !validWord(r.Name, maxName):
		return fmt.Errorf("document name %q is not 1 to %d of a-z, 0-9, '.', '-' and '_'", r.Name, maxName)
	case r.Version == 0:
		return fmt.Errorf("document %s/%s has version 0", r.Kind, r.Name)
	}
	return nil
}

func compareRefs(a, b Ref) int {
	return cmp.Or(strings.Compare(a.Kind, b.Kind), strings.Compare(a.Name, b.Name))
}

// validWord keeps kinds and names harmless as file names and in log lines.
func validWord(s string, limit int) bool {
	return len(s) >= 1 && len(s) <= limit && s[0] != '.' && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '.' || r == '-' || r == '_')
	})
}

// summary is one line of a digest.
type summary struct {
	Ref
	hash [hashPrefix]byte
}

func summarize(ref Ref, raw []byte) summary {
	sum := sha256.Sum256(raw)
	return summary{ref, [hashPrefix]byte(sum[:])}
}

// encodeDigest writes summaries, which must be sorted by kind and name:
//
//	1  layout, 1
//	n  how many follow, shortest uvarint
//	then each: kind and name with their lengths in one byte, the version as shortest uvarint, 8 bytes of SHA-256
func encodeDigest(summaries []summary) []byte {
	b := binary.AppendUvarint([]byte{digestLayout}, uint64(len(summaries)))
	for _, s := range summaries {
		b = appendText(appendText(b, s.Kind), s.Name)
		b = append(binary.AppendUvarint(b, s.Version), s.hash[:]...)
	}
	return b
}

// decodeDigest reads what encodeDigest wrote and nothing else: sorted, without doubles, without a tail.
func decodeDigest(b []byte) ([]summary, error) {
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
	var out []summary // grows with what is really there, not with what n claims
	for i := range n {
		var s summary
		if s.Kind, b, ok = cutText(b); ok {
			s.Name, b, ok = cutText(b)
		}
		if ok {
			s.Version, b, ok = cutUvarint(b)
		}
		if !ok || len(b) < hashPrefix {
			return nil, fmt.Errorf("digest is cut off in document %d", i)
		}
		b = b[copy(s.hash[:], b):]
		if err := s.check(); err != nil {
			return nil, fmt.Errorf("digest: %w", err)
		}
		if i > 0 && compareRefs(out[i-1].Ref, s.Ref) >= 0 {
			return nil, fmt.Errorf("digest is not sorted at %s", s.Ref)
		}
		out = append(out, s)
	}
	if len(b) != 0 {
		return nil, errors.New("digest has a tail")
	}
	return out, nil
}

func (s summary) sameBytes(o summary) bool { return bytes.Equal(s.hash[:], o.hash[:]) }
