package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fleet/job"

	"go.etcd.io/bbolt"
)

// kept makes a journal with changes enough for a tree, and returns their ids.
func (m *machine) kept(n int) (ids []string) {
	m.t.Helper()
	j := m.open()
	defer j.Close()
	err := j.store.update(func(c *change) error { // as ClaimChange, in one transaction
		for range n {
			id := job.NewID(m.wall)
			raw, err := record(j.store.clock.age()+Keep, m.wall.Add(time.Minute), Entry{Plugin: "service", Action: "restart"})
			if err := errors.Join(err, c.put(id, raw), c.tx.Bucket(results).Put([]byte(id), seal(bytes.Repeat([]byte{'r'}, 900)))); err != nil {
				return err
			}
			ids = append(ids, id)
		}
		return nil
	})
	if err != nil {
		m.t.Fatal(err)
	}
	for _, id := range ids[:3] { // so that there are free pages
		if err := j.Start(id, Entry{Plugin: "package", Action: "install", Signer: "ann"}); err != nil {
			m.t.Fatal(err)
		}
	}
	return ids
}

// lost says that the journal was begun anew: what was signed before is refused, reads are answered, and later changes run; all of it is
// so after a restart too, and once nothing can be alive any more there is nothing to tell.
func (m *machine) lost(old string) {
	m.t.Helper()
	for range 2 {
		j := m.open()
		if _, err := m.claim(j, signed(old, m.wall.Add(-time.Second))); !errors.Is(err, ErrUnknown) {
			m.t.Fatalf("a change from before the loss: %v", err)
		}
		if !m.first(j, read(job.NewID(m.wall), m.wall)) {
			m.t.Fatal("a read is not answered")
		}
		if list := j.Trouble(); len(list) != 1 || !strings.Contains(list[0], "it lost its journal at ") {
			m.t.Fatalf("trouble: %q", list)
		}
		m.pass(2 * time.Minute)
		if !m.first(j, signed(job.NewID(m.wall), m.wall)) {
			m.t.Fatal("a change from after the loss does not run")
		}
		if _, err := m.claim(j, signed(old, m.wall.Add(-4*time.Minute))); !errors.Is(err, ErrUnknown) {
			m.t.Fatalf("a change from before the loss, later: %v", err)
		}
		j.Close()
		m.pass(-2 * time.Minute)
	}
	m.pass(time.Hour + 2*time.Minute)
	j := m.open()
	defer j.Close()
	if list := j.Trouble(); len(list) > 0 {
		m.t.Fatalf("trouble: %q", list)
	}
	if !m.first(j, signed(job.NewID(m.wall), m.wall)) {
		m.t.Fatal("a change, when all is over")
	}
}

func (m *machine) aside() []string {
	list, _ := filepath.Glob(filepath.Join(m.dir, dbFile+asideMark+"*"))
	return list
}

func TestADamagedJournalIsBegunAnew(t *testing.T) {
	page := os.Getpagesize()
	zero := func(n int) func(*testing.T, string) {
		return func(t *testing.T, path string) { overwrite(t, path, n*page, make([]byte, page)) }
	}
	tests := map[string]struct {
		harm func(t *testing.T, path string)
		gone bool // nothing is left to be moved aside
	}{
		"deleted":        {func(t *testing.T, path string) { os.Remove(path) }, true},
		"empty":          {func(t *testing.T, path string) { os.Truncate(path, 0) }, false},
		"a directory":    {func(t *testing.T, path string) { os.Remove(path); os.Mkdir(path, 0o700) }, false},
		"a fifo's place": {func(t *testing.T, path string) { os.Remove(path); os.Symlink("/dev/zero", path) }, false},
		"text":           {func(t *testing.T, path string) { os.WriteFile(path, []byte("hello"), 0o600) }, false},
		"first meta":     {zero(0), false},
		"second meta":    {zero(1), false},
		"an older schema": {func(t *testing.T, path string) {
			os.Remove(path)
			db, err := bbolt.Open(path, 0o600, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			db.Update(func(tx *bbolt.Tx) error {
				b, _ := tx.CreateBucket(claims)
				return b.Put([]byte("01A"), make([]byte, 8))
			})
		}, false},
		"a newer schema": {func(t *testing.T, path string) {
			db, err := bbolt.Open(path, 0o600, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(self).Put([]byte(stateKey), seal([]byte(`{"schema":99}`))) })
		}, false},
		"a claim taken out": {func(t *testing.T, path string) {
			db, err := bbolt.Open(path, 0o600, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			db.Update(func(tx *bbolt.Tx) error {
				id, _ := tx.Bucket(claims).Cursor().First()
				return tx.Bucket(claims).Delete(id)
			})
		}, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t)
			ids := m.kept(100)
			tt.harm(t, filepath.Join(m.dir, dbFile))
			m.lost(ids[0])
			if n := len(m.aside()); (n == 0) != tt.gone || n > 1 {
				t.Errorf("moved aside: %d", n)
			}
		})
	}
}

