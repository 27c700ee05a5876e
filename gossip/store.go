package gossip

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"fleet/internal/atomicfile"
	"fleet/internal/logkey"
)

// Why Put did not keep a document that verified, or, for ErrUnsaved, kept it in memory only.
var (
	ErrOlder   = errors.New("a newer version is already here")
	ErrLost    = errors.New("a concurrent version won")
	ErrFull    = errors.New("no room for more documents")
	ErrEnded   = errors.New("it has ended")
	ErrUnsaved = errors.New("kept, but not on disk")
)

const (
	docSuffix    = ".doc"
	brokenSuffix = ".broken"
)

// Store keeps the replicated signed documents of a fleet, one version of each, in memory and on disk. It trusts nothing
// that its verify function has not accepted since it was opened. Its methods may be called from several goroutines.
type Store struct {
	dir    string
	verify func(raw []byte) (Facts, error)
	log    *slog.Logger
	now    func() time.Time                                       // time.Now, but in tests
	write  func(path string, data []byte, mode os.FileMode) error // atomicfile.Write, but in tests

	disk sync.Mutex // one write after another; taken before mu

	mu       sync.RWMutex
	docs     map[string]document // by file name
	lost     map[Hash]Lost
	redeemed []Ref             // lost, and made again; their files are still there
	covered  map[string]string // files that are still there of documents that another one covers, whose file it names
	refused  refusals
}

// OpenStore opens the documents in dir, which it makes if it is not there. Each one is verified anew; what does not
// verify is renamed to end in ".broken", logged, and never returned; the document is then missing here, and fetched again.
//
// verify says what a document is, or an error if its signature, or anything else about it, is not good. It is called
// with at most MaxDocument bytes, may be called from several goroutines, and must not call the Store. Where one
// document vouches for another (the roster for a standing job), the order does not matter: documents that fail are
// tried again as long as others succeed.
func OpenStore(dir string, verify func(raw []byte) (Facts, error), log *slog.Logger) (*Store, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s := &Store{dir: dir, verify: verify, log: log, now: time.Now, write: atomicfile.Write}
	return s, s.open()
}

func (s *Store) open() error {
	s.docs, s.lost, s.refused, s.covered = map[string]document{}, map[Hash]Lost{}, refusals{}, map[string]string{}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return fmt.Errorf("open the document store: %w", err)
	}
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return fmt.Errorf("open the document store: %w", err)
	}
	var files, lost []string
	for _, e := range entries {
		switch {
		case atomicfile.IsTemporary(e.Name()):
			os.Remove(filepath.Join(s.dir, e.Name()))
		case strings.HasSuffix(e.Name(), docSuffix):
			files = append(files, e.Name())
		case strings.HasSuffix(e.Name(), lostSuffix):
			lost = append(lost, e.Name())
		}
	}
	s.loadAll(files)
	for _, f := range lost {
		s.loadLost(f)
	}
	return nil
}

func (s *Store) loadAll(files []string) {
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
			s.setAside(f, reasons[f])
		}
		return
	}
}

// setAside renames a damaged file, so that people can look at it. If that fails, the file stays until the document is
// written again.
func (s *Store) setAside(file string, reason error) {
	path := filepath.Join(s.dir, file)
	if errors.Is(reason, ErrEnded) || errors.Is(reason, ErrOlder) {
		os.Remove(path) // it is over, or what covers it is on disk
		return
	}
	err := os.Rename(path, path+brokenSuffix)
	s.log.Error("damaged document moved aside; it will be fetched again", logkey.File, path, logkey.Error, errors.Join(reason, err))
}

func (s *Store) load(file string) error {
	doc, err := s.read(file)
	if err != nil {
		return err
	}
	if fileName(doc.Ref) != file {
		return fmt.Errorf("it holds %s", doc.Ref)
	}
	doc.saved = true
	if _, err = s.keep(doc); err == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.removeCovered(file)
	}
	return err
}

func (s *Store) read(file string) (document, error) {
	f, err := os.Open(filepath.Join(s.dir, file))
	if err != nil {
		return document{}, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, MaxDocument+1))
	if err != nil {
		return document{}, err
	}
	return s.check(raw, 0)
}

// check turns foreign bytes into a document, or says why they are none. One that ends within margin is none any more.
func (s *Store) check(raw []byte, margin time.Duration) (document, error) {
	if len(raw) > MaxDocument {
		return document{}, fmt.Errorf("document has more than %d bytes", MaxDocument)
	}
	facts, err := s.verify(raw)
	if err != nil {
		return document{}, fmt.Errorf("document does not verify: %w", err)
	}
	if err := facts.check(); err != nil {
		return document{}, err
	}
	doc := document{Ref: Ref{facts.Kind, facts.Name, facts.Version, HashOf(raw)}, facts: facts, raw: bytes.Clone(raw)}
	if doc.over(s.now(), margin) {
		return document{}, fmt.Errorf("%s: %w", doc.Ref, ErrEnded)
	}
	return doc, nil
}

// Again verifies once more all that is here, since what verify goes by has changed, and drops what does not hold any more.
func (s *Store) Again() {
	s.mu.RLock()
	all := maps.Clone(s.docs)
	s.mu.RUnlock()
	for file, doc := range all {
		_, err := s.check(doc.raw, 0)
		if err == nil {
			continue
		}
		s.mu.Lock()
		if s.docs[file].Hash == doc.Hash {
			delete(s.docs, file)
		}
		s.mu.Unlock()
		s.remove(file)
		s.log.Warn("a document does not count any more", logkey.Document, doc.String(), logkey.Error, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.refused)
}

// Get returns the version of a document that is kept here. The bytes must not be changed.
func (s *Store) Get(kind, name string) (raw []byte, ref Ref, ok bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	doc, ok := s.docs[fileName(Ref{Kind: kind, Name: name})]
	return doc.raw, doc.Ref, ok
}

// All returns the documents of a kind, by name. The bytes must not be changed.
func (s *Store) All(kind string) [][]byte {
	var all [][]byte
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, r := range s.sorted(s.now(), 0) {
		if r.Kind == kind {
			all = append(all, s.docs[fileName(r)].raw)
		}
	}
	return all
}

// List returns what is here, sorted by kind and name.
func (s *Store) List() []Ref { return s.refs(s.now(), 0) }

func (s *Store) refs(now time.Time, margin time.Duration) []Ref {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.sorted(now, margin)
}

// sorted lists what does not end within margin. The caller holds mu.
func (s *Store) sorted(now time.Time, margin time.Duration) []Ref {
	out := make([]Ref, 0, len(s.docs))
	for _, doc := range s.docs {
		if !doc.over(now, margin) {
			out = append(out, doc.Ref)
		}
	}
	slices.SortFunc(out, compareRefs)
	return out
}

// fileName is unambiguous because ',' is in no kind and no name.
func fileName(ref Ref) string { return ref.Kind + "," + ref.Name + docSuffix }
