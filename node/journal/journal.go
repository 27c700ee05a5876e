package journal

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"fleet/internal/logkey"

	"go.etcd.io/bbolt"
)

// Keep is how long it is known that a change ran and how it ended, by the time that the host has run.
const Keep = 7 * 24 * time.Hour

// MaxResults bounds the results that are kept, in bytes all together. Beyond it the oldest go first; that the job ran, and how it
// ended, stays.
const MaxResults = 64 << 20

var (
	// ErrFull is wrapped where the journal cannot take a claim: the job must not run.
	ErrFull = errors.New("the journal cannot be written")
	// ErrBusy is wrapped where as many reads are remembered, of the signer or of all, as may be: until some expire none is taken.
	ErrBusy = errors.New("too many jobs at once")
	// ErrLocked is wrapped by Open when another process holds the journal.
	ErrLocked = errors.New("another node uses this data directory")
	// ErrBeforeBoot says that a read was signed before this machine booted, and so could be a replay.
	ErrBeforeBoot = errors.New("the job was signed before this host booted, so it may have run here already; send a new one")
	// ErrUnknown is wrapped where the journal cannot know whether a change ran here.
	ErrUnknown = errors.New("the job may have run here already")
)

// Config is what a journal needs. All fields but Boot are required.
type Config struct {
	Dir        string
	Boot       Boot
	Life, Skew time.Duration // the longest life of a job, and how far the clock of who signed it may be ahead of this host's
	Now        func() time.Time
	Log        *slog.Logger
}

// Journal is one node's memory of jobs. It is safe for use by several goroutines.
type Journal struct {
	config   Config
	store    *store
	reads    *ring
	refusals *refusals

	mu      sync.Mutex
	running map[string]string // held or claimed in this process, and not ended, each with its plan
	trouble []string          // as it was last told
}

// Create makes an empty journal for a host that never had one. One that is there stays.
func Create(dir string, now time.Time) error {
	s := newStore(Config{Dir: dir, Now: func() time.Time { return now }})
	if err := s.openFile(); err == nil {
		return s.close()
	}
	r, _ := openRefusals(filepath.Join(dir, refusedFile))
	err := errors.Join(s.create(""), s.close(), r.slots.trouble(), r.slots.close())
	if err != nil {
		return fmt.Errorf("create the journal in %s: %w", dir, err)
	}
	return nil
}

const refusedFile, readsFile = "refused.ring", "reads.ring"

func newStore(c Config) *store {
	s := &store{path: filepath.Join(c.Dir, dbFile), now: c.Now, file: os.OpenFile, clock: clock{boot: c.Boot, opened: time.Now()}}
	s.log = func(message string, err error) {
		switch {
		case c.Log == nil:
		case err == nil:
			c.Log.Warn(message)
		default:
			c.Log.Error(message, logkey.Error, err)
		}
	}
	return s
}

// Open opens the journal of a host. It waits a second for another process to let go of it, and then fails with ErrLocked. It
// fails for nothing else: what is damaged is begun anew, what cannot be written is read, and Trouble says so.
func Open(c Config) (*Journal, error) {
	j := &Journal{config: c, store: newStore(c), running: map[string]string{}}
	if err := j.store.open(); err != nil {
		return nil, err
	}
	j.reads = openRing(filepath.Join(c.Dir, readsFile), j.store.clock.up, j.alive(), c.Now())
	refusals, lost := openRefusals(filepath.Join(c.Dir, refusedFile))
	j.refusals = refusals
	if lost && j.store.db != nil {
		j.store.lose("the file " + refusedFile + " was gone or damaged")
	}
	if err := j.Forget(); err != nil {
		j.store.log("cannot remove old entries from the journal", err)
	}
	return j, nil
}

// alive is for how long a job that was signed before a moment can be alive after it, by clocks that are as wrong as they may be.
func (j *Journal) alive() time.Duration { return j.config.Life + 2*j.config.Skew }

// Close closes the files. No claim may be under way.
func (j *Journal) Close() error {
	j.store.mu.Lock()
	defer j.store.mu.Unlock()
	return errors.Join(j.store.close(), j.reads.slots.close(), j.refusals.slots.close())
}

// Claim is how a job stands.
type Claim struct {
	First   bool     // nothing is known of it: it is held for the caller
	Refused *Refusal // it was refused before
	Running bool     // an earlier one is judged or run by this process
	Result  []byte   // the signed reply of an earlier one, where it is known and kept
	Entry   Entry    // what is noted of an earlier change
}

