package gossip

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Hash is the SHA-256 of a document's signed bytes.
type Hash [sha256.Size]byte

// HashOf returns the hash of a document as it was signed.
func HashOf(raw []byte) Hash { return sha256.Sum256(raw) }

// Short is the beginning of the hash, for people: enough to tell a few versions apart.
func (h Hash) Short() string { return hex.EncodeToString(h[:4]) }

// Ref names one version of a document, exactly.
type Ref struct {
	Kind    string // such as "roster": 1 to 32 of a-z, 0-9, '.', '-' and '_', not starting with '.'
	Name    string // 1 to 96 of the same
	Version uint64 // from 1 up
	Hash    Hash
}

func (r Ref) String() string { return fmt.Sprintf("%s/%s version %d", r.Kind, r.Name, r.Version) }

// Beats reports whether r is kept rather than o, another version of the same document: the higher version wins, and of two
// with the same number the one with the greater hash. So all nodes keep the same one, in whatever order they come.
func (r Ref) Beats(o Ref) bool {
	if r.Version != o.Version {
		return r.Version > o.Version
	}
	return bytes.Compare(r.Hash[:], o.Hash[:]) > 0
}

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

// LineageStep is how many bytes of each earlier version's hash a lineage has.
const LineageStep = 16

// Facts is what a verified document says about itself.
type Facts struct {
	Kind, Name string
	Version    uint64
	// Lineage has the first LineageStep bytes of the hash of each earlier version, the newest first. It may end before the
	// first version.
	Lineage []byte
	// Merged has the same of lost versions whose changes were made again in this version or an earlier one.
	Merged []byte
	// Signer is the id of the admin who signed the document, whose quota it takes; "" is the fleet's root key.
	Signer string
	// Until is when all nodes drop the document; the zero time is never.
	Until time.Time
	// Ended says that nothing is in force any more: this version only replaces earlier ones until they would have ended.
	Ended bool
	// Entries is what the document says, by name; nil where it stands for itself. One all of whose entries another one of its
	// kind has is not kept.
	Entries map[string]Entry
}

func (f Facts) check() error {
	if len(f.Lineage)%LineageStep != 0 || len(f.Merged)%LineageStep != 0 {
		return errors.New("lineage is cut off")
	}
	return Ref{Kind: f.Kind, Name: f.Name, Version: f.Version}.check()
}

// document is one that verified.
type document struct {
	Ref
	facts Facts
	raw   []byte
	saved bool // the file on disk is this one
}

// drops reports whether d, which beats old, is not its successor, so that old's changes are lost. If the lineage does not
// reach back to old, d is taken for its successor.
func (d document) drops(old document) bool {
	if d.Version == old.Version {
		return d.Hash != old.Hash
	}
	steps := d.Version - old.Version
	if d.Version < old.Version || steps > uint64(len(d.facts.Lineage)/LineageStep) {
		return false
	}
	at := int(steps-1) * LineageStep
	return !bytes.Equal(d.facts.Lineage[at:at+LineageStep], old.Hash[:LineageStep])
}

// over reports whether the document has ended, or ends within margin.
func (d document) over(now time.Time, margin time.Duration) bool {
	return !d.facts.Until.IsZero() && !now.Add(margin).Before(d.facts.Until)
}
