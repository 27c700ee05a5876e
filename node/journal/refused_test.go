package journal

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fleet/job"
)

// by is a job of another signer.
func by(signer string, one Job) Job {
	one.Signer = MarkOf([]byte(signer))
	return one
}

func refusedAs(t *testing.T, m *machine, j *Journal, one Job) string {
	t.Helper()
	c, err := j.Begin(one, m.wall)
	if err != nil || c.Refused == nil {
		if c.First {
			j.Release(one.ID)
		}
		return ""
	}
	return c.Refused.Reason
}

func TestWhatWasRefusedStaysRefused(t *testing.T) {
	m := newMachine(t)
	j := m.open()
	for _, one := range []Job{signed(job.NewID(now), now), read(job.NewID(now), now)} {
		if c, err := j.Begin(one, now); err != nil || !c.First {
			t.Fatal(c, err)
		}
		j.Refuse(one, Refusal{Reason: "no such action", Message: "this host has none"})
		j.Release(one.ID)
		if c, _ := j.Begin(one, now); c.Refused == nil || c.Refused.Message != "this host has none" {
			t.Errorf("%+v", c)
		}
		m.wall = now.Add(30 * 24 * time.Hour) // by no clock
		if c, known := j.Find(one); !known || c.Refused == nil {
			t.Errorf("%+v", c)
		}
		j.Close()
		m.wall = now
		j = m.open()
		if got := refusedAs(t, m, j, one); got != "no such action" {
			t.Errorf("after a restart: %q", got)
		}
		whole := one // the same job, with another signature
		whole.Bytes = MarkOf([]byte("other"), []byte(one.ID))
		if !m.first(j, whole) {
			t.Error("it does not run once it is complete")
		}
		if c, _ := j.Begin(one, now); c.First || c.Refused != nil || !c.Running {
			t.Errorf("what it is now counts: %+v", c)
		}
	}
}

// Who floods the memory hits himself: the refused jobs of others stay refused, and none of his own runs either, also after a restart.
func TestAFloodOfRefusals(t *testing.T) {
	m := newMachine(t)
	j := m.open()
	var anns, flood []Job
	for i := range 20 {
		one := signed(job.NewID(now), now.Add(time.Duration(i)*time.Second))
		j.Refuse(one, Refusal{Reason: "second key"})
		anns = append(anns, one)
	}
	for i := range maxRefused + 500 {
		one := by("eve", signed(job.NewID(now), now.Add(time.Duration(i*7919%3000)*time.Millisecond)))
		j.refusals.remember(one, Refusal{Reason: "policy"}) // as Refuse, without its fsync
		flood = append(flood, one)
	}
	for _, when := range []string{"at once", "after a restart"} {
		for _, one := range anns {
			if got := refusedAs(t, m, j, one); got != "second key" {
				t.Fatalf("%s: ann's is %q", when, got)
			}
		}
		for i, one := range flood {
			if got := refusedAs(t, m, j, one); got == "" {
				t.Fatalf("%s: number %d of the flood would run", when, i)
			}
		}
		if got := refusedAs(t, m, j, signed(job.NewID(now), now)); got != "" {
			t.Errorf("%s: a new job of ann's is refused: %q", when, got)
		}
		if got := refusedAs(t, m, j, by("eve", signed(job.NewID(now), now.Add(time.Minute)))); got != "" {
			t.Errorf("%s: a job of eve's that lives longer is refused: %q", when, got)
		}
		if got := refusedAs(t, m, j, by("eve", read(job.NewID(now), now))); got != "" {
			t.Errorf("%s: a read of eve's is refused: %q", when, got)
		}
		j.Close()
		j = m.open()
	}
	if info, err := os.Stat(filepath.Join(m.dir, refusedFile)); err != nil || info.Size() != maxRefused*slotSize {
		t.Error(info.Size(), err)
	}
}

// As many signers as there are slots, each with more than there is room for.
func TestManySignersAreRefused(t *testing.T) {
	m := newMachine(t)
	j := m.open()
	var all []Job
	for i := range 3 * maxRefused {
		one := by(fmt.Sprint(i%maxRefused), signed(job.NewID(now), now.Add(time.Duration(i)*time.Millisecond)))
		j.refusals.remember(one, Refusal{Reason: "policy"})
		all = append(all, one)
	}
	for i, one := range all {
		if refusedAs(t, m, j, one) == "" {
			t.Fatalf("number %d would run", i)
		}
	}
}

// The file that remembers refusals is a part of the memory: without it, what came before may have been refused.
func TestTheRefusalsAreLost(t *testing.T) {
	for name, harm := range map[string]func(t *testing.T, path string){
		"deleted":   func(t *testing.T, path string) { os.Remove(path) },
		"cut off":   func(t *testing.T, path string) { os.Truncate(path, 100) },
		"a bit off": func(t *testing.T, path string) { overwrite(t, path, 20, []byte{0xff}) },
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t)
			j, one := m.open(), signed(job.NewID(now), now)
			j.Refuse(one, Refusal{Reason: "policy"})
			j.Close()
			harm(t, filepath.Join(m.dir, refusedFile))
			j = m.open()
			if c, err := j.Begin(one, now); err == nil && c.First {
				t.Error("it would run")
			}
			if list := j.Trouble(); len(list) != 1 || !strings.Contains(list[0], refusedFile) {
				t.Errorf("%q", list)
			}
			j.Close()
			m.lost(job.NewID(now))
		})
	}
}
