package journal

import (
	"errors"
	"testing"
	"time"

	"fleet/job"
)

// Fake clocks throughout: docs/OPERATING.md has the table of what each wrong one does.

// A clock that was ahead when the agent started makes no read be refused when it is set right; a read from before the boot is, whatever
// the clock said then.
func TestAClockThatWasAheadAtTheStart(t *testing.T) {
	for _, off := range []time.Duration{2 * time.Hour, -2 * time.Hour} {
		m := newMachine(t)
		m.up = 10 * time.Minute
		m.wall = m.wall.Add(off)
		j := m.open()
		m.wall = m.wall.Add(-off)
		if !m.first(j, read(job.NewID(m.wall), m.wall)) {
			t.Errorf("%s: a read is not answered", off)
		}
		if _, err := m.claim(j, read(job.NewID(m.wall), m.wall.Add(-11*time.Minute))); !errors.Is(err, ErrBeforeBoot) {
			t.Errorf("%s: a read from before the boot: %v", off, err)
		}
		if !m.first(j, read(job.NewID(m.wall), m.wall.Add(-9*time.Minute))) {
			t.Errorf("%s: a read from after it", off)
		}
	}
}

// A look under a wrong clock forgets nothing: not while the agent runs, and not when it starts, in the same boot or in another.
func TestAWrongClockForgetsNothing(t *testing.T) {
	for _, off := range []time.Duration{30 * 24 * time.Hour, 365 * 24 * time.Hour, -30 * 24 * time.Hour} {
		m := newMachine(t)
		j, one := m.open(), signed(job.NewID(now), now)
		m.first(j, one)
		j.EndChange(one.ID, []byte("reply"), "ok", now)
		m.wall = m.wall.Add(off)
		if err := j.Forget(); err != nil {
			t.Fatal(err)
		}
		j.Close()
		m.open().Close()
		m.boot, m.up = "two", time.Minute
		m.open().Close()
		m.wall = m.wall.Add(-off)
		if c, err := m.claim(m.open(), one); err != nil || c.First || string(c.Result) != "reply" {
			t.Errorf("%s: %+v, %v", off, c, err)
		}
	}
}

// What was forgotten in its time does not run again under a clock that is set back, be it by a year; new changes run.
func TestWhatIsForgottenDoesNotRunAgain(t *testing.T) {
	m := newMachine(t)
	j, one := m.open(), signed(job.NewID(now), now)
	m.first(j, one)
	j.EndChange(one.ID, []byte("reply"), "ok", now)
	m.pass(Keep + time.Hour)
	if err := j.Forget(); err != nil {
		t.Fatal(err)
	}
	j.Close()
	j = m.open()
	if _, known, _ := j.Change(one.ID); known {
		t.Error("it is not forgotten")
	}
	if !m.first(j, signed(job.NewID(m.wall), m.wall)) {
		t.Error("a new change does not run")
	}
	m.wall = now.Add(10 * time.Second)
	if _, err := m.claim(j, one); !errors.Is(err, ErrUnknown) {
		t.Errorf("the old change, in its time: %v", err)
	}
	if !m.first(j, signed(job.NewID(m.wall), m.wall)) {
		t.Error("a change that is newer than it does not run")
	}
}

// What is kept is kept for the time that the host runs: not less after many boots, and what passes between them counts for nothing.
func TestTheJournalsClock(t *testing.T) {
	m := newMachine(t)
	j, one := m.open(), signed(job.NewID(now), now)
	m.first(j, one)
	for day := range 6 {
		m.pass(24 * time.Hour)
		if err := j.Forget(); err != nil { // the hourly one
			t.Fatal(err)
		}
		j.Close()
		m.wall = m.wall.Add(30 * 24 * time.Hour)
		m.boot, m.up = string(rune('a'+day)), time.Second
		j = m.open()
	}
	if _, known, _ := j.Change(one.ID); !known {
		t.Error("forgotten after six days of running")
	}
	m.pass(24 * time.Hour)
	j.Forget()
	if _, known, _ := j.Change(one.ID); known {
		t.Error("known after more than seven")
	}
}

// After a loss, no step of the clock lets an old change in, and none keeps the host from running new ones for more than 62 minutes.
func TestTheClockStepsAfterALoss(t *testing.T) {
	old := signed(job.NewID(now), now.Add(-time.Minute))
	old.Expires = old.Issued.Add(time.Hour)
	for name, tt := range map[string]struct{ atLoss, later time.Duration }{
		"right":                  {0, 0},
		"ahead, then right":      {24 * time.Hour, -24 * time.Hour},
		"behind, then right":     {-24 * time.Hour, 24 * time.Hour},
		"right, then back":       {0, -40 * time.Minute},
		"right, then far back":   {0, -24 * time.Hour},
		"right, then ahead":      {0, 24 * time.Hour},
		"behind and again":       {-time.Hour, -time.Hour},
		"ahead, and never right": {24 * time.Hour, 0},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t)
			m.kept(3)
			m.wall = m.wall.Add(tt.atLoss)
			overwrite(t, m.dir+"/"+dbFile, 0, make([]byte, 100))
			runs := func(j *Journal) bool {
				inTime := old.Issued.Sub(m.wall) <= time.Minute && !m.wall.After(old.Expires) // or the gate stops it
				c, err := m.claim(j, old)
				return inTime && err == nil && c.First
			}
			j := m.open()
			m.pass(5 * time.Minute)
			m.wall = m.wall.Add(tt.later)
			if runs(j) {
				t.Error("an old change runs")
			}
			j.Close()
			m.pass(30 * time.Minute)
			m.boot, m.up = "two", time.Minute // a reboot: what passed before it since the last write is not known
			j = m.open()
			if runs(j) {
				t.Error("an old change runs after a reboot")
			}
			m.pass(62 * time.Minute)
			if !m.first(j, signed(job.NewID(m.wall), m.wall)) {
				t.Error("a new change does not run")
			}
		})
	}
}
