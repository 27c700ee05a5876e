package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fleet/job"
)

func TestAChangeIsClaimedOnceAlsoAcrossRestarts(t *testing.T) {
	m := newMachine(t)
	one, j := signed(job.NewID(now), now), m.open()
	if !m.first(j, one) {
		t.Fatal("the first is not the first")
	}
	if c, _ := m.claim(j, one); c.First || !c.Running {
		t.Fatalf("copy while it runs: %+v", c)
	}
	j.Close()

	j = m.open() // the node died in mid-action
	if c, _ := m.claim(j, one); c.First || c.Running || c.Result != nil {
		t.Fatalf("copy after a restart: %+v", c)
	}
	if err := j.EndChange(one.ID, []byte("signed reply"), "ok", now); err != nil {
		t.Fatal(err)
	}
	j.Close()

	j = m.open()
	if c, _ := m.claim(j, one); c.First || string(c.Result) != "signed reply" {
		t.Fatalf("copy after the end: %+v", c)
	}
}

func TestAReadIsClaimedOnceAlsoAcrossRestarts(t *testing.T) {
	m := newMachine(t)
	one, j := read(job.NewID(now), now), m.open()
	if !m.first(j, one) {
		t.Fatal("the first is not the first")
	}
	if c, _ := m.claim(j, one); c.First || !c.Running {
		t.Fatalf("copy while it runs: %+v", c)
	}
	j.EndRead(one.ID)
	if c, _ := m.claim(j, one); c.First || c.Running {
		t.Fatalf("copy after the end: %+v", c)
	}
	j.Close()
	m.wall = m.wall.Add(2 * time.Hour) // a look under a wrong clock
	m.open().Close()
	m.wall = m.wall.Add(-2 * time.Hour)
	if m.first(m.open(), one) {
		t.Fatal("a read ran again after a restart")
	}
}

// A change that is held, and not claimed, is not known after a restart, and nothing was written.
func TestAChangeIsHeldUntilItIsClaimed(t *testing.T) {
	m := newMachine(t)
	one, j := signed(job.NewID(now), now), m.open()
	if c, err := j.Begin(one, now); err != nil || !c.First {
		t.Fatal(c, err)
	}
	if c, _ := j.Begin(one, now); c.First || !c.Running {
		t.Errorf("a copy: %+v", c)
	}
	if first, err := j.Cancel(one.ID, now); first || err != nil {
		t.Error("it was cancelled as if it had not come:", err)
	}
	if k, _, _ := j.Change(one.ID); !k.Running {
		t.Errorf("%+v", k)
	}
	j.Release(one.ID)
	if !m.first(j, one) {
		t.Error("it was let go of, and is not the first")
	}
}

// One signer takes a part of the room, also across a restart, and what expires or is let go of counts no more.
func TestAFloodOfReadsOfOneSigner(t *testing.T) {
	m := newMachine(t)
	j := m.open()
	eves := func() Job { return by("eve", read(job.NewID(m.wall), m.wall)) }
	var last Job
	for range maxReadsOfOne {
		if last = eves(); !m.first(j, last) {
			t.Fatal("not the first")
		}
	}
	for _, when := range []string{"at once", "after a restart"} {
		if _, err := m.claim(j, eves()); !errors.Is(err, ErrBusy) {
			t.Errorf("%s: one too many: %v", when, err)
		}
		if m.first(j, last) {
			t.Errorf("%s: one was forgotten", when)
		}
		if !m.first(j, read(job.NewID(m.wall), m.wall)) {
			t.Errorf("%s: ann's does not run", when)
		}
		j.Close()
		j = m.open()
	}
	j.Release(last.ID)
	if !m.first(j, eves()) {
		t.Error("one was let go of, and another does not run")
	}
	if _, err := m.claim(j, eves()); !errors.Is(err, ErrBusy) {
		t.Error("one too many after that:", err)
	}
	m.pass(2 * time.Minute)
	for range maxReadsOfOne {
		if !m.first(j, eves()) {
			t.Fatal("after they expired")
		}
	}
	if _, err := m.claim(j, eves()); !errors.Is(err, ErrBusy) {
		t.Error("and one too many again:", err)
	}
}

