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

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func open(t *testing.T, dir string) *Journal {
	t.Helper()
	j, err := Open(dir, now.Add(-time.Hour), now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	return j
}

func TestAChangeIsClaimedOnceAlsoAcrossRestarts(t *testing.T) {
	dir, id, ends := t.TempDir(), job.NewID(now), now.Add(time.Minute)
	j := open(t, dir)
	c, err := j.ClaimChange(id, ends, now)
	if err != nil || !c.First {
		t.Fatalf("first claim: %+v, %v", c, err)
	}
	if c, _ = j.ClaimChange(id, ends, now); c.First || !c.Running {
		t.Fatalf("copy while it runs: %+v", c)
	}
	j.Close()

	j = open(t, dir) // the node died in mid-action
	if c, _ = j.ClaimChange(id, ends, now); c.First || c.Running || c.Result != nil {
		t.Fatalf("copy after a restart: %+v", c)
	}
	if err := j.EndChange(id, []byte("signed reply"), "ok", now); err != nil {
		t.Fatal(err)
	}
	j.Close()

	j = open(t, dir)
	if c, _ = j.ClaimChange(id, ends, now); c.First || string(c.Result) != "signed reply" {
		t.Fatalf("copy after the end: %+v", c)
	}
}

func TestAReadIsClaimedOnceAlsoAcrossRestarts(t *testing.T) {
	dir, id, ends := t.TempDir(), job.NewID(now), now.Add(time.Minute)
	j := open(t, dir)
	c, err := j.ClaimRead(id, now, ends, now)
	if err != nil || !c.First {
		t.Fatalf("first claim: %+v, %v", c, err)
	}
	if c, _ = j.ClaimRead(id, now, ends, now); c.First || !c.Running {
		t.Fatalf("copy while it runs: %+v", c)
	}
	j.EndRead(id)
	if c, _ = j.ClaimRead(id, now, ends, now); c.First || c.Running {
		t.Fatalf("copy after the end: %+v", c)
	}
	j.Close()
	if c, _ = open(t, dir).ClaimRead(id, now, ends, now); c.First {
		t.Fatal("a read ran again after a restart")
	}
}

func TestAReadFromBeforeTheBootIsRefused(t *testing.T) {
	j := open(t, t.TempDir())
	_, err := j.ClaimRead(job.NewID(now), now.Add(-2*time.Hour), now.Add(time.Minute), now)
	if !errors.Is(err, ErrBeforeBoot) {
		t.Fatalf("got %v", err)
	}
}

func TestAFloodOfReadsCannotMakeItForget(t *testing.T) {
	j := open(t, t.TempDir())
	first := job.NewID(now)
	for i := range slots {
		id := first
		if i > 0 {
			id = job.NewID(now)
		}
		if c, err := j.ClaimRead(id, now, now.Add(time.Minute), now); err != nil || !c.First {
			t.Fatalf("claim %d: %+v, %v", i, c, err)
		}
	}
	if _, err := j.ClaimRead(job.NewID(now), now, now.Add(time.Minute), now); !errors.Is(err, ErrFull) {
		t.Fatalf("one too many: %v", err)
	}
	if c, _ := j.ClaimRead(first, now, now.Add(time.Minute), now); c.First {
		t.Fatal("the first was forgotten")
	}
	later := now.Add(2 * time.Minute)
	if c, err := j.ClaimRead(job.NewID(later), later, later.Add(time.Minute), later); err != nil || !c.First {
		t.Fatalf("after they expired: %+v, %v", c, err)
	}
}

func TestASecondProcessIsRefused(t *testing.T) {
	dir := t.TempDir()
	open(t, dir)
	if _, err := Open(dir, now, now); !errors.Is(err, ErrLocked) {
		t.Fatalf("got %v", err)
	}
}

func TestForgetDropsOnlyWhatIsOver(t *testing.T) {
	j := open(t, t.TempDir())
	id := job.NewID(now)
	j.ClaimChange(id, now.Add(time.Minute), now)
	j.EndChange(id, []byte("r"), "ok", now)
	for _, step := range []struct {
		after time.Duration
		first bool
	}{{Keep - time.Second, false}, {Keep + time.Second, true}} {
		at := now.Add(step.after)
		if err := j.Forget(at); err != nil {
			t.Fatal(err)
		}
		if c, _ := j.ClaimChange(id, at.Add(time.Minute), at); c.First != step.first {
			t.Errorf("after %s: %+v", step.after, c)
		}
	}
}

// The ring is made again if the disk was full when it was made, and never trusted at another size.
func TestACutRingIsMadeAgain(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "reads.ring"), []byte("cut"), 0o600); err != nil {
		t.Fatal(err)
	}
	j := open(t, dir)
	if c, err := j.ClaimRead(job.NewID(now), now, now.Add(time.Minute), now); err != nil || !c.First {
		t.Fatalf("%+v, %v", c, err)
	}
	if info, _ := os.Stat(filepath.Join(dir, "reads.ring")); info.Size() != slots*slotSize {
		t.Errorf("size %d", info.Size())
	}
}

func TestAnIdOfAnotherLengthIsRefused(t *testing.T) {
	j := open(t, t.TempDir())
	for _, id := range []string{"", "x", strings.Repeat("x", idSize+1)} {
		if _, err := j.ClaimRead(id, now, now.Add(time.Minute), now); err == nil {
			t.Errorf("id %q was taken", id)
		}
	}
}

func BenchmarkClaim(b *testing.B) {
	for _, kind := range []string{"read", "change"} {
		b.Run(kind, func(b *testing.B) {
			j, err := Open(b.TempDir(), time.Time{}, now)
			if err != nil {
				b.Fatal(err)
			}
			defer j.Close()
			for i := 0; b.Loop(); i++ {
				id, at := fmt.Sprintf("%026d", i), now.Add(time.Duration(i)*time.Second)
				if kind == "read" {
					_, err = j.ClaimRead(id, at, at.Add(time.Second), at)
				} else {
					_, err = j.ClaimChange(id, at.Add(time.Second), at)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
