package journal

import (
	"encoding/binary"
	"fmt"
	"sync"
	"time"
)

const (
	idSize = 26 // a ULID
	// maxReads bounds how many unexpired reads a node remembers: 136 a second at the usual minute of life. One more
	// finds no room, so that a flood cannot make the node forget.
	maxReads = 8192
	// maxReadsOfOne is how many of them may be of one signer, 68 a second at the usual minute of life, which no script gets near:
	// who asks without end leaves the other half to others.
	maxReadsOfOne = maxReads / 2
)

// ring remembers reads: in memory, and in a file with one slot for each, for the next process: when it expires (Unix seconds, 8
// bytes big endian), its signer's mark and its id. A slot is free once as much time has passed as the read had left when it came, by a clock
// that does not jump, and its read is known until the slot is taken again, the oldest first. So of an earlier process too none is
// forgotten by a look under a wrong clock, but by thousands of other reads.
type ring struct {
	mu    sync.Mutex
	slots *slots
	up    func() time.Duration
	slot  map[string]int // id -> slot
	count map[Mark]int   // by signer: how many slots, also of those that are free by now
	id    [maxReads]string
	of    [maxReads]Mark          // its signer
	until [maxReads]time.Duration // by up; of free ones in the past
	next  int
}

// openRing opens the file. life is the longest that a read can be alive.
func openRing(path string, up func() time.Duration, life time.Duration, now time.Time) *ring {
	r := &ring{slot: map[string]int{}, count: map[Mark]int{}, up: up}
	s, content, _, _ := openSlots(path, maxReads)
	r.slots = s
	newest := time.Time{}
	for i, body := range content {
		r.until[i] = -1
		if body == nil {
			continue
		}
		r.fill(i, string(body[24:24+idSize]), Mark(body[8:24]))
		ends := time.Unix(int64(binary.BigEndian.Uint64(body)), 0)
		if left := ends.Sub(now); left > 0 {
			r.until[i] = up() + min(left, life)
		}
		if !ends.Before(newest) {
			newest, r.next = ends, i+1
		}
	}
	return r
}

// fill puts a read into a slot, and empty takes it out.
func (r *ring) fill(i int, id string, signer Mark) {
	r.id[i], r.of[i], r.slot[id] = id, signer, i
	r.count[signer]++
}

func (r *ring) empty(i int) {
	if r.id[i] == "" {
		return
	}
	if r.count[r.of[i]]--; r.count[r.of[i]] == 0 {
		delete(r.count, r.of[i])
	}
	delete(r.slot, r.id[i])
	r.id[i], r.of[i] = "", Mark{}
}

// alive counts a signer's reads that have not expired.
func (r *ring) alive(signer Mark) (n int) {
	now := r.up()
	for i, of := range &r.of {
		if of == signer && r.until[i] >= now {
			n++
		}
	}
	return n
}

// add remembers id until it expires. It returns false if id is remembered already.
func (r *ring) add(id string, signer Mark, expires, now time.Time) (first bool, err error) {
	if len(id) != idSize {
		return false, fmt.Errorf("job id %q has %d characters, not %d", id, len(id), idSize)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, seen := r.slot[id]; seen {
		return false, nil
	}
	if r.count[signer] >= maxReadsOfOne && r.alive(signer) >= maxReadsOfOne {
		return false, fmt.Errorf("%w: this host remembers %d reads of this admin that have not expired", ErrBusy, maxReadsOfOne)
	}
	i, ok := r.free()
	if !ok {
		return false, fmt.Errorf("%w: this host remembers %d reads that have not expired", ErrBusy, maxReads)
	}
	body := append(binary.BigEndian.AppendUint64(nil, uint64(expires.Unix()+1)), signer[:]...)
	r.slots.write(i, append(body, id...))
	r.empty(i)
	r.fill(i, id, signer)
	r.until[i], r.next = r.up()+expires.Sub(now)+time.Second, i+1
	return true, nil
}

// remove forgets a read that was refused.
func (r *ring) remove(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if i, seen := r.slot[id]; seen {
		r.slots.write(i, nil)
		r.empty(i)
		r.until[i] = -1
	}
}

func (r *ring) has(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, seen := r.slot[id]
	return seen
}

// free finds a slot whose job has expired, beginning after the one taken last: mostly the first it looks at.
func (r *ring) free() (int, bool) {
	now := r.up()
	for n := range maxReads {
		if i := (r.next + n) % maxReads; r.until[i] < now {
			return i, true
		}
	}
	return 0, false
}
