package journal

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
)

const (
	dbFile = "journal.db"
	// asideMark is in the name of what was moved aside, before the time: journal.db.damaged-20260301T120000Z.
	asideMark = ".damaged-"
	// maxAside is how many of them are kept, so that a disk that goes on failing is not filled.
	maxAside = 3
	// lockTime is how long another process is waited for.
	lockTime = time.Second
)

// errDamaged is wrapped where the database cannot be what fleet wrote.
var errDamaged = errors.New("damaged")

// store is the database under care: what damage makes of it is an error and never the end of the process, a damaged file is moved
// aside for one to begin anew, and where it cannot be written it is still read.
type store struct {
	path string
	now  func() time.Time
	log  func(message string, err error)
	file func(path string, flag int, mode os.FileMode) (*os.File, error) // os.OpenFile, but in tests

	mu       sync.Mutex // one transaction at a time: nobody waits within bbolt for one that a fault has ended
	db       *bbolt.DB  // nil: it cannot even be read
	readOnly error      // why it cannot be opened for writing; nil: it is
	failed   error      // the last transaction that was to write, if it could not
	clock    clock
	state    state  // as of the last transaction
	lost     string // why a new database is to begin, while it cannot
}

// errNothing ends a transaction that has nothing to write, without a write to the disk.
var errNothing = errors.New("nothing to write")

