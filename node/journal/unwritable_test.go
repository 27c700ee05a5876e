package journal

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"fleet/job"
)

// openWith opens a journal on a disk on which files open as the function says.
func (m *machine) openWith(file func(path string, flag int, mode os.FileMode) (*os.File, error)) *Journal {
	m.t.Helper()
	j := m.open()
	j.store.mu.Lock()
	defer j.store.mu.Unlock()
	j.store.close()
	j.store.file = file
	if err := j.store.open(); err != nil {
		m.t.Fatal(err)
	}
	return j
}

// On a disk that cannot be written, or a file that cannot be read for now, reads are answered and changes refused; what ran is known
// where it can be. Once it can be written again, changes run, without a restart, and nothing was lost.
func TestADiskThatCannotBeWritten(t *testing.T) {
	readOnly := func(path string, flag int, mode os.FileMode) (*os.File, error) {
		if flag&os.O_RDWR != 0 {
			return nil, &fs.PathError{Op: "open", Path: path, Err: syscall.EROFS}
		}
		return os.OpenFile(path, flag, mode)
	}
	failing := func(path string, flag int, mode os.FileMode) (*os.File, error) {
		return nil, &fs.PathError{Op: "open", Path: path, Err: syscall.EMFILE}
	}
	for name, tt := range map[string]struct {
		file  func(path string, flag int, mode os.FileMode) (*os.File, error)
		known bool
	}{"read-only": {readOnly, true}, "no file can be opened": {failing, false}} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t)
			old := m.kept(50)[7]
			j := m.openWith(tt.file)
			if !m.first(j, read(job.NewID(now), now)) {
				t.Error("a read is not answered")
			}
			refused := signed(job.NewID(now), now)
			if _, err := m.claim(j, refused); !errors.Is(err, ErrFull) {
				t.Errorf("a change: %v", err)
			}
			j.Refuse(refused, Refusal{Reason: "journal"})
			j.Release(refused.ID)
			if c, err := j.Begin(signed(old, now), now); tt.known != (err == nil) || c.First || tt.known && len(c.Result) == 0 {
				t.Errorf("one that ran: %+v, %v", c, err)
			}
			if list, err := j.Changes(9); tt.known != (err == nil) || tt.known && len(list) != 9 {
				t.Errorf("%d, %v", len(list), err)
			}
			if list := j.Trouble(); len(list) != 1 || !strings.Contains(list[0], "cannot be written, so it refuses changes") {
				t.Errorf("%q", list)
			}
			j.store.file = os.OpenFile // somebody mended it
			if !m.first(j, signed(job.NewID(now), now)) {
				t.Error("a change does not run")
			}
			if c, err := j.Begin(refused, now); err != nil || c.Refused == nil {
				t.Errorf("what was refused meanwhile: %+v, %v", c, err)
			}
			if c, err := j.Begin(signed(old, now), now); err != nil || c.First || len(c.Result) == 0 {
				t.Errorf("one that ran: %+v, %v", c, err)
			}
			if list := j.Trouble(); len(list) != 0 {
				t.Errorf("%q", list)
			}
		})
	}
}

// A full disk: bbolt has as much room as its file has, and no more.
func TestAFullDisk(t *testing.T) {
	m := newMachine(t)
	j := m.open()
	j.store.db.MaxSize = 1
	var last Job
	for range 1000 {
		last = signed(job.NewID(now), now)
		c, err := j.Begin(last, now)
		if err != nil || !c.First {
			t.Fatal(c, err)
		}
		if err = j.ClaimChange(last, now); err == nil {
			err = j.EndChange(last.ID, bytes.Repeat([]byte("r"), 2000), "ok", now)
		}
		if errors.Is(err, ErrFull) {
			break
		}
	}
	j.Refuse(last, Refusal{Reason: "journal"})
	j.Release(last.ID)
	if list := j.Trouble(); len(list) != 1 || !strings.Contains(list[0], "cannot be written") {
		t.Errorf("%q", list)
	}
	if !m.first(j, read(job.NewID(now), now)) {
		t.Error("a read is not answered")
	}
	j.store.db.MaxSize = 0
	if !m.first(j, signed(job.NewID(now), now)) {
		t.Error("a change does not run when there is room again")
	}
	if c, _ := j.Begin(last, now); c.Refused == nil {
		t.Errorf("what was refused: %+v", c)
	}
	if list := j.Trouble(); len(list) > 0 {
		t.Errorf("%q", list)
	}
}

// Modes that a person or a tool gave the file are put right; nothing is lost by them.
func TestWrongModes(t *testing.T) {
	for _, mode := range []os.FileMode{0, 0o400, 0o644, 0o777} {
		m := newMachine(t)
		ids := m.kept(20)
		path := filepath.Join(m.dir, dbFile)
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if m.keptOrLost(ids) {
			t.Errorf("%o: it is lost", mode)
		}
		if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
			t.Errorf("%o stays %o", mode, info.Mode().Perm())
		}
	}
}

// A file of another user's, which cannot be opened at all, is as good as lost.
func TestAFileOfAnotherUser(t *testing.T) {
	m := newMachine(t)
	ids := m.kept(20)
	theirs := func(path string, flag int, mode os.FileMode) (*os.File, error) {
		if flag&os.O_CREATE == 0 {
			if _, err := os.Stat(path + ".mine"); err != nil {
				return nil, &fs.PathError{Op: "open", Path: path, Err: syscall.EACCES}
			}
		}
		os.WriteFile(path+".mine", nil, 0o600)
		return os.OpenFile(path, flag, mode)
	}
	j := m.openWith(theirs)
	if _, err := m.claim(j, signed(ids[0], now.Add(-time.Second))); !errors.Is(err, ErrUnknown) {
		t.Errorf("%v", err)
	}
	j.Close()
	m.lost(ids[0])
	if len(m.aside()) != 1 {
		t.Error(m.aside())
	}
}

// What is remembered while its file cannot be opened is in it once it can be.
func TestSlotsThatCannotBeOpened(t *testing.T) {
	path := filepath.Join(t.TempDir(), "not there", "slots")
	s, _, fresh, damaged := openSlots(path, 8)
	if !fresh || damaged || s.trouble() == nil {
		t.Fatal(fresh, damaged, s.trouble())
	}
	s.write(3, []byte("three"))
	if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	s.write(5, []byte("five"))
	s.sync()
	if err := s.trouble(); err != nil {
		t.Error(err)
	}
	s.close()
	_, content, fresh, damaged := openSlots(path, 8)
	if fresh || damaged || !bytes.HasPrefix(content[3], []byte("three")) || !bytes.HasPrefix(content[5], []byte("five")) || content[4] != nil {
		t.Error(fresh, damaged, content)
	}
}