func overwrite(t testing.TB, path string, at int, with []byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(with, int64(at)); err != nil {
		t.Fatal(err)
	}
}

// Either all that was claimed is there, or the file is moved aside and the loss is known. There is nothing between.
func (m *machine) keptOrLost(ids []string) (lost bool) {
	m.t.Helper()
	j := m.open()
	defer j.Close()
	for _, id := range ids {
		if c, err := j.Begin(signed(id, m.wall.Add(-time.Second)), m.wall); err == nil && c.First {
			m.t.Fatalf("a claim is forgotten, and the job would run again")
		} else if lost = err != nil; lost && !errors.Is(err, ErrUnknown) {
			m.t.Fatal(err)
		}
	}
	if lost != (len(m.aside()) > 0) {
		m.t.Fatalf("lost %t, and moved aside: %v", lost, m.aside())
	}
	return lost
}

// harm puts a copy of the whole journal in place, changed, and looks what is made of it.
func harm(t testing.TB, whole []byte, ids []string, change func([]byte) []byte) (lost bool) {
	t.Helper()
	m := newMachine(t)
	if err := os.WriteFile(filepath.Join(m.dir, dbFile), change(bytes.Clone(whole)), 0o600); err != nil {
		t.Fatal(err)
	}
	return m.keptOrLost(ids)
}

func wholeJournal(t testing.TB, n int) (whole []byte, ids []string) {
	t.Helper()
	m := newMachine(t)
	ids = m.kept(n)
	whole, err := os.ReadFile(filepath.Join(m.dir, dbFile))
	if err != nil {
		t.Fatal(err)
	}
	return whole, ids
}

func TestNoDamageIsNoLoss(t *testing.T) {
	whole, ids := wholeJournal(t, 200)
	if harm(t, whole, ids, bytes.Clone) {
		t.Error("a good journal is moved aside")
	}
}

// Each page zeroed, each page put in another's place, cut off at many sizes.
func TestEachPageDamaged(t *testing.T) {
	whole, ids := wholeJournal(t, 60)
	page := os.Getpagesize()
	used := int(binary.NativeEndian.Uint64(whole[pageHeader+40:])) // of the first meta page
	lost := 0
	for n := range len(whole) / page {
		for _, with := range [][]byte{make([]byte, page), whole[3*page:][:page], bytes.Repeat([]byte{0xff}, page)} {
			if harm(t, whole, ids, func(b []byte) []byte { copy(b[n*page:], with); return b }) {
				lost++
			}
		}
	}
	t.Logf("%d pages, %d in use, lost in %d of the cases", len(whole)/page, used, lost)
	for _, size := range []int{1, 15, 16, 79, 80, 511, page - 1, page, page + 1, page + 80, 2 * page, 3 * page, 4*page - 1, 4 * page, 5*page + 7, used*page - 1, (used - 1) * page} {
		if !harm(t, whole, ids, func(b []byte) []byte { return b[:size] }) {
			t.Errorf("cut off at %d of %d bytes, and nothing is lost", size, len(whole))
		}
	}
}

