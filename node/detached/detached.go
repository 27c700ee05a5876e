package detached

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"fleet/internal/atomicfile"
	"fleet/internal/logkey"
	"fleet/internal/wait"
	"fleet/internal/wire"
	"fleet/job"
	"fleet/plugins/plugin"
)

const (
	jobFile    = "job"
	callFile   = "call"
	lockFile   = "lock"
	begunFile  = "begun"
	resultFile = "result"
	roomFile   = "room"

	// startGrace is how long a process may take until it holds its lock.
	startGrace = 10 * time.Second
	// How often the agent looks for the result: soon at first, since most changes are quick.
	lookSoon, lookLater = 10 * time.Millisecond, 250 * time.Millisecond
	// lookSoonFor is how long it looks often.
	lookSoonFor = 2 * time.Second
	// room is how long a result may be that has to fit also where the disk is full by then, in bytes.
	room = 64 << 10
	// maxPID bounds what stands in the lock's file, in bytes.
	maxPID = 32
	// maxCall and maxResult bound the files, in bytes.
	maxCall, maxResult = 2 * job.MaxJob, 2 * job.MaxReply
)

// ErrCutOff says that the process is gone and left no result: it was killed, or the machine lost its power.
var ErrCutOff = errors.New("the action was cut off; check what it left behind")

// Call is what is to run. Its arguments fit the declaration, and none of them is secret.
type Call struct {
	Plugin string         `cbor:"1,keyasint"`
	Action string         `cbor:"2,keyasint"`
	Args   map[string]any `cbor:"3,keyasint,omitempty"`
	Limit  time.Duration  `cbor:"4,keyasint"`
	// For the answer: the admin's name and key, and when the job came, in Unix milliseconds.
	Signer string `cbor:"5,keyasint"`
	Key    []byte `cbor:"6,keyasint"`
	Came   int64  `cbor:"7,keyasint"`
}

// result is how it ended.
type result struct {
	State    plugin.State   `cbor:"1,keyasint"`
	Message  string         `cbor:"2,keyasint,omitempty"`
	Data     map[string]any `cbor:"3,keyasint,omitempty"`
	TimedOut bool           `cbor:"4,keyasint,omitempty"`
	Stopped  bool           `cbor:"5,keyasint,omitempty"`
}

// End is how an action ended.
type End struct {
	plugin.Result
	TimedOut bool // it took longer than its limit
	Stopped  bool // it was told to stop
	CutOff   bool // it is gone without a result: the agent says so, not the process
}

// Starter starts a process that lives on when this one ends.
type Starter interface {
	// Start runs argv for the job. It blocks until the process runs, or ctx ends.
	Start(ctx context.Context, id string, argv []string) error
}

// Runner starts actions and waits for them. It is safe for use by several goroutines.
type Runner struct {
	dir   string
	start Starter
	argv  func(id string) []string
	log   *slog.Logger
}

// New returns a runner that keeps its files in dir, which is made where it is missing. argv is the command line that calls Act.
func New(dir string, start Starter, argv func(id string) []string, log *slog.Logger) (*Runner, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	return &Runner{dir, start, argv, log}, nil
}

func (r *Runner) file(id, name string) string { return filepath.Join(r.dir, id, name) }

// Begin writes down what to run and starts it. signed is the job. An error means that nothing runs.
func (r *Runner) Begin(ctx context.Context, id string, signed []byte, c Call) error {
	if !job.ValidID(id) {
		return fmt.Errorf("%q is no job's id", id)
	}
	raw, err := wire.Marshal(c)
	if err != nil {
		return err
	}
	if err := r.writeDown(id, raw, signed); err != nil {
		return fmt.Errorf("the change could not be written down: %w; free some space in %s, or make it writable", err, r.dir)
	}
	ctx, cancel := context.WithTimeout(ctx, startGrace)
	defer cancel()
	if err := r.start.Start(ctx, id, r.argv(id)); err != nil && r.cannotBegin(id) {
		r.End(id)
		return fmt.Errorf("the action could not be started in a process of its own: %w", err)
	}
	return nil
}

// writeDown leaves nothing behind where it fails.
func (r *Runner) writeDown(id string, call, signed []byte) error {
	if err := os.Mkdir(filepath.Join(r.dir, id), 0o700); err != nil {
		return err
	}
	// The job last: it is what Left goes by, and then the rest is there.
	for _, f := range []struct {
		name    string
		content []byte
	}{{callFile, call}, {roomFile, make([]byte, room)}, {jobFile, signed}} {
		if err := atomicfile.Write(r.file(id, f.name), f.content, 0o600); err != nil {
			r.End(id)
			return err
		}
	}
	return nil
}

// cannotBegin sees to it that a process which was not started, by what was said, does not begin after all; it reports false where
// one has begun.
func (r *Runner) cannotBegin(id string) bool { return markBegun(r.file(id, begunFile)) == nil }

