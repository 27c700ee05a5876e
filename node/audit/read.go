package audit

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"time"
)

// Query says which lines are wanted.
type Query struct {
	Job   string    // of this job only; "" for any
	Event string    // about this only; "" for any
	Since time.Time // not older; the zero time for any
	Limit int       // at most so many lines, the newest; more than 0
	Bytes int       // at most so many bytes of lines; more than 0
}

// Page is an answer.
type Page struct {
	Lines []string // exactly as they stand in the files, without line breaks, oldest first
	More  bool     // there are older ones that fit
	Head  Head     // where the chain ends
}

// Read returns the newest lines that fit the query. It reads files from their end, as far back as it must; a job that is not
// there costs reading all of them, some 140 MB, or until ctx ends.
func (l *Log) Read(ctx context.Context, q Query) (Page, error) {
	open, head, err := l.snapshot()
	defer func() {
		for _, s := range open {
			s.file.Close()
		}
	}()
	page, size := Page{Head: head}, 0
	if err != nil {
		return page, err
	}
	for i := len(open) - 1; i >= 0; i-- {
		lines := newBackward(open[i].file, open[i].size)
		for line, ok := lines.next(); ok; line, ok = lines.next() {
			fits, older := q.fits(line)
			switch size += len(line); {
			case ctx.Err() != nil:
				return page, ctx.Err()
			case older:
				return page.inOrder(), nil
			case !fits:
				size -= len(line)
			case len(page.Lines) == q.Limit || size > q.Bytes:
				page.More = true
				return page.inOrder(), nil
			default:
				page.Lines = append(page.Lines, string(line))
			}
		}
		if lines.err != nil {
			return page.inOrder(), lines.err
		}
	}
	return page.inOrder(), nil
}

func (p Page) inOrder() Page {
	for i, j := 0, len(p.Lines)-1; i < j; i, j = i+1, j-1 {
		p.Lines[i], p.Lines[j] = p.Lines[j], p.Lines[i]
	}
	return p
}

// fits reports whether a line is wanted, and whether it and all before it are too old. A damaged line fits any query but
// one for a job: whoever looks shall see it.
func (q Query) fits(line []byte) (fits, older bool) {
	if q.Job != "" && !bytes.Contains(line, []byte(q.Job)) {
		return false, false
	}
	if q.Event != "" && !bytes.Contains(line, []byte(q.Event)) {
		return false, false
	}
	e, err := DecodeLine(line)
	if err != nil {
		return q.Job == "", false
	}
	return (q.Job == "" || e.Job == q.Job || e.Plan == q.Job) && (q.Event == "" || string(e.Event) == q.Event), e.Time.Before(q.Since)
}

// snapshot is one file as it is now; what is written later is behind size.
type snapshot struct {
	file *os.File
	size int64
}

// snapshot opens all files, oldest first, so that a rotation meanwhile takes nothing away.
func (l *Log) snapshot() (open []snapshot, head Head, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	head = Head{l.seq, l.last.String()}
	list, err := files(l.dir)
	for _, path := range list {
		f, err := os.Open(path)
		if err != nil {
			return open, head, err
		}
		info, err := f.Stat()
		if err != nil {
			return append(open, snapshot{file: f}), head, err
		}
		size := info.Size()
		if filepath.Base(path) == logName {
			size = min(size, l.size) // a piece of a line may stand behind it
		}
		open = append(open, snapshot{f, size})
	}
	return open, head, err
}

// backward reads the lines of a file from its end. It holds some 80 KiB at most.
type backward struct {
	f   io.ReaderAt
	pos int64  // of the first byte in buf
	buf []byte // read, and not returned yet
	err error
}

const backwardChunk = 64 << 10

var errLong = errors.New("a line is too long for an audit line")

func newBackward(f io.ReaderAt, size int64) *backward { return &backward{f: f, pos: size} }

// endsWhole reports whether the file ends with a line break. It is for use before the first line.
func (b *backward) endsWhole() bool {
	var last [1]byte
	_, b.err = b.f.ReadAt(last[:], b.pos-1)
	return b.err == nil && last[0] == '\n'
}

// next returns the line before the one returned last, without its line break. It returns false at the start of the file and
// when b.err is set.
func (b *backward) next() (line []byte, ok bool) {
	for {
		whole := bytes.TrimSuffix(b.buf, []byte("\n"))
		if i := bytes.LastIndexByte(whole, '\n'); i >= 0 {
			b.buf = b.buf[:i+1]
			return whole[i+1:], true
		}
		if b.pos == 0 {
			ok = len(b.buf) > 0
			b.buf = nil
			return whole, ok
		}
		if len(whole) > MaxLine {
			b.err = errLong
			return nil, false
		}
		n := min(b.pos, backwardChunk)
		more := make([]byte, n, n+int64(len(b.buf)))
		if _, b.err = b.f.ReadAt(more, b.pos-n); b.err != nil {
			return nil, false
		}
		b.buf, b.pos = append(more, b.buf...), b.pos-n
	}
}