// Begin looks whether a job came before. If not, it is held: a copy that comes meanwhile is told that it runs. A read is claimed
// by that; a change has to be claimed before it runs (ClaimChange). What is not to run is let go of (Release).
func (j *Journal) Begin(job Job, now time.Time) (Claim, error) {
	if job.Change {
		return j.beginChange(job, now)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.reads.has(job.ID) {
		_, running := j.running[job.ID]
		return Claim{Running: running}, nil
	}
	if why, refused := j.refusals.find(job); refused {
		return Claim{Refused: &why}, nil
	}
	if up := j.config.Boot.Up; up != nil && now.Sub(job.Issued) > up() {
		return Claim{}, ErrBeforeBoot
	}
	first, err := j.reads.add(job.ID, job.Signer, job.Expires, now)
	if err != nil {
		return Claim{}, err
	}
	if first {
		j.running[job.ID] = job.Plan
	}
	return Claim{First: first}, nil
}

func (j *Journal) beginChange(job Job, now time.Time) (c Claim, err error) {
	known := false
	err = j.store.view(func(tx *bbolt.Tx) error {
		if c.First { // a second time, on a new database
			j.end(job.ID)
		}
		if c, known = j.find(tx, job); known {
			return nil
		}
		if err := j.unknowable(job, now); err != nil {
			return err
		}
		c.First = true
		j.begin(job)
		return nil
	})
	switch {
	case err == nil || errors.Is(err, ErrUnknown):
		return c, err
	case c.First:
		j.end(job.ID)
	}
	return Claim{}, j.full(err)
}

// unknowable says why the journal cannot know of a job whether it ran here: it was signed before a loss, by the clock as it is or as
// it was then, or it may have been forgotten.
func (j *Journal) unknowable(job Job, now time.Time) error {
	s := j.store.state
	if lost, since := j.store.lately(j.alive()); lost {
		if limit := later(s.Born, now.Add(-since)).Add(j.config.Skew); job.Issued.Before(limit) {
			return fmt.Errorf("%w: this host lost its journal at %s (%s), and the job was signed before it or within %s of it; send a new one", ErrUnknown,
				s.Born.UTC().Format(time.RFC3339), s.Lost, j.config.Skew)
		}
	}
	if job.Expires.UnixMilli() <= s.Forgotten {
		return fmt.Errorf("%w: it expired no later than others that this host has forgotten by now; set its clock or yours, and send a new one", ErrUnknown)
	}
	return nil
}

// full is an error that keeps a change from being claimed.
func (j *Journal) full(err error) error {
	return fmt.Errorf("%w: %w; free some space in %s, or make it writable; until then this host refuses changes", ErrFull, err, j.config.Dir)
}

// ClaimChange claims durably a change that is held: when it returns nil, the claim is on disk.
func (j *Journal) ClaimChange(job Job, now time.Time) error {
	err := j.store.update(func(c *change) error {
		if err := j.unknowable(job, now); err != nil { // it may have been lost since it was begun
			return err
		}
		e := Entry{}
		if job.Alone != nil {
			e = Entry{Alone: job.Alone, Targets: job.Targets, Came: now.UTC()}
		}
		raw, err := record(j.store.clock.age()+Keep, job.Expires, e)
		if err != nil {
			return err
		}
		return c.put(job.ID, raw)
	})
	switch {
	case err == nil || errors.Is(err, ErrUnknown):
		return err
	}
	return j.full(err)
}

// Refuse sees to it that the same does not run here later. A job that was begun is still to be let go of.
func (j *Journal) Refuse(job Job, why Refusal) { j.refusals.add(job, why) }

// Release ends a job that was begun, as if it had never come. Call it only for one that Begin held: another may have its id.
func (j *Journal) Release(id string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.reads.remove(id)
	delete(j.running, id)
}

// Find returns what is known of a job that came before, or false. It begins nothing and writes nothing.
func (j *Journal) Find(job Job) (c Claim, known bool) {
	err := j.store.view(func(tx *bbolt.Tx) error {
		c, known = j.find(tx, job)
		return nil
	})
	if err == nil {
		return c, known
	}
	why, refused := j.refusals.find(job)
	if refused {
		c.Refused = &why
	}
	c.Running = j.isRunning(job.ID)
	return c, refused || c.Running || j.reads.has(job.ID)
}

// find says how a job stands. Of one that can be several, that it was claimed counts, then that it is held, then that its plan was
// cancelled, then that it was refused.
// All is looked at in one transaction: between two a job could end, and a copy would be told that it was lost.
func (j *Journal) find(tx *bbolt.Tx, job Job) (Claim, bool) {
	if raw := get(tx, claims, job.ID); raw != nil {
		_, _, entry, _ := readRecord(raw) // one that cannot be read was made all the same
		return Claim{Result: result(tx, job.ID), Running: j.isRunning(job.ID), Entry: entry}, true
	}
	if running := j.isRunning(job.ID); running || j.reads.has(job.ID) {
		return Claim{Running: running}, true
	}
	if job.Plan != "" {
		if _, _, e, err := readRecord(get(tx, claims, job.Plan)); err == nil && e.Cancelled {
			return Claim{Entry: e}, true
		}
	}
	if why, refused := j.refusals.find(job); refused {
		return Claim{Refused: &why}, true
	}
	return Claim{}, false
}

func (j *Journal) isRunning(id string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	_, running := j.running[id]
	return running
}

func (j *Journal) begin(job Job) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.running[job.ID] = job.Plan
}

