package journal

import (
	"log/slog"
	"testing"
	"time"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// machine is a host with clocks that a test sets: the wall's, and how long it has been up.
type machine struct {
	t    testing.TB
	dir  string
	boot string
	wall time.Time
	up   time.Duration
}

func newMachine(t testing.TB) *machine {
	t.Helper()
	m := &machine{t: t, dir: t.TempDir(), boot: "one", wall: now, up: 24 * time.Hour}
	if err := Create(m.dir, now); err != nil {
		t.Fatal(err)
	}
	return m
}

// pass lets time pass by both clocks.
func (m *machine) pass(d time.Duration) { m.wall, m.up = m.wall.Add(d), m.up+d }

func (m *machine) config() Config {
	return Config{
		Dir: m.dir, Boot: Boot{ID: m.boot, Up: func() time.Duration { return m.up }}, Life: time.Hour, Skew: time.Minute,
		Now: func() time.Time { return m.wall }, Log: slog.New(slog.DiscardHandler),
	}
}

func (m *machine) open() *Journal {
	m.t.Helper()
	j, err := Open(m.config())
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { j.Close() })
	return j
}

// signed is a change that was signed at the time given, and lives a minute.
func signed(id string, issued time.Time) Job {
	return Job{ID: id, Signer: MarkOf([]byte("ann")), Bytes: MarkOf([]byte(id)), Change: true, Issued: issued, Expires: issued.Add(time.Minute)}
}

// read is a read of the same kind.
func read(id string, issued time.Time) Job {
	job := signed(id, issued)
	job.Change = false
	return job
}

// claim begins a job as the gate does, and claims it if it is the first of its id.
func (m *machine) claim(j *Journal, job Job) (Claim, error) {
	m.t.Helper()
	c, err := j.Begin(job, m.wall)
	if err == nil && c.First && job.Change {
		err = j.ClaimChange(job, m.wall)
	}
	return c, err
}

// first claims a job and reports whether it may run.
func (m *machine) first(j *Journal, job Job) bool {
	m.t.Helper()
	c, err := m.claim(j, job)
	if err != nil {
		m.t.Fatalf("%s: %v", job.ID, err)
	}
	return c.First
}
