package packages

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
	"unicode"
)

const (
	maxStdout = 8 << 20  // the package list of a large host is about 1 MiB; more than this is not understood
	maxStderr = 64 << 10 // the last of it is kept, where the reason stands
	maxReason = 300      // one line of a table

	// stopGrace is how long a program may go on after SIGTERM before SIGKILL: dpkg and rpm need some seconds to leave
	// their database whole.
	stopGrace = 10 * time.Second
	// pipeGrace is how long output is waited for after the program has ended: a daemon that a package's script started
	// may hold the pipe open for good.
	pipeGrace = time.Second
	lockPoll  = 2 * time.Second // between two tries to get a lock that the manager itself does not wait for
)

// searchPath is also the PATH of all that is run: maintainer scripts need the sbin directories, and the node's own
// PATH must not decide which program root runs.
const searchPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// command is one program to run: argv[0] is a bare name, found along searchPath.
type command struct {
	argv []string
	env  []string // besides the fixed ones
}

// output is what a program left behind. A code other than 0 is not an error of run: managers use codes as answers.
type output struct {
	stdout, stderr string
	code           int
}

// runner runs programs. run's error means that there is no answer: not found, could not start, stopped by ctx
// (errStopped), killed, too much output.
type runner interface {
	run(ctx context.Context, c command) (output, error)
}

// errStopped marks a program that was ended because the context was.
var errStopped = errors.New("stopped at the time limit")

// system runs programs on this host.
type system struct {
	env   []string // besides the fixed ones
	grace time.Duration
}

func newSystem() system { return system{grace: stopGrace} }

// fixedEnv is the whole environment: no locale that would translate what is parsed, nothing that asks or pages.
func fixedEnv() []string {
	return []string{
		"PATH=" + searchPath, "HOME=/root", "LC_ALL=C", "LANGUAGE=C", "TERM=dumb", "PAGER=cat",
		"DEBIAN_FRONTEND=noninteractive", "DEBCONF_NONINTERACTIVE_SEEN=true", "UCF_FORCE_CONFFOLD=1",
		"APT_LISTCHANGES_FRONTEND=none", "APT_LISTBUGS_FRONTEND=none",
		"NEEDRESTART_SUSPEND=1", "NEEDRESTART_MODE=l", // restarting services is the service plugin's work, and asked for
	}
}

// watched is where a context has the writer that programs' output goes to as well.
type watched struct{}

func withWatcher(ctx context.Context, w io.Writer) context.Context {
	if w == nil {
		return ctx
	}
	return context.WithValue(ctx, watched{}, w)
}

func watcher(ctx context.Context) io.Writer {
	w, _ := ctx.Value(watched{}).(io.Writer)
	return w
}

