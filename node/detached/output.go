package detached

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
	"unicode/utf8"

	"fleet/job"
)

const (
	outputFile = "output"
	// maxOutput bounds what is kept of one action's output, and maxOutputs of all together, in bytes; the oldest go first.
	maxOutput, maxOutputs = 16 << 20, 256 << 20
	// keepOutput is how long it is kept.
	keepOutput = 7 * 24 * time.Hour
)

// capped writes to a file as much as it may, and then says once that there was more.
type capped struct {
	mu   sync.Mutex
	f    io.Writer
	left int
}

// Write never fails: an action does not end because nobody can watch it.
func (c *capped) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	take := p
	if len(take) > c.left {
		take = append(bytes.Clone(take[:max(c.left, 0)]), fmt.Sprintf("\n(more than %d MiB; the rest is not kept)\n", maxOutput>>20)...)
	}
	if c.left > 0 {
		_, _ = c.f.Write(take)
	}
	c.left -= len(p)
	return len(p), nil
}

// Output is a piece of what an action printed.
type Output struct {
	Text string
	Next int64 // where the next piece begins
	Size int64 // of all that is there now
}

// Output returns what the action of a job printed from offset on, at most limit bytes, and cut behind a line where there are more.
// It reports false where nothing is kept.
func (r *Runner) Output(id string, offset int64, limit int) (o Output, known bool, err error) {
	if !job.ValidID(id) {
		return o, false, nil
	}
	f, err := os.Open(r.file(id, outputFile))
	if errors.Is(err, fs.ErrNotExist) {
		return o, false, nil
	}
	if err != nil {
		return o, false, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return o, false, err
	}
	o.Size, o.Next = info.Size(), min(max(offset, 0), info.Size())
	piece := make([]byte, min(int64(limit), o.Size-o.Next))
	n, err := f.ReadAt(piece, o.Next)
	if err != nil && !errors.Is(err, io.EOF) {
		return o, false, err
	}
	piece = whole(piece[:n], o.Next+int64(n) < o.Size)
	o.Text, o.Next = string(piece), o.Next+int64(len(piece))
	return o, true, nil
}

// whole cuts a piece behind its last line, if more follows, or else so that no character is cut in two.
func whole(piece []byte, more bool) []byte {
	if i := bytes.LastIndexByte(piece, '\n'); more && i >= 0 {
		return piece[:i+1]
	}
	for cut := 1; cut < utf8.UTFMax && cut < len(piece); cut++ {
		if b := piece[len(piece)-cut]; utf8.RuneStart(b) {
			if b >= utf8.RuneSelf && !utf8.FullRune(piece[len(piece)-cut:]) {
				return piece[:len(piece)-cut]
			}
			break
		}
	}
	return piece
}

// Forget drops outputs that are too old, the oldest where they are too many, and what was never begun.
func (r *Runner) Forget(now time.Time) error {
	dirs, err := os.ReadDir(r.dir)
	if err != nil {
		return err
	}
	var errs []error
	total := int64(0)
	for i := len(dirs) - 1; i >= 0; i-- { // ids sort by time: the newest first
		id := dirs[i].Name()
		if !job.ValidID(id) || r.has(id, jobFile) {
			continue
		}
		info, err := os.Lstat(r.file(id, outputFile))
		if err != nil { // nothing was printed, or the agent ended before it had written all down
			info, err = dirs[i].Info()
		}
		if err != nil {
			continue
		}
		if total += info.Size(); total > maxOutputs || now.Sub(info.ModTime()) > keepOutput {
			errs = append(errs, os.RemoveAll(filepath.Join(r.dir, id)))
		}
	}
	return errors.Join(errs...)
}