// Single bits and short pieces at random places; a thousand of each once, fewer in each run.
func TestDamagedBytes(t *testing.T) {
	whole, ids := wholeJournal(t, 60)
	lost := 0
	for seed := range uint64(150) {
		luck := rand.New(rand.NewPCG(seed, 1))
		if harm(t, whole, ids, func(b []byte) []byte {
			at := luck.IntN(len(b))
			if seed%2 == 0 {
				b[at] ^= 1 << luck.IntN(8)
				return b
			}
			for i := at; i < min(len(b), at+luck.IntN(64)); i++ {
				b[i] = byte(luck.Uint32())
			}
			return b
		}) {
			lost++
		}
	}
	t.Logf("lost in %d of 150", lost)
}

func FuzzDamagedFile(f *testing.F) {
	whole, ids := wholeJournal(f, 60)
	f.Add(uint32(0), []byte{0})
	f.Add(uint32(3*os.Getpagesize()), []byte("\x03\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, at uint32, with []byte) {
		harm(t, whole, ids, func(b []byte) []byte {
			copy(b[int(at)%len(b):], with)
			return b
		})
	})
}

// FuzzReadPages feeds bytes to the reader alone: it must end, whatever they are.
func FuzzReadPages(f *testing.F) {
	whole, _ := wholeJournal(f, 5)
	f.Add(whole)
	f.Fuzz(func(t *testing.T, raw []byte) {
		readPages(bytes.NewReader(raw), int64(len(raw)), func(string, []byte, []byte) error { return nil })
	})
}

// A file that is damaged while it is in use: what was a fault of the whole process is a loss like any other.
func TestDamagedWhileInUse(t *testing.T) {
	for name, harm := range map[string]func(t *testing.T, path string){
		"cut off":     func(t *testing.T, path string) { os.Truncate(path, 0) },
		"cut in half": func(t *testing.T, path string) { os.Truncate(path, int64(3*os.Getpagesize())) },
		"zeroed": func(t *testing.T, path string) {
			info, _ := os.Stat(path)
			overwrite(t, path, 0, make([]byte, info.Size()))
		},
		"pages zeroed": func(t *testing.T, path string) {
			info, _ := os.Stat(path)
			overwrite(t, path, 2*os.Getpagesize(), make([]byte, int(info.Size())-2*os.Getpagesize()))
		},
	} {
		for _, act := range []string{"claim", "end", "list", "forget"} {
			t.Run(fmt.Sprint(name, ", then ", act), func(t *testing.T) {
				m := newMachine(t)
				ids := m.kept(100)
				j := m.open()
				running := signed(job.NewID(m.wall), m.wall)
				m.first(j, running)
				harm(t, filepath.Join(m.dir, dbFile))
				switch act {
				case "claim":
					if _, err := m.claim(j, signed(ids[0], m.wall.Add(-time.Second))); !errors.Is(err, ErrUnknown) {
						t.Errorf("%v", err)
					}
				case "end":
					if err := j.EndChange(running.ID, []byte("reply"), "ok", m.wall); err != nil {
						t.Error(err)
					}
					if c, err := j.Begin(running, m.wall); err != nil || c.First || string(c.Result) != "reply" {
						t.Errorf("%+v, %v", c, err)
					}
				case "list":
					if list, err := j.Changes(9); err != nil || len(list) > 0 {
						t.Error(list, err)
					}
				case "forget":
					if err := j.Forget(); err != nil {
						t.Error(err)
					}
				}
				if list := j.Trouble(); len(list) != 1 || !strings.Contains(list[0], "it lost its journal") {
					t.Errorf("%q", list)
				}
				if c, err := j.Begin(running, m.wall); err == nil && c.First {
					t.Error("what runs would run twice")
				}
				j.Close()
				m.lost(ids[1])
			})
		}
	}
}

// A disk that goes on failing is not filled with what is moved aside.
func TestFewAreKeptAside(t *testing.T) {
	m := newMachine(t)
	for range 2 * maxAside {
		if err := os.WriteFile(filepath.Join(m.dir, dbFile), []byte("damaged"), 0o600); err != nil {
			t.Fatal(err)
		}
		m.pass(time.Second)
		m.open().Close()
	}
	if n := len(m.aside()); n != maxAside {
		t.Errorf("%d are kept", n)
	}
}
