package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

const (
	idSize   = 26 // a ULID
	slotSize = 8 + idSize
	// slots bounds how many unexpired reads a node remembers: 136 a second at the usual minute of life. One more is
	// refused, so that a flood cannot make the node forget.
	slots = 8192
)

// ring is a file of fixed size with one slot for each remembered read: when it expires (Unix seconds, 8 bytes big
// endian) and its id. A slot is free when its time has passed. All of it is in memory too.
type ring struct {
	mu   sync.Mutex
	file *os.File
	slot map[string]int // id -> slot
	id   [slots]string
	ends [slots]int64
	next int
}

// openRing opens the file or makes one whose blocks are all allocated.
func openRing(path string) (*ring, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	r := &ring{file: f, slot: map[string]int{}}
	if err := r.load(); err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}

func (r *ring) load() error {
	info, err := r.file.Stat()
	if err != nil {
		return err
	}
	content := make([]byte, slots*slotSize)
	if info.Size() != int64(len(content)) {
		// New, or cut short by a full disk while it was made. Zeros are written out, so that later writes need no room.
		_, err := r.file.WriteAt(content, 0)
		return errors.Join(err, r.file.Truncate(int64(len(content))), r.file.Sync())
	}
	if _, err := r.file.ReadAt(content, 0); err != nil {
		return err
	}
	for i := range slots {
		s := content[i*slotSize:][:slotSize]
		if r.ends[i] = int64(binary.BigEndian.Uint64(s)); r.ends[i] > 0 {
			r.id[i] = string(s[8:])
			r.slot[r.id[i]] = i
		}
	}
	return nil
}

// add remembers id until expires. It returns false if id is remembered already.
func (r *ring) add(id string, expires, now time.Time) (first bool, err error) {
	if len(id) != idSize {
		return false, fmt.Errorf("job id %q has %d characters, not %d", id, len(id), idSize)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, seen := r.slot[id]; seen {
		return false, nil
	}
	i, ok := r.free(now.Unix())
	if !ok {
		return false, fmt.Errorf("%w: %d reads are already remembered; try again in a minute", ErrFull, slots)
	}
	s := append(binary.BigEndian.AppendUint64(nil, uint64(expires.Unix()+1)), id...)
	if _, err := r.file.WriteAt(s, int64(i*slotSize)); err != nil {
		return false, fmt.Errorf("%w: %w", ErrFull, err)
	}
	delete(r.slot, r.id[i])
	r.id[i], r.ends[i], r.slot[id], r.next = id, expires.Unix()+1, i, i+1
	return true, nil
}

func (r *ring) has(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, seen := r.slot[id]
	return seen
}

// free finds a slot whose job has expired, beginning after the one taken last: mostly the first it looks at.
func (r *ring) free(now int64) (int, bool) {
	for n := range slots {
		if i := (r.next + n) % slots; r.ends[i] < now {
			return i, true
		}
	}
	return 0, false
}

func (r *ring) close() error { return r.file.Close() }
