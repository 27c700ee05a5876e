package detached

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"fleet/internal/wire"
	"fleet/plugins/plugin"
)

// errBegun says that the action has begun before: it runs at most once.
var errBegun = errors.New("it has begun before")

// heed is how long an action may go on when its time is over or it was told to stop: longer than package managers need to leave their
// databases whole (plugins/packages: 10 s, and as long for a second look).
const heed = 30 * time.Second

// Act is the process: it runs the action in the directory of the job, at most once, and leaves the result there. When ctx ends, the
// action is told to stop; one that goes on all the same is left behind after half a minute, and the process must end then. An error
// means that nothing ran, or that the result could not be written.
func Act(ctx context.Context, dir string, get func(plugin string) (plugin.Plugin, bool)) error {
	return actWithin(ctx, dir, get, heed)
}

func actWithin(ctx context.Context, dir string, get func(plugin string) (plugin.Plugin, bool), heed time.Duration) error {
	unlock, err := hold(filepath.Join(dir, lockFile))
	if err != nil {
		return err
	}
	defer unlock()
	raw, err := readFile(filepath.Join(dir, callFile), maxCall)
	if err != nil {
		return err
	}
	c, err := decodeCall(raw)
	if err != nil {
		return err
	}
	p, action, args, err := find(c, get)
	if err != nil {
		return err
	}
	out, err := os.OpenFile(filepath.Join(dir, outputFile), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	if err := markBegun(filepath.Join(dir, begunFile)); err != nil {
		return errors.Join(errBegun, err)
	}
	limited, cancel := context.WithTimeout(ctx, c.Limit)
	defer cancel()
	x := heeded(limited, heed, func() plugin.Result {
		return plugin.Safely(limited, p, plugin.Call{Action: action.Name, Args: args, Output: &capped{f: out, left: maxOutput}})
	})
	end := result{
		State: x.State, Message: x.Message, Data: x.Data,
		Stopped: ctx.Err() != nil, TimedOut: ctx.Err() == nil && errors.Is(limited.Err(), context.DeadlineExceeded),
	}
	return leave(dir, end)
}

// heeded is the result of run, or a failure where run does not end within heed of the end of ctx; then it goes on.
func heeded(ctx context.Context, heed time.Duration, run func() plugin.Result) plugin.Result {
	ended := make(chan plugin.Result, 1)
	go func() { ended <- run() }()
	select {
	case x := <-ended:
		return x
	case <-ctx.Done():
	}
	select {
	case x := <-ended:
		return x
	case <-time.After(heed):
		return plugin.Failf("it did not stop within %s of being told to; check whether it still runs and what it left behind", heed)
	}
}

// leave writes the result. Outputs that cannot be encoded, or find no room, are left out, and the message says so.
func leave(dir string, end result) error {
	end.Message = plugin.Readable(end.Message[:min(len(end.Message), room/2)])
	path := filepath.Join(dir, roomFile)
	err := end.writeTo(path)
	if err != nil && end.Data != nil { // what is left fits into the room that was taken before
		end.Data, end.Message = nil, end.Message+" (outputs left out: "+plugin.Readable(err.Error())+")"
		err = end.writeTo(path)
	}
	if err != nil {
		return fmt.Errorf("the action ended (%s), and this cannot be written down: %w", end.State, err)
	}
	return os.Rename(path, filepath.Join(dir, resultFile))
}

func (x result) writeTo(path string) error {
	var err error
	if x.Data, err = plugin.ReadableData(x.Data); err != nil {
		return err
	}
	raw, err := wire.Marshal(x)
	if err != nil {
		return err
	}
	if len(raw) > maxResult {
		return fmt.Errorf("%d bytes, at most %d fit", len(raw), maxResult)
	}
	if _, err := decodeResult(raw); err != nil {
		return err
	}
	return put(path, raw)
}

// put overwrites a file where it lies, so that it needs no more room than it has.
func put(path string, raw []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(raw, 0)
	return errors.Join(err, f.Truncate(int64(len(raw))), f.Sync(), f.Close())
}

func decodeCall(raw []byte) (Call, error) {
	var c Call
	if err := wire.Unmarshal(raw, &c); err != nil {
		return Call{}, fmt.Errorf("what to run cannot be read: %w", err)
	}
	if c.Limit <= 0 {
		return Call{}, fmt.Errorf("a time limit of %s", c.Limit)
	}
	return c, nil
}

// find looks the action up and checks the arguments once more: the agent may be of another release.
func find(c Call, get func(string) (plugin.Plugin, bool)) (plugin.Plugin, plugin.Action, plugin.Args, error) {
	p, ok := get(c.Plugin)
	if !ok {
		return nil, plugin.Action{}, nil, fmt.Errorf("no plugin %q here", c.Plugin)
	}
	action, ok := p.Declaration().Action(c.Action)
	if !ok || !action.Detached {
		return nil, action, nil, fmt.Errorf("%s has no action %q that runs detached", c.Plugin, c.Action)
	}
	args, err := action.Check(c.Args)
	return p, action, args, err
}

// hold takes the lock for the life of the process and writes its pid down. It waits for one who only looks whether it is held.
func hold(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	_, err = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return func() { f.Close() }, err
}
