package gossip

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"fleet/internal/atomicfile"
	"fleet/internal/logkey"
)

// Why Put did not take a document that verified.
var (
	ErrOlder    = errors.New("a newer version is already here")
	ErrConflict = errors.New("another document of the same version is already here")
	ErrFull     = errors.New("no room for more documents")
)

const (
	docSuffix    = ".doc"
	brokenSuffix = ".broken"
)

// Store keeps the replicated signed documents of a fleet, the highest version of each, in memory and on disk. It
// trusts nothing that its verify function has not accepted since it was opened. Its methods may be called from
// several goroutines.
type Store struct {
	dir     string
	verify  func(raw []byte) (Ref, error)
	log     *slog.Logger
	changed chan struct{}

	mu   sync.RWMutex
	docs map[string]document // by file name
	size int                 // bytes of all docs
}

type document struct {
	summary
	raw []byte
}

// OpenStore opens the documents in dir, which it makes if it is not there. Each one is verified anew; what does not
// verify is renamed to end in ".broken", logged, and never returned.
//
// verify says what a document is, or an error if its signature, or anything else about it, is not good. It is called
// with at most MaxDocument bytes, may be called from several goroutines, and must not call the Store. Where one
// document vouches for another (the roster for a standing job), the order does not matter: documents that fail are
// tried again as long as others succeed.
func OpenStore(dir string, verify func(raw []byte) (Ref, error), log *slog.Logger) (*Store, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s := &Store{dir: dir, verify: verify, log: log, changed: make(chan struct{}, 1), docs: map[string]document{}}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open the document store: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("open the document store: %w", err)
	}
	var files []string
	for _, e := range entries {
		switch {
		case atomicfile.IsTemporary(e.Name()):
			os.Remove(filepath.Join(dir, e.Name()))
		case strings.HasSuffix(e.Name(), docSuffix):
			files = append(files, e.Name())
		}
	}
	if err := s.loadAll(files); err != nil {
		return nil, fmt.Errorf("open the document store: %w", err)
	}
	return s, nil
}

func (s *Store) loadAll(files []string) error {
	for {
		var failed []string
		reasons := map[string]error{}
		for _, f := range files {
			if err := s.load(f); err != nil {
				failed = append(failed, f)
				reasons[f] = err
			}
		}
		if len(failed) < len(files) && len(failed) > 0 {
			files = failed
			continue
		}
		for _, f := range failed {
			path := filepath.Join(s.dir, f)
			s.log.Error("document on disk moved aside, it will be fetched again", logkey.File, path, logkey.Error, reasons[f])
			if err := os.Rename(path, path+brokenSuffix); err != nil {
				return err
			}
		}
		return nil
	}
}

func (s *Store) load(file string) error {
	f, err := os.Open(filepath.Join(s.dir, file))
	if err != nil {
		return err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, MaxDocument+1))
	if err != nil {
		return err
	}
	doc, err := s.check(raw)
	if err != nil {
		return err
	}
	if fileName(doc.Ref) != file {
		return fmt.Errorf("it holds %s", doc.Ref)
	}
	return s.keep(doc, nil)
}

// check turns foreign bytes into a document, or says why they are none.
func (s *Store) check(raw []byte) (document, error) {
	if len(raw) > MaxDocument {
		return document{}, fmt.Errorf("document has more than %d bytes", MaxDocument)
	}
	ref, err := s.verify(raw)
	if err != nil {
		return document{}, fmt.Errorf("document does not verify: %w", err)
	}
	if err := ref.check(); err != nil {
		return document{}, err
	}
	return document{summarize(ref, raw), bytes.Clone(raw)}, nil
}

