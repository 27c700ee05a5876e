package audit

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"fleet/internal/logkey"
)

const (
	// MaxFile is how large a file may grow, in bytes, before the next is begun.
	MaxFile = 16 << 20
	// Keep is how many full files stay beside the one being written; the oldest goes first.
	Keep = 8

	logName  = "audit.log"
	headName = "audit.head"
)

// Log is a node's audit. It is safe for use by several goroutines.
type Log struct {
	dir     string
	log     *slog.Logger
	maxFile int64
	write   func(*os.File, []byte) (int, error) // a field so that tests can fill the disk
	create  func(name string, flag int, mode os.FileMode) (*os.File, error)

	mu     sync.Mutex
	file   *os.File // nil: the disk is read-only
	size   int64    // of file, up to its last whole line
	torn   bool     // a piece of a line may stand behind size
	head   *os.File
	seq    uint64
	last   hash  // of the line with seq
	lost   int   // lines that could not be written since the last that could
	failed int64 // lines that could not be written since Open
	floods map[Event]*flood
	closed bool
}

// Open opens or makes the audit in dir and finds where its chain was left. Where that is not where it should be, the first
// lines say so (Gap). It fails if dir cannot be made or read; on a read-only disk it goes on, and no line can be written until that
// has ended.
func Open(dir string, log *slog.Logger) (*Log, error) {
	l := &Log{dir: dir, log: log, maxFile: MaxFile, write: (*os.File).Write, create: os.OpenFile, floods: map[Event]*flood{}}
	if err := l.begin(); err != nil && !errors.Is(err, syscall.EROFS) {
		return nil, err
	}
	return l, nil
}

// begin opens the files and writes down what is not as it was left.
func (l *Log) begin() error {
	notes, err := l.open()
	if err != nil {
		l.closeFiles()
		l.file, l.head = nil, nil
		return fmt.Errorf("open audit in %s: %w", l.dir, err)
	}
	for _, note := range notes {
		l.log.Warn("the audit log is not as this node left it", logkey.Error, note)
		if err := l.put(Entry{Event: Gap, Message: note}, true); err != nil {
			break // said by put; the next line that can be written counts it
		}
	}
	return nil
}

// Add writes one line, with one write(2). After a crash of the whole machine the newest such lines may be missing.
func (l *Log) Add(e Entry) error { return l.add(e, false) }

// AddDurable is Add that returns when the line, and so every one before it, is on disk (fsync).
func (l *Log) AddDurable(e Entry) error { return l.add(e, true) }

func (l *Log) add(e Entry, durable bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tellFloods(time.Now())
	return l.put(e, durable)
}

var errClosed = errors.New("audit is closed")

// put writes e and, before it, how many lines could not be written. l.mu is held.
func (l *Log) put(e Entry, durable bool) error {
	err := errClosed
	if !l.closed {
		err = nil
		if l.file == nil {
			err = l.begin()
		}
		if err == nil {
			err = l.putLost()
		}
	}
	if err == nil {
		err = l.append(e, durable)
	}
	if err == nil {
		return nil
	}
	l.failed++
	if l.lost++; l.lost == 1 {
		l.log.Error("cannot write the audit log", logkey.Error, err)
	}
	return fmt.Errorf("cannot write the audit log: %w", err)
}

// Failed is how many lines could not be written since Open.
func (l *Log) Failed() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failed
}

// Lost is how many lines could not be written since the last that could: 0 while all is well.
func (l *Log) Lost() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lost
}

func (l *Log) putLost() error {
	if l.lost == 0 {
		return nil
	}
	if err := l.append(Entry{Event: Unwritten, Count: l.lost}, false); err != nil {
		return err
	}
	l.log.Info("the audit log can be written again; some lines are lost", logkey.Count, l.lost)
	l.lost = 0
	return nil
}

// append numbers, chains and writes one line.
func (l *Log) append(e Entry, durable bool) error {
	e.V, e.Seq, e.Time, e.Prev = Version, l.seq+1, time.Now().UTC().Truncate(time.Microsecond), l.last.String()
	line, err := e.encode()
	if err != nil {
		return err
	}
	if l.size > 0 && l.size+int64(len(line)) >= l.maxFile {
		if err := l.rotate(); err != nil {
			return err
		}
	}
	if l.torn {
		if err := l.file.Truncate(l.size); err != nil {
			return err
		}
		l.torn = false
	}
	h := hashOf(line)
	if _, err := l.write(l.file, append(line, '\n')); err != nil {
		l.torn = l.file.Truncate(l.size) != nil
		return err
	}
	l.size += int64(len(line)) + 1
	l.seq, l.last = e.Seq, h
	if durable {
		if err := l.file.Sync(); err != nil {
			return err
		}
	}
	return l.putHead()
}

// putHead writes where the chain ends over what the head said before: always the same number of bytes, so that it needs no
// room, and no fsync, since it is checked against the log when that is opened.
func (l *Log) putHead() error {
	_, err := l.head.WriteAt(formatHead(Head{l.seq, l.last.String()}), 0)
	return err
}

// rotate sets the full file aside under the seq of its last line and begins a new one.
func (l *Log) rotate() error {
	path, aside := filepath.Join(l.dir, logName), filepath.Join(l.dir, rotatedName(l.seq))
	if err := l.file.Sync(); err != nil {
		return err
	}
	if err := os.Rename(path, aside); err != nil {
		return err
	}
	fresh, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o600)
	if err != nil {
		return errors.Join(err, os.Rename(aside, path))
	}
	l.file.Close()
	l.file, l.size, l.torn = fresh, 0, false
	old, err := rotated(l.dir)
	for len(old) > Keep {
		err = errors.Join(err, os.Remove(old[0]))
		old = old[1:]
	}
	if err := errors.Join(err, syncDir(l.dir)); err != nil {
		l.log.Warn("cannot remove old audit files", logkey.Error, err)
	}
	return nil
}

func rotatedName(seq uint64) string { return fmt.Sprintf("audit-%020d.log", seq) }

// rotated returns the paths of the full files in dir, the oldest first.
func rotated(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var list []string
	for _, e := range entries {
		var seq uint64
		if _, err := fmt.Sscanf(e.Name(), "audit-%d.log", &seq); err == nil && e.Name() == rotatedName(seq) {
			list = append(list, filepath.Join(dir, e.Name()))
		}
	}
	slices.Sort(list)
	return list, nil
}

// files returns the paths of all files with lines in dir, the oldest first.
func files(dir string) ([]string, error) {
	list, err := rotated(dir)
	if err != nil {
		return nil, err
	}
	current := filepath.Join(dir, logName)
	if _, err := os.Stat(current); err == nil {
		list = append(list, current)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return list, nil
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Close writes what was counted and closes the files. Later calls of Add fail.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	l.tellFloods(time.Time{})
	if l.file == nil {
		l.closed = true
		return nil
	}
	err := errors.Join(l.putLost(), l.file.Sync(), l.head.Sync())
	l.closed = true
	return errors.Join(err, l.closeFiles())
}

func (l *Log) closeFiles() error {
	var err error
	for _, f := range []*os.File{l.file, l.head} {
		if f != nil {
			err = errors.Join(err, f.Close())
		}
	}
	return err
}