func (s system) run(ctx context.Context, c command) (output, error) {
	if err := ctx.Err(); err != nil {
		return output{}, fmt.Errorf("%s was not started: %w", c.argv[0], errStopped)
	}
	path, err := lookPath(c.argv[0])
	if err != nil {
		return output{}, err
	}
	stdout, stderr := &headBuffer{max: maxStdout}, &tailBuffer{max: maxStderr}
	cmd := exec.Command(path, c.argv[1:]...) // not CommandContext: it would kill the leader alone, and at once
	cmd.Dir = "/"
	cmd.Env = append(append(fixedEnv(), s.env...), c.env...)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	if w := watcher(ctx); w != nil {
		cmd.Stdout, cmd.Stderr = io.MultiWriter(stdout, w), io.MultiWriter(stderr, w)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = pipeGrace
	if err := cmd.Start(); err != nil {
		return output{}, fmt.Errorf("%s cannot be started: %w", c.argv[0], err)
	}
	stopped, err := s.wait(ctx, cmd)
	out := output{stdout: stdout.String(), stderr: stderr.String(), code: cmd.ProcessState.ExitCode()}
	var exit *exec.ExitError
	switch {
	case stopped:
		return out, fmt.Errorf("%s was %w%s", c.argv[0], errStopped, lastWords(out))
	case errors.As(err, &exit) && out.code < 0:
		return out, fmt.Errorf("%s was ended by %v%s", c.argv[0], exit, lastWords(out))
	case err != nil && !errors.As(err, &exit) && !errors.Is(err, exec.ErrWaitDelay):
		return out, fmt.Errorf("%s: %w", c.argv[0], err)
	case stdout.over:
		return out, fmt.Errorf("%s wrote more than %d MiB", c.argv[0], maxStdout>>20)
	}
	return out, nil
}

// wait waits for the end. When ctx ends first, the whole process group is asked to stop, then made to. It says
// whether the program was stopped: one that had ended well by itself in that moment was not.
func (s system) wait(ctx context.Context, cmd *exec.Cmd) (stopped bool, err error) {
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	select {
	case err = <-done:
		return false, err
	case <-ctx.Done():
	}
	group, grace := -cmd.Process.Pid, time.NewTimer(s.grace)
	defer grace.Stop()
	_ = syscall.Kill(group, syscall.SIGTERM) // ESRCH: it has just ended
	select {
	case err = <-done:
	case <-grace.C:
		_ = syscall.Kill(group, syscall.SIGKILL)
		return true, <-done
	}
	// The leader is gone; what it had started (dpkg, a maintainer script) has the rest of the grace.
	for tick := time.NewTicker(50 * time.Millisecond); syscall.Kill(group, 0) == nil; {
		select {
		case <-tick.C:
		case <-grace.C:
			_ = syscall.Kill(group, syscall.SIGKILL)
			return true, err
		}
	}
	return err != nil && !errors.Is(err, exec.ErrWaitDelay), err
}

// whenUnlocked runs c again and again while locked says that another program holds the manager's lock, until ctx ends.
func whenUnlocked(ctx context.Context, r runner, c command, locked func(output) bool) (output, error) {
	for {
		out, err := r.run(ctx, c)
		if err != nil || !locked(out) {
			return out, err
		}
		end, bounded := ctx.Deadline()
		if bounded && time.Until(end) > 2*lockPoll || !bounded {
			select {
			case <-ctx.Done():
			case <-time.After(lockPoll):
				continue
			}
		}
		// Also with a little time left: a change begun now would be stopped in the middle.
		return out, fmt.Errorf("another program held the package manager's lock until the time limit%s", lockHolder(out))
	}
}

// lockHolder names the program that has the lock, which apt says only while it waits, else what the manager said.
func lockHolder(out output) string {
	for line := range strings.Lines(out.stdout + "\n" + out.stderr) {
		if _, who, ok := strings.Cut(line, "It is held by "); ok {
			return ": " + strings.TrimRight(oneLine(who), ".")
		}
	}
	return lastWords(out)
}

// lockSeconds is how long a manager that can wait for its lock itself should: until shortly before ctx ends, so that
// it is the manager that says who holds the lock.
func lockSeconds(ctx context.Context) int {
	end, ok := ctx.Deadline()
	if !ok {
		return 600
	}
	return max(1, int(time.Until(end).Seconds())-2)
}

// failure is the error of a program that ended with a code it should not have ended with.
func failure(c command, out output) error {
	if why := reason(out); why != "" {
		return fmt.Errorf("%s: %s", c.argv[0], why)
	}
	return fmt.Errorf("%s ended with code %d and gave no reason", c.argv[0], out.code)
}

// reason picks from what a program wrote the lines that say what went wrong, as one printable line.
func reason(out output) string {
	var marked []string
	last := ""
	for _, text := range []string{out.stdout, out.stderr} {
		for line := range strings.Lines(text) {
			line = strings.TrimSpace(line)
			if line == "" {
				continue
			}
			last = line
			for _, mark := range []string{"E: ", "Error: ", "error: ", "ERROR: ", "Problem"} {
				if strings.HasPrefix(line, mark) && len(marked) < 8 {
					marked = append(marked, strings.TrimPrefix(strings.TrimPrefix(line, mark), "- "))
				}
			}
		}
	}
	if len(marked) > 0 {
		last = strings.Join(marked, "; ")
	}
	return oneLine(last)
}

func lastWords(out output) string {
	if why := reason(out); why != "" {
		return ": " + why
	}
	return ""
}

// oneLine makes foreign text fit for a line of a table: printable, single blanks, at most maxReason bytes.
func oneLine(s string) string {
	if len(s) > 4*maxReason {
		s = s[:4*maxReason]
	}
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > maxReason {
		s = strings.ToValidUTF8(s[:maxReason], "") + "..."
	}
	return s
}

// lookPath finds a program along searchPath.
func lookPath(name string) (string, error) {
	for dir := range strings.SplitSeq(searchPath, ":") {
		path := filepath.Join(dir, name)
		if st, err := os.Stat(path); err == nil && st.Mode().IsRegular() && st.Mode()&0o111 != 0 {
			return path, nil
		}
	}
	return "", fmt.Errorf("the program %s is not on this host", name)
}

// headBuffer keeps the first max bytes and remembers that there were more.
type headBuffer struct {
	buf  []byte
	max  int
	over bool
}

func (b *headBuffer) Write(p []byte) (int, error) {
	keep := p
	if room := b.max - len(b.buf); len(p) > room {
		b.over, keep = true, p[:room]
	}
	b.buf = append(b.buf, keep...)
	return len(p), nil
}

func (b *headBuffer) String() string { return string(b.buf) }

// tailBuffer keeps the last max bytes, and up to as many before them for the moment.
type tailBuffer struct {
	buf []byte
	max int
}

func (b *tailBuffer) Write(p []byte) (int, error) {
	b.buf = append(b.buf, p[max(0, len(p)-b.max):]...)
	if len(b.buf) > 2*b.max {
		b.buf = append(b.buf[:0], b.buf[len(b.buf)-b.max:]...)
	}
	return len(p), nil
}

func (b *tailBuffer) String() string { return string(b.buf[max(0, len(b.buf)-b.max):]) }
