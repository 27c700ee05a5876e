package program

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// SearchPath is where a bare name is looked for, and the PATH of all that is run: maintainer scripts need the sbin directories,
// and the node's own PATH must not decide which program root runs.
const SearchPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// pipeGrace is how long output is waited for after the program has ended: a daemon that it started may hold the pipe open for
// good.
const pipeGrace = time.Second

// ErrStopped says that the program was ended, or not started, because the context was.
var ErrStopped = errors.New("was stopped")

// ErrLeft says that the program ended and left a process behind that held its output open; that process was killed.
var ErrLeft = errors.New("left a process behind, which was killed")

// Command is one program to run.
type Command struct {
	Argv []string // Argv[0] is a path, or a bare name that is looked for along SearchPath
	File string   // the file to run, where it is not Argv[0]
	Env  []string // added to PATH, HOME=/, TERM=dumb and the C locale; wins over them

	// Where the output goes; nil throws it away. The program, and each daemon it starts, gets an *os.File as it is; else a pipe,
	// which breaks a second after the program has ended.
	Stdout, Stderr io.Writer

	// Grace is how long what was told to stop by SIGTERM may go on before SIGKILL; 0 kills at once.
	Grace time.Duration
	// NoneLeft makes it an error, ErrLeft, to leave a process behind that holds the output open.
	NoneLeft bool
}

// Run runs the program and blocks until it, and when ctx ends its whole process group, is gone. It returns the exit code. An
// error means that there is none: the program was not found, could not be started, was stopped (ErrStopped) or was ended by
// a signal; its text goes on where the program's name ends. A program that ends well by itself in the moment in which ctx does was not stopped.
func (c Command) Run(ctx context.Context) (code int, err error) {
	if ctx.Err() != nil {
		return -1, stopped(ctx)
	}
	path := c.File
	if path == "" {
		if path, err = Find(c.Argv[0]); err != nil {
			return -1, err
		}
	}
	cmd := &exec.Cmd{ // not exec.CommandContext: it would kill the leader alone, and at once
		Path: path, Args: c.Argv, Dir: "/",
		Env:    append([]string{"PATH=" + SearchPath, "HOME=/", "TERM=dumb", "LC_ALL=C", "LANG=C"}, c.Env...),
		Stdout: c.Stdout, Stderr: c.Stderr,
		SysProcAttr: &syscall.SysProcAttr{Setpgid: true}, WaitDelay: pipeGrace,
	}
	if err := cmd.Start(); err != nil {
		var at *os.PathError
		if errors.As(err, &at) {
			err = at.Err
		}
		return -1, fmt.Errorf("cannot be started: %w", err)
	}
	early, err := wait(ctx, cmd, c.Grace)
	code = cmd.ProcessState.ExitCode()
	var exit *exec.ExitError
	switch {
	case early:
		return code, stopped(ctx)
	case errors.Is(err, exec.ErrWaitDelay) && c.NoneLeft:
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		return code, ErrLeft
	case errors.Is(err, exec.ErrWaitDelay), errors.As(err, &exit) && code >= 0:
		return code, nil
	case exit != nil:
		return code, fmt.Errorf("was ended by %v", exit)
	}
	return code, err
}

func stopped(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("%w at the time limit", ErrStopped)
	}
	return ErrStopped
}

// wait waits for the end. When ctx ends first, the process group is asked to stop, then made to.
func wait(ctx context.Context, cmd *exec.Cmd, grace time.Duration) (early bool, err error) {
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	select {
	case err = <-done:
		return false, err
	case <-ctx.Done():
	}
	group, over := -cmd.Process.Pid, time.NewTimer(grace)
	defer over.Stop()
	if grace > 0 {
		_ = syscall.Kill(group, syscall.SIGTERM) // ESRCH: it has just ended
	}
	select {
	case err = <-done:
	case <-over.C:
		_ = syscall.Kill(group, syscall.SIGKILL)
		return true, <-done
	}
	// The leader is gone; what it had started (dpkg, a maintainer script) has the rest of the grace.
	for tick := time.NewTicker(50 * time.Millisecond); syscall.Kill(group, 0) == nil; {
		select {
		case <-tick.C:
		case <-over.C:
			_ = syscall.Kill(group, syscall.SIGKILL)
			return true, err
		}
	}
	return err != nil && !errors.Is(err, exec.ErrWaitDelay), err
}

// Find returns the file of a program: name itself if it is a path, else the first along SearchPath. Its error is of Run's kind.
func Find(name string) (string, error) {
	if strings.Contains(name, "/") {
		return name, nil
	}
	for dir := range strings.SplitSeq(SearchPath, ":") {
		path := filepath.Join(dir, name)
		if st, err := os.Stat(path); err == nil && st.Mode().IsRegular() && st.Mode()&0o111 != 0 {
			return path, nil
		}
	}
	return "", errors.New("is not on this host")
}