// EndRead says that a read has ended.
func (j *Journal) EndRead(id string) { j.end(id) }

func (j *Journal) end(id string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.running, id)
}

// EndChange keeps the signed reply of a change, and how it ended. Afterwards copies of the job are answered with it.
func (j *Journal) EndChange(id string, reply []byte, state string, now time.Time) error {
	err := j.store.update(func(c *change) error {
		if err := c.tx.Bucket(results).Put([]byte(id), seal(reply)); err != nil {
			return err
		}
		if c.get(id) == nil { // the journal was lost while it ran
			raw, err := record(j.store.clock.age()+Keep, now.Add(j.alive()), Entry{Ended: now, State: state})
			if err != nil {
				return err
			}
			return c.put(id, raw)
		}
		return c.note(id, func(e *Entry) { e.Ended, e.State = now, state })
	})
	j.end(id)
	if err != nil {
		return fmt.Errorf("keep result of job %s: %w", id, err)
	}
	return nil
}

// Forget drops what is older than its time. Call it now and then.
func (j *Journal) Forget() error { return j.store.update(j.forget) }

func (j *Journal) forget(c *change) error {
	age := j.store.clock.age()
	old := map[string]time.Time{}
	err := c.tx.Bucket(claims).ForEach(func(id, raw []byte) error {
		if until, expires, _, err := readRecord(raw); err == nil && until < age {
			old[string(id)] = expires
		}
		return nil
	})
	for id, expires := range old {
		c.Forgotten = max(c.Forgotten, expires.UnixMilli())
		err = errors.Join(err, c.drop(id))
	}
	return errors.Join(err, shrink(c.tx, MaxResults))
}

// shrink drops the oldest results where all together are longer than limit. Ids sort by time.
func shrink(tx *bbolt.Tx, limit int) error {
	var old [][]byte
	total, c := 0, tx.Bucket(results).Cursor()
	for id, result := c.Last(); id != nil; id, result = c.Prev() {
		if total += len(result); total > limit {
			old = append(old, bytes.Clone(id))
		}
	}
	var err error
	for _, id := range old {
		err = errors.Join(err, tx.Bucket(results).Delete(id))
	}
	return err
}

// Trouble says what is wrong, a line each, for who looks at the host. It does not wait for the disk.
func (j *Journal) Trouble() []string {
	if j.store.mu.TryLock() {
		defer j.store.mu.Unlock()
		list := j.troubles()
		j.mu.Lock()
		defer j.mu.Unlock()
		j.trouble = list
		return list
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.trouble
}

func (j *Journal) troubles() (list []string) {
	s := j.store
	if err := cmp.Or(s.readOnly, s.failed); err != nil {
		list = append(list, fmt.Sprintf("its journal cannot be written, so it refuses changes: %v", err))
	}
	if lost, since := s.lately(j.alive()); lost {
		list = append(list, fmt.Sprintf("it lost its journal at %s (%s); for %s more it refuses changes that were signed before then", s.state.Born.Format(time.RFC3339), s.state.Lost,
			(j.alive()-since).Round(time.Second)))
	}
	for name, slots := range map[string]*slots{"what it was asked": j.reads.slots, "what it refused": j.refusals.slots} {
		if err := slots.trouble(); err != nil {
			list = append(list, fmt.Sprintf("%s is in memory only and would not outlast a restart: %v", name, err))
		}
	}
	slices.Sort(list)
	return list
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
