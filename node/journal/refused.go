package journal

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"time"
)

const (
	// maxRefused bounds how many refused jobs a node remembers.
	maxRefused = 2048
	// maxReason is how much of a reason is kept on disk, and maxMessage how much of the message in memory.
	maxReason, maxMessage = 16, 512
)

// Mark identifies what came, or who signed it: the beginning of a SHA-256.
type Mark [16]byte

// MarkOf returns the mark of what the parts say together.
func MarkOf(parts ...[]byte) (m Mark) {
	h := sha256.New()
	for _, p := range parts {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(p))))
		h.Write(p)
	}
	copy(m[:], h.Sum(nil))
	return m
}

// Refusal is how a job ended that was refused, or that was not for this host.
type Refusal struct {
	Reason  string // "": it was not for this host
	Message string // "" where another process refused it
}

// refusals remembers what was refused, so that the same does not run later. There is no clock in it: one is remembered until the
// room is needed. Then the one that expires first has to go, of the signer who has most, and from then on nothing of that signer
// passes that expires no later: so a flood costs only who signed it, and opens no way for what was refused. In the file a slot has
// when it expires (Unix milliseconds, 8 bytes), signer, mark and reason; one without a mark is a signer's bound, or that of all
// where it has no signer: then there were more signers than slots.
type refusals struct {
	mu     sync.Mutex
	slots  *slots
	list   [maxRefused]refused
	byMark map[Mark]int
	count  map[Mark]int // by signer
	bound  map[Mark]int // by signer: the slot
	used   int          // those before it are taken
}

type refused struct {
	expires      int64
	signer, mark Mark
	Refusal
}

// openRefusals opens the file; lost says that what was there is not, or not whole.
func openRefusals(path string) (r *refusals, lost bool) {
	r = &refusals{byMark: map[Mark]int{}, count: map[Mark]int{}, bound: map[Mark]int{}}
	s, content, fresh, damaged := openSlots(path, maxRefused)
	r.slots = s
	for _, body := range content {
		if body == nil {
			continue
		}
		one := refused{expires: int64(binary.BigEndian.Uint64(body)), signer: Mark(body[8:24]), mark: Mark(body[24:40])}
		one.Reason = string(bytes.TrimRight(body[40:40+maxReason], "\x00"))
		r.set(r.used, one)
		r.used++
	}
	return r, fresh || damaged
}

// set puts one into a slot.
func (r *refusals) set(i int, one refused) {
	r.list[i] = one
	if one.mark == (Mark{}) {
		r.bound[one.signer] = i
		return
	}
	r.byMark[one.mark] = i
	r.count[one.signer]++
}

// find says how a job was refused before. Where room had to be made, all that may have been is taken for it, if it is a change.
func (r *refusals) find(j Job) (Refusal, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if i, known := r.byMark[j.Bytes]; known {
		return r.list[i].Refusal, true
	}
	if j.Change && r.beyond(j) {
		return Refusal{Reason: tooMany}, true
	}
	return Refusal{}, false
}

// tooMany is the reason where a signer had so many jobs refused that it cannot be told whether this is one of them.
const tooMany = "seen"

func (r *refusals) beyond(j Job) bool {
	for _, signer := range []Mark{j.Signer, {}} {
		if i, bounded := r.bound[signer]; bounded && j.Expires.UnixMilli() <= r.list[i].expires {
			return true
		}
	}
	return false
}

// add remembers a refusal; the first one stays. That of a change is on disk when it returns, if it can be.
func (r *refusals) add(j Job, why Refusal) {
	if r.remember(j, why) && j.Change {
		r.slots.sync() // nobody waits for the lock meanwhile
	}
}

func (r *refusals) remember(j Job, why Refusal) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, known := r.byMark[j.Bytes]; known || r.beyond(j) {
		return false
	}
	why.Message = why.Message[:min(len(why.Message), maxMessage)]
	i := r.used
	if i < maxRefused {
		r.used++
	} else {
		i = r.makeRoom()
	}
	r.keep(i, refused{j.Expires.UnixMilli(), j.Signer, j.Bytes, why})
	return true
}

func (r *refusals) keep(i int, one refused) {
	r.set(i, one)
	body := binary.BigEndian.AppendUint64(nil, uint64(one.expires))
	body = append(append(body, one.signer[:]...), one.mark[:]...)
	r.slots.write(i, append(body, one.Reason[:min(len(one.Reason), maxReason)]...))
}

// makeRoom empties the slot of one refusal and returns it.
func (r *refusals) makeRoom() int {
	var most Mark
	for signer, n := range r.count {
		if n > r.count[most] {
			most = signer
		}
	}
	at, bounded := r.bound[most]
	if r.count[most] < 2 && !(bounded && r.count[most] == 1) {
		return r.boundAll()
	}
	i := r.takeFirst(most)
	expires := r.list[i].expires
	if !bounded { // the bound takes the first one's slot
		at, i = i, r.takeFirst(most)
		expires = r.list[i].expires
	}
	r.keep(at, refused{expires: max(expires, r.list[at].expires), signer: most})
	return i
}

// boundAll makes one bound of all that is remembered, and returns an empty slot.
func (r *refusals) boundAll() int {
	all := refused{signer: Mark{}}
	for i, one := range r.list {
		all.expires = max(all.expires, one.expires)
		r.list[i] = refused{}
		r.slots.write(i, nil)
	}
	clear(r.byMark)
	clear(r.count)
	clear(r.bound)
	r.keep(0, all)
	r.used = 2
	return 1
}

// takeFirst takes out the refusal of a signer that expires first.
func (r *refusals) takeFirst(signer Mark) int {
	first := -1
	for i, one := range r.list {
		if one.signer == signer && one.mark != (Mark{}) && (first < 0 || one.expires < r.list[first].expires) {
			first = i
		}
	}
	delete(r.byMark, r.list[first].mark)
	r.count[signer]--
	r.list[first].mark = Mark{}
	return first
}

// Job is what the journal has to know of a job.
type Job struct {
	ID              string
	Signer          Mark // of who signed it
	Bytes           Mark // of what came: what was signed, and who approved it
	Change          bool
	Plan            string // of which it is a portion; "" of none
	Issued, Expires time.Time
	Alone           *Alone   // nil: it does not count for a share of the fleet
	Targets         []string // where Alone is set: see Nearest
}
