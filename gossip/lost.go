package gossip

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"fleet/internal/logkey"
)

const lostSuffix = ".lost"

// Lost is a version that lost to a concurrent one: both were made from the same earlier version, at the same time or on two
// sides of a partition. Its changes are not in force, and somebody must be told.
type Lost struct {
	Ref
	Raw   []byte    // as it was signed; not to be changed
	To    Ref       // the version kept instead, as far as it is known
	Since time.Time // when it was noticed here

	saved bool
}

// Lost lists the versions that lost within the last week and were not made again, by kind, name and version.
func (s *Store) Lost() []Lost {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var out []Lost
	for _, l := range s.lost {
		out = append(out, l)
	}
	slices.SortFunc(out, func(a, b Lost) int {
		return cmp.Or(compareRefs(a.Ref, b.Ref), cmp.Compare(a.Version, b.Version), bytes.Compare(a.Hash[:], b.Hash[:]))
	})
	return out
}

// lose remembers that doc lost to another version. The caller holds mu.
func (s *Store) lose(doc, to document) {
	if _, known := s.lost[doc.Hash]; known || to.merges(doc.Hash) {
		return
	}
	s.log.Error("a change lost to a concurrent one and is not in force", logkey.Document, doc.Ref.String(), logkey.Hash, doc.Hash.Short(), logkey.Winner, to.Hash.Short())
	if len(s.lost) < maxLost { // more at once help nobody
		s.lost[doc.Hash] = Lost{Ref: doc.Ref, Raw: doc.raw, To: to.Ref, Since: s.now()}
	}
}

// saveLost writes lost versions to disk.
func (s *Store) saveLost() error {
	s.disk.Lock()
	defer s.disk.Unlock()
	for _, l := range s.Lost() {
		if l.saved {
			continue
		}
		if err := s.write(filepath.Join(s.dir, lostName(l.Hash)), l.Raw, 0o600); err != nil {
			return fmt.Errorf("keep the lost version of %s: %w", l.Ref, err)
		}
		s.mu.Lock()
		if now, still := s.lost[l.Hash]; still {
			now.saved = true
			s.lost[l.Hash] = now
		}
		s.mu.Unlock()
	}
	return nil
}

// redeem forgets lost versions whose changes doc makes again. Their files stay until doc is on disk. The caller holds mu.
func (s *Store) redeem(doc document) {
	for h, l := range s.lost {
		if compareRefs(l.Ref, doc.Ref) == 0 && doc.merges(h) {
			delete(s.lost, h)
			s.redeemed = append(s.redeemed, l.Ref)
		}
	}
}

// removeRedeemed removes the files of lost versions whose changes the document in file, now on disk, makes again. The caller
// holds disk and mu.
func (s *Store) removeRedeemed(file string) {
	s.redeemed = slices.DeleteFunc(s.redeemed, func(r Ref) bool {
		done := fileName(r) == file
		if _, again := s.lost[r.Hash]; done && !again {
			os.Remove(filepath.Join(s.dir, lostName(r.Hash)))
		}
		return done
	})
}

// merges reports whether d, or a version before it, makes the changes of that lost version again.
func (d document) merges(h Hash) bool {
	for at := 0; at+LineageStep <= len(d.facts.Merged); at += LineageStep {
		if bytes.Equal(d.facts.Merged[at:at+LineageStep], h[:LineageStep]) {
			return true
		}
	}
	return false
}

// forgetLost forgets old lost versions and returns their files. The caller holds mu.
func (s *Store) forgetLost(now time.Time) (files []string) {
	for h, l := range s.lost {
		if now.Sub(l.Since) >= lostFor {
			delete(s.lost, h)
			files = append(files, lostName(h))
		}
	}
	return files
}

func (s *Store) loadLost(file string) {
	doc, err := s.read(file)
	info, err2 := os.Stat(filepath.Join(s.dir, file))
	counts := s.docs[fileName(doc.Ref)]
	if err != nil || err2 != nil || file != lostName(doc.Hash) || len(s.lost) >= maxLost || counts.Hash == doc.Hash || counts.merges(doc.Hash) {
		os.Remove(filepath.Join(s.dir, file))
		return
	}
	s.lost[doc.Hash] = Lost{Ref: doc.Ref, Raw: doc.raw, To: counts.Ref, Since: info.ModTime(), saved: true}
}

func lostName(h Hash) string { return hex.EncodeToString(h[:]) + lostSuffix }
