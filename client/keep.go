package client

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"

	"fleet/identity"
	"fleet/job"
)

// Answers may be many and large: 10,000 of 64 kB are 640 MB as they come, and several times that when they are decoded. So only the
// first are kept decoded. What comes then stays as it came, sealed to the one-time key of its job: in memory as long as there is room,
// and beyond that in a file of this run. Outcome.Whole opens it again.
const (
	// decodedBytes is how much is kept decoded, counted as it came: decoded it takes a few times that.
	decodedBytes = 4 << 20
	// sealedBytes is how much is kept sealed in memory, together with what waits to be verified. If the file cannot be written, as much
	// again may wait; whoever finds no room then is asked again.
	sealedBytes = 24 << 20
	// shortMessage is how much of a message is kept, in bytes, where the rest of the answer is not: more than a line shows.
	shortMessage = 2 << 10
	// longMessage is how much is taken of what a host says before its answer: what its action printed lately, or why it is busy.
	longMessage = 16 << 10
	// hostInFile is how much one host may put into the file: its answer and a copy of it. A host that sends more wants to fill the disk.
	hostInFile = 2 * (job.MaxReply + 1<<10)
)

// pile holds the answers of a run.
type pile struct {
	decodedBytes, sealedBytes int64
	dir                       string // where the file is made

	mu      sync.Mutex
	decoded int64
	sealed  int64 // in memory
	file    *os.File
	end     int64            // of the file
	by      map[string]int64 // how much of it is whose
	err     error            // why nothing can be added to it
}

// sealed is an answer as it came: in memory, or somewhere in the file.
type sealed struct {
	raw      []byte
	at, size int64
}

func newPile() *pile {
	return &pile{decodedBytes: decodedBytes, sealedBytes: sealedBytes, dir: largeTemp(), by: map[string]int64{}}
}

// largeTemp is the directory for large files that do not last: /tmp is memory on many machines.
func largeTemp() string {
	const large = "/var/tmp"
	if at, err := os.Stat(large); os.Getenv("TMPDIR") != "" || err != nil || !at.IsDir() {
		return os.TempDir()
	}
	return large
}

// put takes an answer in; whose is the subject that it came on. It reports false where there is no room.
func (p *pile) put(whose string, raw []byte) (sealed, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	size := int64(len(raw))
	if p.sealed+size > p.sealedBytes {
		if s, ok := p.write(whose, raw); ok || p.err == nil {
			return s, ok
		}
		if p.sealed+size > 2*p.sealedBytes {
			return sealed{}, false
		}
	}
	p.sealed += size
	return sealed{raw: raw, size: size}, true
}

// write puts an answer into the file.
func (p *pile) write(whose string, raw []byte) (sealed, bool) {
	if p.err != nil || p.by[whose]+int64(len(raw)) > hostInFile {
		return sealed{}, false
	}
	if p.file == nil {
		if p.file, p.err = unnamedFile(p.dir); p.err != nil {
			return sealed{}, false
		}
	}
	s := sealed{at: p.end, size: int64(len(raw))}
	if _, p.err = p.file.WriteAt(raw, p.end); p.err != nil {
		return sealed{}, false
	}
	p.end += s.size
	p.by[whose] += s.size
	return s, true
}

// unnamedFile makes a file that nobody else can open, and that is gone when this process has ended, however it ends. It is closed when
// no answer refers to it any more.
func unnamedFile(dir string) (*os.File, error) {
	f, err := os.CreateTemp(dir, "fleet-answers-")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// get returns an answer as it came.
func (p *pile) get(s sealed) ([]byte, error) {
	if s.raw != nil || s.size == 0 {
		return s.raw, nil
	}
	raw := make([]byte, s.size)
	if _, err := p.file.ReadAt(raw, s.at); err != nil {
		return nil, fmt.Errorf("read an answer back from a temporary file in %s: %w", p.dir, err)
	}
	return raw, nil
}

// drop forgets an answer. What it took of the file is not used again.
func (p *pile) drop(s sealed) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sealed -= int64(len(s.raw))
}

// keep decides how a verified answer is kept: decoded, then its sealed form may be dropped, or sealed. An error says why it is neither.
func (p *pile) keep(s sealed) (decoded bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.decoded+s.size <= p.decodedBytes {
		p.decoded += s.size
		return true, nil
	}
	if s.raw != nil && p.sealed > p.sealedBytes {
		return false, fmt.Errorf("there is no room for more in memory, nor in a file in %s: %w", p.dir, p.err)
	}
	return false, nil
}

// forget takes back what keep has counted.
func (p *pile) forget(v verdict) {
	if v.decoded {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.decoded -= v.sealed.size
	} else {
		p.drop(v.sealed)
	}
}

// settle cuts a verified reply down to what is kept of it.
func (g *gathering) settle(v *verdict) {
	r := &v.reply
	if answer := r.Kind == job.Result || r.Kind == job.Refused; !answer || len(r.Data) == 0 && len(r.Message) <= shortMessage {
		g.pile.drop(v.sealed)
		v.sealed, r.Data, r.Message = sealed{}, nil, cut(r.Message, longMessage)
		return
	}
	decoded, err := g.pile.keep(v.sealed)
	if decoded {
		g.pile.drop(v.sealed)
		v.decoded, v.sealed.raw = true, nil
		return
	}
	r.Data, r.Message = nil, cut(r.Message, shortMessage)
	if err == nil {
		v.whole = whole(g.pile, v.sealed, g.seal, g.hash)
		return
	}
	g.pile.drop(v.sealed)
	v.sealed, v.leftOut = sealed{}, err.Error()
}

// cut returns a copy of the beginning of a text that is longer than limit.
func cut(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(strings.Clone(text[:limit]), "")
}

// whole opens an answer again that was verified before.
func whole(p *pile, s sealed, key identity.SealKey, h job.Hash) func() (job.Reply, error) {
	return func() (job.Reply, error) {
		raw, err := p.get(s)
		if err == nil {
			raw, err = job.UnsealReply(key, h, raw)
		}
		if err != nil {
			return job.Reply{}, err
		}
		return job.KnownReply(raw)
	}
}
