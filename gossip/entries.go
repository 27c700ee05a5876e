package gossip

import (
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Entry is one of the things that a document says, where others of its kind may say the same: revocations are packed, many
// into one document, and those that they came from are not needed any more.
type Entry struct {
	Level uint64    // a higher one says all that a lower one does
	Until time.Time // zero: for ever
}

// errCovered is why a document is not kept whose entries another one has.
var errCovered = fmt.Errorf("%w: all that it says is in another document", ErrOlder)

func (e Entry) over(now time.Time) bool { return !e.Until.IsZero() && !now.Before(e.Until) }

// includes reports whether e says all that o does, for as long as o does.
func (e Entry) includes(o Entry) bool {
	return e.Level >= o.Level && (e.Until.IsZero() || !o.Until.IsZero() && !e.Until.Before(o.Until))
}

// covers reports whether d makes o superfluous: d says all that o still says. Of two that say the same, the one with the
// greater hash stays. This is an order, so all nodes end with the same documents, and nothing that was said is lost.
func (d document) covers(o document, now time.Time) bool {
	return d.Kind == o.Kind && d.Hash != o.Hash && d.says(o, now) && (!o.says(d, now) || Ref{Hash: d.Hash}.Beats(Ref{Hash: o.Hash}))
}

func (d document) says(o document, now time.Time) bool {
	if len(d.facts.Entries) == 0 || len(o.facts.Entries) == 0 {
		return false
	}
	for name, e := range o.facts.Entries {
		mine, ok := d.facts.Entries[name]
		if !e.over(now) && (!ok || !mine.includes(e)) {
			return false
		}
	}
	return true
}

// isCovered reports whether a document that is kept covers doc. The caller holds mu.
func (s *Store) isCovered(doc document) bool {
	now := s.now()
	for _, d := range s.docs {
		if d.covers(doc, now) {
			return true
		}
	}
	return false
}

// coveredBy are the files of what doc covers. The caller holds mu.
func (s *Store) coveredBy(doc document) map[string]bool {
	if len(doc.facts.Entries) == 0 {
		return nil
	}
	now, files := s.now(), map[string]bool{}
	for file, d := range s.docs {
		if doc.covers(d, now) {
			files[file] = true
		}
	}
	return files
}

// uncover drops what the document in file covers. The files stay until that one is on disk. The caller holds mu.
func (s *Store) uncover(file string, covered map[string]bool) {
	for f := range covered {
		delete(s.docs, f)
		s.covered[f] = file
	}
	for f, by := range s.covered {
		if covered[by] {
			s.covered[f] = file
		}
	}
}

// superfluous are the files of documents that others cover since some of their entries have ended. The caller holds mu.
func (s *Store) superfluous(now time.Time) (files []string) {
	for file, o := range s.docs {
		for _, d := range s.docs {
			if d.saved && d.covers(o, now) {
				delete(s.docs, file)
				files = append(files, file)
				break
			}
		}
	}
	return files
}

// removeCovered removes the files of what the document in file, now on disk, covers. The caller holds disk and mu.
func (s *Store) removeCovered(file string) {
	for f, by := range s.covered {
		if by != file {
			continue
		}
		delete(s.covered, f)
		if _, back := s.docs[f]; !back {
			os.Remove(filepath.Join(s.dir, f))
		}
	}
}
