package packages

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"

	"fleet/internal/program"
	"fleet/internal/wait"
)

const (
	maxStdout = 8 << 20  // the package list of a large host is about 1 MiB; more than this is not understood
	maxStderr = 64 << 10 // the last of it is kept, where the reason stands
	maxReason = 300      // one line of a table

	// stopGrace is how long a program may go on after SIGTERM before SIGKILL: dpkg and rpm need some seconds to leave
	// their database whole.
	stopGrace = 10 * time.Second
	lockPoll  = 2 * time.Second // between two tries to get a lock that the manager itself does not wait for
)

// command is one program to run: argv[0] is a bare name.
type command struct {
	argv []string
	env  []string // added to quietEnv
}

// output is what a program left behind. A code other than 0 is not an error of run: managers use codes as answers.
type output struct {
	stdout, stderr string
	code           int
}

// runner runs programs. run's error means that there is no answer: not found, could not start, stopped by ctx
// (program.ErrStopped), killed, too much output.
type runner interface {
	run(ctx context.Context, c command) (output, error)
}

// system runs programs on this host.
type system struct{}

// quietEnv keeps managers and maintainer scripts from asking, paging and translating what is parsed.
func quietEnv() []string {
	return []string{
		"HOME=/root", "LANGUAGE=C", "PAGER=cat",
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

func (system) run(ctx context.Context, c command) (output, error) {
	stdout, stderr := &program.Head{Max: maxStdout}, &program.Tail{Max: maxStderr}
	p := program.Command{Argv: c.argv, Env: append(quietEnv(), c.env...), Stdout: stdout, Stderr: stderr, Grace: stopGrace}
	if w := watcher(ctx); w != nil {
		p.Stdout, p.Stderr = io.MultiWriter(stdout, w), io.MultiWriter(stderr, w)
	}
	code, err := p.Run(ctx)
	out := output{stdout: string(stdout.Bytes()), stderr: string(stderr.Bytes()), code: code}
	switch {
	case err != nil:
		return out, fmt.Errorf("%s %w%s", c.argv[0], err, lastWords(out))
	case stdout.Over():
		return out, fmt.Errorf("%s wrote more than %d MiB", c.argv[0], maxStdout>>20)
	}
	return out, nil
}

// whenUnlocked runs c again and again while locked says that another program holds the manager's lock, until ctx ends.
func whenUnlocked(ctx context.Context, r runner, c command, locked func(output) bool) (output, error) {
	for {
		out, err := r.run(ctx, c)
		if err != nil || !locked(out) {
			return out, err
		}
		end, bounded := ctx.Deadline()
		if (!bounded || time.Until(end) > 2*lockPoll) && wait.For(ctx, lockPoll) == nil {
			continue
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