func TestAFloodOfReadsCannotMakeItForget(t *testing.T) {
	m := newMachine(t)
	j, first := m.open(), read(job.NewID(now), now)
	m.first(j, first)
	for i := range maxReads - 1 {
		if !m.first(j, by(fmt.Sprint(i%5), read(job.NewID(now), now))) {
			t.Fatal("not the first")
		}
	}
	if _, err := m.claim(j, read(job.NewID(now), now)); !errors.Is(err, ErrBusy) {
		t.Fatalf("one too many: %v", err)
	}
	m.wall = m.wall.Add(30 * time.Second) // a clock that jumps frees nothing
	if _, err := m.claim(j, read(job.NewID(now), now)); !errors.Is(err, ErrBusy) {
		t.Fatalf("one too many after a jump: %v", err)
	}
	if m.first(j, first) {
		t.Fatal("the first was forgotten")
	}
	m.pass(2 * time.Minute)
	if !m.first(j, read(job.NewID(m.wall), m.wall)) {
		t.Fatal("after they expired")
	}
	j.Close()
	if !m.first(m.open(), read(job.NewID(m.wall), m.wall)) {
		t.Fatal("after a restart")
	}
}

func TestASecondProcessIsRefused(t *testing.T) {
	m := newMachine(t)
	m.open()
	if _, err := Open(m.config()); !errors.Is(err, ErrLocked) {
		t.Fatalf("got %v", err)
	}
}

func TestForgetDropsOnlyWhatIsOver(t *testing.T) {
	m := newMachine(t)
	j, one := m.open(), signed(job.NewID(now), now)
	m.first(j, one)
	j.EndChange(one.ID, []byte("r"), "ok", now)
	for _, step := range []struct {
		pass  time.Duration
		known bool
	}{{Keep - time.Second, true}, {2 * time.Second, false}} {
		m.pass(step.pass)
		if err := j.Forget(); err != nil {
			t.Fatal(err)
		}
		if k, known, _ := j.Change(one.ID); known != step.known {
			t.Errorf("%+v", k)
		}
	}
}

// The ring is made again if the disk was full when it was made, and never trusted at another size.
func TestACutRingIsMadeAgain(t *testing.T) {
	m := newMachine(t)
	if err := os.WriteFile(filepath.Join(m.dir, readsFile), []byte("cut"), 0o600); err != nil {
		t.Fatal(err)
	}
	if !m.first(m.open(), read(job.NewID(now), now)) {
		t.Fatal("not the first")
	}
	if info, _ := os.Stat(filepath.Join(m.dir, readsFile)); info.Size() != maxReads*slotSize {
		t.Errorf("size %d", info.Size())
	}
}

func TestAnIdOfAnotherLengthIsRefused(t *testing.T) {
	m := newMachine(t)
	j := m.open()
	for _, id := range []string{"", "x", strings.Repeat("x", idSize+1)} {
		if _, err := m.claim(j, read(id, now)); err == nil {
			t.Errorf("id %q was taken", id)
		}
	}
}

func BenchmarkClaim(b *testing.B) {
	for _, kind := range []string{"read", "change"} {
		b.Run(kind, func(b *testing.B) {
			m := newMachine(b)
			j := m.open()
			for i := 0; b.Loop(); i++ {
				m.pass(time.Second)
				one := signed(fmt.Sprintf("%026d", i), m.wall)
				one.Change, one.Expires = kind == "change", m.wall.Add(time.Millisecond)
				if c, err := m.claim(j, one); err != nil || !c.First {
					b.Fatal(c, err)
				}
			}
		})
	}
}