// keep takes doc if it is newer than what is there. write, if given, is called before it counts.
func (s *Store) keep(doc document, write func() error) error {
	file := fileName(doc.Ref)
	s.mu.Lock()
	defer s.mu.Unlock()
	old, have := s.docs[file]
	switch {
	case have && doc.Version < old.Version:
		return fmt.Errorf("%s: %w (%d)", doc.Ref, ErrOlder, old.Version)
	case have && doc.Version == old.Version:
		return fmt.Errorf("%s: %w", doc.Ref, ErrConflict)
	case !have && len(s.docs) >= maxDocuments:
		return fmt.Errorf("%s: %w: there are %d", doc.Ref, ErrFull, maxDocuments)
	case s.size-len(old.raw)+len(doc.raw) > maxStore:
		return fmt.Errorf("%s: %w: all may have %d bytes together", doc.Ref, ErrFull, maxStore)
	}
	if write != nil {
		if err := write(); err != nil {
			return err
		}
	}
	s.docs[file] = doc
	s.size += len(doc.raw) - len(old.raw)
	return nil
}

// Put verifies raw and, if it is a higher version than the one that is here, keeps it. When it returns true the
// document is on disk. The same bytes again are false without an error; otherwise, ErrOlder, ErrConflict (the first
// one stays; the signer made two documents of one version and must issue a higher one) and ErrFull can be told apart.
// It blocks for the disk.
func (s *Store) Put(raw []byte) (changed bool, err error) {
	doc, err := s.check(raw)
	if err != nil {
		return false, err
	}
	if have, _, ok := s.Get(doc.Kind, doc.Name); ok && bytes.Equal(have, raw) {
		return false, nil
	}
	err = s.keep(doc, func() error { return atomicfile.Write(filepath.Join(s.dir, fileName(doc.Ref)), doc.raw, 0o600) })
	if errors.Is(err, ErrConflict) {
		// Two writers of the very same bytes may meet here; that is no conflict.
		if have, _, _ := s.Get(doc.Kind, doc.Name); bytes.Equal(have, raw) {
			return false, nil
		}
		s.log.Error("two different documents of one version; the first one stays", logkey.Document, doc.Ref.String())
	}
	if err != nil {
		return false, err
	}
	select {
	case s.changed <- struct{}{}:
	default:
	}
	return true, nil
}

// Get returns a document and its version. The bytes must not be changed.
func (s *Store) Get(kind, name string) (raw []byte, ref Ref, ok bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	doc, ok := s.docs[fileName(Ref{Kind: kind, Name: name})]
	return doc.raw, doc.Ref, ok
}

// List returns what is here, sorted by kind and name.
func (s *Store) List() []Ref {
	var refs []Ref
	for _, sum := range s.summaries() {
		refs = append(refs, sum.Ref)
	}
	return refs
}

// Changed gets a value after one or more documents changed. It is meant for one reader.
func (s *Store) Changed() <-chan struct{} { return s.changed }

// Digest returns a short list of what is here, for Missing on another node.
func (s *Store) Digest() []byte { return encodeDigest(s.summaries()) }

// Missing returns what the maker of the digest has that is not here, or is older here. It fails on a digest that is
// not exactly as Digest makes them. That the other has a document is a claim: only Put decides.
func (s *Store) Missing(digest []byte) ([]Ref, error) {
	theirs, err := decodeDigest(digest)
	if err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	var missing []Ref
	for _, t := range theirs {
		ours, ok := s.docs[fileName(t.Ref)]
		switch {
		case !ok || ours.Version < t.Version:
			missing = append(missing, t.Ref)
		case ours.Version == t.Version && !ours.sameBytes(t):
			s.log.Error("another node has a different document of the same version; issue a higher one", logkey.Document, t.Ref.String())
		}
	}
	return missing, nil
}

func (s *Store) summaries() []summary {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := make([]summary, 0, len(s.docs))
	for _, doc := range s.docs {
		out = append(out, doc.summary)
	}
	slices.SortFunc(out, func(a, b summary) int { return compareRefs(a.Ref, b.Ref) })
	return out
}

// fileName is unambiguous because ',' is in no kind and no name.
func fileName(ref Ref) string { return ref.Kind + "," + ref.Name + docSuffix }