func markBegun(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Wait blocks until the action has ended, the process is gone (ErrCutOff), or ctx ends; then the action goes on.
func (r *Runner) Wait(ctx context.Context, id string) (End, error) {
	began := time.Now()
	for {
		gone := r.gone(id) // before the look at the result: it may be written in between
		end, err := r.result(id)
		if !errors.Is(err, fs.ErrNotExist) {
			return end, err
		}
		if gone && (r.has(id, begunFile) || time.Since(began) > startGrace) {
			if r.cannotBegin(id) {
				return End{}, fmt.Errorf("%w; it had not begun", ErrCutOff)
			}
			if !r.gone(id) { // it began in this moment
				continue
			}
			return End{}, ErrCutOff
		}
		look := lookSoon
		if time.Since(began) > lookSoonFor {
			look = lookLater
		}
		if err := wait.For(ctx, look); err != nil {
			return End{}, err
		}
	}
}

func (r *Runner) has(id, name string) bool {
	_, err := os.Lstat(r.file(id, name))
	return err == nil
}

// result reads how it ended.
func (r *Runner) result(id string) (End, error) {
	raw, err := readFile(r.file(id, resultFile), maxResult)
	if err != nil {
		return End{}, err
	}
	return decodeResult(raw)
}

func decodeResult(raw []byte) (End, error) {
	var x result
	if err := wire.Unmarshal(raw, &x); err != nil {
		return End{}, fmt.Errorf("the action ended, and its result cannot be read: %w", err)
	}
	return End{Result: plugin.Result{State: x.State, Message: x.Message, Data: x.Data}, TimedOut: x.TimedOut, Stopped: x.Stopped}, nil
}

func readFile(path string, limit int64) ([]byte, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > limit {
		return nil, fmt.Errorf("%s is not a regular file, or is larger than %d bytes", path, limit)
	}
	return os.ReadFile(path)
}

// gone reports whether no process holds the lock.
func (r *Runner) gone(id string) bool {
	f, err := os.Open(r.file(id, lockFile))
	if err != nil {
		return true
	}
	defer f.Close()
	return syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB) == nil
}

// Stop tells the process to end its action, and blocks until it has been told, or ctx ends: it may not hold its lock yet.
func (r *Runner) Stop(ctx context.Context, id string) error {
	for {
		if pid := r.holder(id); pid > 0 {
			return syscall.Kill(pid, syscall.SIGTERM)
		}
		if wait.For(ctx, lookSoon) != nil {
			return nil
		}
	}
}

// holder is the process that holds the lock; 0: none does, or it has not said who it is yet.
func (r *Runner) holder(id string) int {
	raw, err := readFile(r.file(id, lockFile), maxPID)
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(raw)))
	if err != nil || pid <= 1 || r.gone(id) {
		return 0
	}
	return pid
}

// Left is an action that an earlier agent began.
type Left struct {
	ID     string
	Signed []byte // the job
	Call   Call
}

// Left are those that have not been ended with End. What cannot be read is logged and left where it is.
func (r *Runner) Left() []Left {
	dirs, err := os.ReadDir(r.dir)
	if err != nil {
		r.log.Error("cannot list earlier actions", logkey.Error, err)
		return nil
	}
	var list []Left
	for _, d := range dirs {
		if !job.ValidID(d.Name()) || !r.has(d.Name(), jobFile) {
			continue
		}
		left, err := r.left(d.Name())
		if err != nil {
			r.log.Error("cannot read an earlier action", logkey.Job, d.Name(), logkey.Error, err)
			continue
		}
		list = append(list, left)
	}
	return list
}

func (r *Runner) left(id string) (Left, error) {
	signed, err := readFile(r.file(id, jobFile), job.MaxJob)
	if err != nil {
		return Left{}, err
	}
	raw, err := readFile(r.file(id, callFile), maxCall)
	if err != nil {
		return Left{}, err
	}
	c, err := decodeCall(raw)
	return Left{id, signed, c}, err
}

// End forgets an action; what it printed stays, until Forget drops it.
func (r *Runner) End(id string) {
	dir := filepath.Join(r.dir, id)
	// The job first: it is what Left goes by.
	if err := os.Remove(filepath.Join(dir, jobFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		r.log.Warn("cannot remove the files of an earlier action", logkey.Job, id, logkey.Error, err)
	}
	names := []string{callFile, resultFile, roomFile, lockFile, begunFile}
	if info, err := os.Lstat(r.file(id, outputFile)); err != nil || info.Size() == 0 {
		names = append(names, outputFile, "")
	}
	for _, name := range names {
		if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			r.log.Warn("cannot remove the files of an earlier action", logkey.Job, id, logkey.Error, err)
		}
	}
}
