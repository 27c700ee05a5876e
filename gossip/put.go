package gossip

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Put verifies raw and keeps it if it beats the version that is here (see Ref.Beats). From then on Get returns it, even if
// it cannot be written to disk: then the error is ErrUnsaved, and Mend tries again. The same bytes again are false without
// an error. ErrOlder, ErrLost, ErrFull and ErrEnded can be told apart. It blocks for the disk.
func (s *Store) Put(raw []byte) (changed bool, err error) {
	doc, err := s.check(raw, clockMargin)
	if err == nil {
		changed, err = s.keep(doc)
	}
	switch {
	case errors.Is(err, ErrOlder) && !errors.Is(err, errCovered):
		return false, err
	case errors.Is(err, ErrLost):
		return false, errors.Join(err, s.saveLost())
	case err != nil:
		s.mu.Lock()
		s.refused.add(HashOf(raw), s.now())
		s.mu.Unlock()
		return false, err
	}
	return changed, s.save(fileName(doc.Ref))
}

// keep replaces the version in memory by doc, if doc beats it.
func (s *Store) keep(doc document) (changed bool, err error) {
	file := fileName(doc.Ref)
	s.mu.Lock()
	defer s.mu.Unlock()
	old, have := s.docs[file]
	switch {
	case have && doc.Hash == old.Hash:
		return false, nil
	case have && !doc.Beats(old.Ref):
		if old.drops(doc) && !old.says(doc, s.now()) {
			s.lose(doc, old)
			return false, fmt.Errorf("%s: %w", doc.Ref, ErrLost)
		}
		return false, fmt.Errorf("%s: %w (%d)", doc.Ref, ErrOlder, old.Version)
	}
	if s.isCovered(doc) {
		return false, fmt.Errorf("%s: %w", doc.Ref, errCovered)
	}
	covered := s.coveredBy(doc)
	if err := s.room(doc, old, covered); err != nil {
		return false, fmt.Errorf("%s: %w", doc.Ref, err)
	}
	s.docs[file] = doc
	s.uncover(file, covered)
	if have && doc.drops(old) && !doc.says(old, s.now()) {
		s.lose(old, doc)
	}
	s.redeem(doc)
	clear(s.refused) // it may vouch for what was refused
	return true, nil
}

// room returns ErrFull if doc does not fit in place of old. Documents signed by the root have room of their own; each admin
// has a quota within the rest. An end always fits in place of what it ends. What doc covers makes way.
func (s *Store) room(doc, old document, covered map[string]bool) error {
	if doc.facts.Ended && old.raw != nil && len(doc.raw) <= len(old.raw) {
		return nil
	}
	var mine, all allotment // of the signer; of everybody in the same room
	for file, d := range s.docs {
		if (d.facts.Signer == "") != (doc.facts.Signer == "") || file == fileName(doc.Ref) || covered[file] {
			continue
		}
		all.add(d)
		if d.facts.Signer == doc.facts.Signer {
			mine.add(d)
		}
	}
	all.add(doc)
	mine.add(doc)
	switch {
	case doc.facts.Signer == "" && all.exceeds(rootDocuments, rootBytes):
		return fmt.Errorf("%w: at most %d signed by the root key, or %d bytes", ErrFull, rootDocuments, rootBytes)
	case doc.facts.Signer == "":
		return nil
	case mine.exceeds(signerDocuments, signerBytes):
		return fmt.Errorf("%w: admin %s may have at most %d, or %d bytes; end some first", ErrFull, doc.facts.Signer, signerDocuments, signerBytes)
	case all.exceeds(adminDocuments, adminBytes):
		return fmt.Errorf("%w: all admins together may have at most %d, or %d bytes; end some first", ErrFull, adminDocuments, adminBytes)
	}
	return nil
}

// allotment is the room that some documents take.
type allotment struct{ count, bytes int }

func (a *allotment) add(d document) { a.count, a.bytes = a.count+1, a.bytes+len(d.raw) }

func (a allotment) exceeds(count, bytes int) bool { return a.count > count || a.bytes > bytes }

// save writes the version in memory to disk, unless it is there.
func (s *Store) save(file string) error {
	err := s.saveLost() // before the winner takes its place on disk
	s.disk.Lock()
	defer s.disk.Unlock()
	s.mu.RLock()
	doc, ok := s.docs[file]
	s.mu.RUnlock()
	if !ok || doc.saved {
		return nil
	}
	if err == nil {
		err = s.write(filepath.Join(s.dir, file), doc.raw, 0o600)
	}
	if err != nil {
		return fmt.Errorf("%s: %w: %w", doc.Ref, ErrUnsaved, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := s.docs[file]; now.Hash == doc.Hash {
		now.saved = true
		s.docs[file] = now
	}
	s.removeRedeemed(file)
	s.removeCovered(file)
	return nil
}

// Mend writes what could not be written before, and drops what has ended. The error says what is still not on disk. It blocks
// for the disk.
func (s *Store) Mend() error {
	now := s.now()
	var unsaved, over []string
	s.mu.Lock()
	for file, d := range s.docs {
		switch {
		case d.over(now, 0):
			delete(s.docs, file)
			over = append(over, file)
		case !d.saved:
			unsaved = append(unsaved, file)
		}
	}
	over = append(over, s.superfluous(now)...)
	over = append(over, s.forgetLost(now)...)
	s.mu.Unlock()
	errs := []error{s.saveLost()}
	for _, file := range unsaved {
		errs = append(errs, s.save(file))
	}
	for _, file := range over {
		s.remove(file)
	}
	return errors.Join(errs...)
}

// remove removes the file of a document that has ended. If that fails, the next start drops it.
func (s *Store) remove(file string) {
	s.disk.Lock()
	defer s.disk.Unlock()
	s.mu.RLock()
	_, back := s.docs[file]
	s.mu.RUnlock()
	if !back {
		os.Remove(filepath.Join(s.dir, file))
	}
}

// Unsaved lists what is kept in memory only, sorted by kind and name.
func (s *Store) Unsaved() []Ref {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var out []Ref
	for _, r := range s.sorted(s.now(), 0) {
		if !s.docs[fileName(r)].saved {
			out = append(out, r)
		}
	}
	return out
}

// refusals are the hashes of documents that Put refused, and when: they are not asked for again for a while.
type refusals map[Hash]time.Time

func (r refusals) has(h Hash, now time.Time) bool {
	at, ok := r[h]
	return ok && now.Sub(at) < refusedFor
}

func (r refusals) add(h Hash, now time.Time) {
	if len(r) >= maxRefused {
		clear(r)
	}
	r[h] = now
}
