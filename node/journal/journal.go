package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// Keep is how long the result of a change stays, for those who ask again.
const Keep = 7 * 24 * time.Hour

// MaxResults bounds the results that are kept, in bytes all together. Beyond it the oldest go first; that the job ran, and how it
// ended, stays.
const MaxResults = 64 << 20

var (
	claims  = []byte("claims")  // job id -> a record, see entry.go
	results = []byte("results") // job id -> the signed reply
)

// ErrFull is wrapped where the journal cannot take a claim: the job must not run.
var ErrFull = errors.New("the journal cannot be written")

// ErrLocked is wrapped by Open when another process holds the journal.
var ErrLocked = errors.New("another node uses this data directory")

// Journal is one node's memory of jobs. It is safe for use by several goroutines.
type Journal struct {
	db     *bbolt.DB
	reads  *ring
	booted time.Time

	mu      sync.Mutex
	running map[string]bool // claimed in this process and not ended
}

// Open opens or makes the journal in dir. booted is when this machine booted; reads signed before it are refused.
// It waits a second for another process to let go of it.
func Open(dir string, booted, now time.Time) (*Journal, error) {
	db, err := bbolt.Open(filepath.Join(dir, "journal.db"), 0o600, &bbolt.Options{Timeout: time.Second})
	if errors.Is(err, berrors.ErrTimeout) {
		return nil, fmt.Errorf("%w: %s", ErrLocked, dir)
	}
	if err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	j := &Journal{db: db, booted: booted, running: map[string]bool{}}
	err = db.Update(func(tx *bbolt.Tx) error {
		for _, name := range [][]byte{claims, results} {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		return forget(tx, now)
	})
	if err == nil {
		j.reads, err = openRing(filepath.Join(dir, "reads.ring"))
	}
	if err != nil {
		db.Close()
		return nil, fmt.Errorf("open journal in %s: %w; free some space there", dir, err)
	}
	return j, nil
}

// Close closes the files. No claim may be under way.
func (j *Journal) Close() error { return errors.Join(j.db.Close(), j.reads.close()) }

// Claim is what a job finds.
type Claim struct {
	First   bool   // it is the first of its id: run it
	Running bool   // an earlier one is being run by this process
	Result  []byte // the signed reply of an earlier one, where it is known and kept
	Entry   Entry  // what is noted of an earlier change
}

// errSeen ends a transaction that has nothing to write, without a write to the disk.
var (
	errSeen    = errors.New("claimed before")
	errNotSeen = errors.New("not claimed before")
)

// ClaimChange claims a change durably: when it returns First, the claim is on disk.
func (j *Journal) ClaimChange(id string, expires, now time.Time) (Claim, error) {
	var c Claim
	// Claim, running and result are looked at in one transaction, of which there is one at a time: between two of them a
	// job could end, and a copy would be told that it was lost.
	err := j.db.Update(func(tx *bbolt.Tx) error {
		if raw := tx.Bucket(claims).Get([]byte(id)); raw != nil {
			c = j.claimed(tx, id, raw)
			return errSeen
		}
		if err := tx.Bucket(claims).Put([]byte(id), seconds(later(expires, now.Add(Keep)))); err != nil {
			return err
		}
		c.First = true
		j.begin(id)
		return nil
	})
	if errors.Is(err, errSeen) {
		return c, nil
	}
	if err != nil {
		if c.First {
			j.end(id)
		}
		return Claim{}, fmt.Errorf("%w: %w; free some space in %s; until then this host refuses changes", ErrFull, err, filepath.Dir(j.db.Path()))
	}
	return c, nil
}

// Find returns what is known of a job that was claimed before, or false. It claims nothing and writes nothing.
func (j *Journal) Find(id string) (Claim, bool) {
	var c Claim
	err := j.db.Update(func(tx *bbolt.Tx) error { // in turn with those that write, as ClaimChange
		if raw := tx.Bucket(claims).Get([]byte(id)); raw != nil {
			c = j.claimed(tx, id, raw)
			return errSeen
		}
		return errNotSeen
	})
	if errors.Is(err, errSeen) {
		return c, true
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	return Claim{Running: j.running[id]}, j.reads.has(id)
}

// claimed is how a claim stands. One that cannot be read was made all the same.
func (j *Journal) claimed(tx *bbolt.Tx, id string, raw []byte) Claim {
	_, entry, _ := readRecord(raw)
	return Claim{Result: clone(tx.Bucket(results).Get([]byte(id))), Running: j.isRunning(id), Entry: entry}
}

func (j *Journal) isRunning(id string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.running[id]
}

func (j *Journal) begin(id string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.running[id] = true
}

// ErrBeforeBoot says that a read was signed before this machine booted, and so could be a replay.
var ErrBeforeBoot = errors.New("the job was signed before this host booted, so it may have run here already; send a new one")

// ClaimRead claims a read.
func (j *Journal) ClaimRead(id string, issued, expires, now time.Time) (Claim, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if issued.Before(j.booted) && !j.reads.has(id) {
		return Claim{}, ErrBeforeBoot
	}
	first, err := j.reads.add(id, expires, now)
	if err != nil {
		return Claim{}, err
	}
	if first {
		j.running[id] = true
	}
	return Claim{First: first, Running: !first && j.running[id]}, nil
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
	err := j.db.Update(func(tx *bbolt.Tx) error {
		if err := tx.Bucket(results).Put([]byte(id), reply); err != nil {
			return err
		}
		return note(tx, id, func(e *Entry) { e.Ended, e.State = now, state })
	})
	j.end(id)
	if err != nil {
		return fmt.Errorf("keep result of job %s: %w", id, err)
	}
	return nil
}

// Forget drops what is older than its time. Call it now and then.
func (j *Journal) Forget(now time.Time) error {
	return j.db.Update(func(tx *bbolt.Tx) error { return forget(tx, now) })
}

func forget(tx *bbolt.Tx, now time.Time) error {
	limit := seconds(now)
	var old [][]byte
	err := tx.Bucket(claims).ForEach(func(id, until []byte) error {
		if string(until[:min(8, len(until))]) < string(limit) {
			old = append(old, clone(id))
		}
		return nil
	})
	for _, id := range old {
		err = errors.Join(err, tx.Bucket(claims).Delete(id), tx.Bucket(results).Delete(id))
	}
	return errors.Join(err, shrink(tx, MaxResults))
}

// shrink drops the oldest results where all together are longer than limit. Ids sort by time.
func shrink(tx *bbolt.Tx, limit int) error {
	var old [][]byte
	total, c := 0, tx.Bucket(results).Cursor()
	for id, result := c.Last(); id != nil; id, result = c.Prev() {
		if total += len(result); total > limit {
			old = append(old, clone(id))
		}
	}
	var err error
	for _, id := range old {
		err = errors.Join(err, tx.Bucket(results).Delete(id))
	}
	return err
}

func seconds(t time.Time) []byte { return binary.BigEndian.AppendUint64(nil, uint64(t.Unix())) }

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func clone(b []byte) []byte {
	if b == nil {
		return nil
	}
	return append([]byte{}, b...)
}