// create makes a database without a claim. There must be none.
func (s *store) create(lost string) error {
	f, err := s.file(s.path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err := lock(f); err != nil {
		f.Close()
		return err
	}
	s.clock.start(0, s.clock.boot.ID, s.clock.up())
	s.state = state{Schema: schema, Lost: lost, Born: s.now().UTC(), BornAge: s.clock.age()}
	if err = s.attach(f, false); err == nil {
		err = s.write(func(*change) error { return nil })
	}
	if err == nil {
		err = syncDir(filepath.Dir(s.path))
	}
	if err != nil { // a file without a state would be taken for a damaged one
		s.close()
		err = errors.Join(err, os.Remove(s.path))
	}
	return err
}

// open opens the database there is, or begins a new one where it is damaged or gone. Only ErrLocked is an error that lasts:
// all else is trouble, and is tried again.
func (s *store) open() error {
	err := s.openFile()
	switch {
	case err == nil || errors.Is(err, ErrLocked):
		return err
	case errors.Is(err, fs.ErrNotExist):
		s.begin(cmp.Or(s.lost, "it was gone"))
	case errors.Is(err, errDamaged), errors.Is(err, fs.ErrPermission):
		s.replace(err)
	default:
		s.readOnly = err
	}
	return nil
}

// openFile opens a file that is sound.
func (s *store) openFile() error {
	info, err := os.Lstat(s.path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%w: it is no file", errDamaged)
	}
	if info.Mode().Perm()&0o077 != 0 || info.Mode().Perm()&0o600 != 0o600 {
		os.Chmod(s.path, 0o600) // what cannot be done shows in a moment
	}
	f, err := s.file(s.path, os.O_RDWR, 0)
	if errors.Is(err, syscall.EROFS) {
		s.readOnly = err
		f, err = s.file(s.path, os.O_RDONLY, 0)
	}
	if err != nil {
		return err
	}
	if err := lock(f); err != nil {
		f.Close()
		return err
	}
	found, err := inspect(f)
	if err != nil {
		f.Close()
		return err
	}
	if err := s.attach(f, s.readOnly != nil); err != nil {
		return err
	}
	s.state = found
	s.clock.start(found.Age, found.Boot, found.Up)
	return nil
}

// inspect reads the whole file, and says what it says of itself if all that was ever claimed is there.
func inspect(f *os.File) (found state, err error) {
	info, err := f.Stat()
	if err != nil {
		return found, err
	}
	err, count, sum := errors.New("it does not say what it is; an older release of fleet may have written it"), 0, uint64(0)
	walked := readPages(f, info.Size(), func(bucket string, key, value []byte) error {
		switch bucket {
		case string(self):
			found, err = readState(value)
			return err
		case string(claims):
			count, sum = count+1, sum+mark(key, value)
		}
		return nil
	})
	var broken syscall.Errno // the disk's, not the content's: what cannot be read now may be read later
	switch {
	case errors.As(walked, &broken) && broken != syscall.EIO:
		return found, walked
	case walked != nil:
		return found, fmt.Errorf("%w: %w", errDamaged, walked)
	case err != nil:
		return found, fmt.Errorf("%w: %w", errDamaged, err)
	case count != found.Claims || sum != found.Sum:
		return found, fmt.Errorf("%w: it has %d jobs, and they are not the %d that were written", errDamaged, count, found.Claims)
	}
	return found, nil
}

// attach hands a locked file to bbolt, which closes it if it cannot be opened.
func (s *store) attach(f *os.File, readOnly bool) error {
	return guarded(func() (err error) {
		s.db, err = bbolt.Open(s.path, 0o600, &bbolt.Options{
			Timeout: lockTime, ReadOnly: readOnly, OpenFile: func(string, int, os.FileMode) (*os.File, error) { return f, nil },
		})
		return err
	})
}

// replace moves a damaged file aside and begins a new one.
func (s *store) replace(why error) {
	s.abandon()
	s.readOnly = nil
	aside := s.path + asideMark + s.now().UTC().Format("20060102T150405Z")
	if err := moveAside(s.path, aside); err != nil {
		s.readOnly = fmt.Errorf("%w; it cannot be moved aside: %w", why, err)
		return
	}
	s.begin(fmt.Sprintf("%v; it was moved to %s", why, filepath.Base(aside)))
}

// begin begins a new database on a host that had one.
func (s *store) begin(lost string) {
	s.lost = lost
	if s.readOnly = s.create(lost); s.readOnly == nil {
		s.lost = ""
		s.log("the journal was lost and begun anew: "+lost, nil)
	} else {
		s.log("the journal was lost and cannot be begun anew: "+lost, s.readOnly)
	}
}

// moveAside keeps a damaged file under another name, and only the newest of such.
func moveAside(path, aside string) error {
	if err := os.Rename(path, aside); err != nil {
		return err
	}
	old, _ := filepath.Glob(path + asideMark + "*") // sorted, which is by time
	for len(old) > maxAside {
		os.RemoveAll(old[0])
		old = old[1:]
	}
	return syncDir(filepath.Dir(path))
}

// lose notes that some of what there was is gone.
func (s *store) lose(what string) {
	s.log("the journal lost a part: "+what, nil)
	s.mu.Lock()
	defer s.mu.Unlock()
	why := what
	if since := s.clock.age() - s.state.BornAge; s.state.Lost != "" && since == 0 { // with the rest
		why = s.state.Lost
	}
	s.state.Lost, s.state.Born, s.state.BornAge = why, s.now().UTC(), s.clock.age() // written with whatever is written next
}

// lately says whether something was lost no longer ago than limit, by a clock that does not jump, and when.
func (s *store) lately(limit time.Duration) (lost bool, since time.Duration) {
	since = s.clock.age() - s.state.BornAge
	return s.state.Lost != "" && since < limit, since
}

// ready opens what could not be opened before.
func (s *store) ready() {
	if s.readOnly == nil && s.db != nil {
		return
	}
	was := s.readOnly
	s.close()
	s.readOnly = nil
	if err := s.open(); err != nil {
		s.readOnly = err
	}
	if s.readOnly == nil && was != nil {
		s.log("the journal can be written again", nil)
	}
}

// view reads.
func (s *store) view(f func(*bbolt.Tx) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.db == nil {
		s.ready()
	}
	if s.db == nil {
		return s.readOnly
	}
	return s.heed(func() error { return guarded(func() error { return s.db.View(f) }) })
}

// update writes; what f wrote is on disk when it returns nil.
func (s *store) update(f func(*change) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ready(); s.readOnly != nil {
		return s.readOnly
	}
	return s.heed(func() error { return s.write(f) })
}

func (s *store) write(f func(*change) error) error {
	c := change{state: s.state}
	c.Age, c.Boot, c.Up = s.clock.age(), s.clock.boot.ID, s.clock.up()
	err := guarded(func() error {
		return s.db.Update(func(tx *bbolt.Tx) error {
			c.tx = tx
			for _, name := range [][]byte{claims, results, self} {
				if _, err := tx.CreateBucketIfNotExists(name); err != nil {
					return err
				}
			}
			if err := f(&c); err != nil {
				return err
			}
			raw, err := json.Marshal(c.state)
			if err != nil {
				return err
			}
			return tx.Bucket(self).Put([]byte(stateKey), seal(raw))
		})
	})
	switch {
	case err == nil:
		s.state, s.failed = c.state, nil
	case !errors.Is(err, errNothing) && !errors.Is(err, ErrUnknown):
		s.failed = err
	}
	return err
}

// heed does a transaction. Where it finds that the database is damaged, another one takes its place and it is done there.
func (s *store) heed(transaction func() error) error {
	err := transaction()
	if !errors.Is(err, errDamaged) {
		return err
	}
	s.replace(err)
	if s.readOnly != nil {
		return s.readOnly
	}
	return transaction()
}

// abandon lets go of a damaged database. One that a fault has left locked stays open until the process ends.
func (s *store) abandon() {
	if db := s.db; db != nil {
		go guarded(db.Close)
	}
	s.db = nil
}

func (s *store) close() error {
	db := s.db
	if s.db = nil; db == nil {
		return nil
	}
	return guarded(db.Close)
}

// guarded turns what bbolt does on a damaged file into an error: it panics, or faults where the file is shorter than it was.
func guarded(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		switch r := recover().(type) {
		case nil:
		case runtime.Error:
			err = fmt.Errorf("%w: it is shorter than it was, or its pages lead nowhere (%w)", errDamaged, r)
		default:
			err = fmt.Errorf("%w: %v", errDamaged, r)
		}
	}()
	return f()
}

// lock takes the file for this process, as bbolt does.
func lock(f *os.File) error {
	for end := time.Now().Add(lockTime); ; time.Sleep(lockTime / 20) {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return err
		}
		if time.Now().After(end) {
			return fmt.Errorf("%w: %s", ErrLocked, filepath.Dir(f.Name()))
		}
	}
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// Look looks at the journal of a host from the outside, and changes nothing: which files were moved aside as damaged, the oldest first, and
// what is wrong with the one in use. Of a node that runs the latter is the node's to say: held is true, and err says only that there is none.
func Look(dir string) (aside []string, held bool, err error) {
	path := filepath.Join(dir, dbFile)
	aside, _ = filepath.Glob(path + asideMark + "*")
	f, err := os.Open(path)
	if err != nil {
		return aside, false, err
	}
	defer f.Close()
	if syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB) != nil {
		return aside, true, nil
	}
	_, err = inspect(f)
	return aside, false, err
}
