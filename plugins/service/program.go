package service

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode"

	"fleet/internal/lazyregexp"
	"fleet/internal/program"

	"github.com/shirou/gopsutil/v4/process"
)

// maxOutput bounds what is read of a program's output, in bytes.
const maxOutput = 16 << 10

// command runs argv and returns what it printed on both outputs, cut at maxOutput, and its exit code. A code other than 0 is no
// error; a program that could not be run, or that ctx ended, is.
//
// The output goes to an unlinked file and not to a pipe: a daemon started by the program inherits it, and with a
// pipe either we would wait for the daemon's end or it would be killed by its next word.
func command(ctx context.Context, argv ...string) (output string, code int, err error) {
	file, err := os.CreateTemp("", "fleet-service-*")
	if err != nil {
		return "", 0, fmt.Errorf("no room for the output of %s: %w", argv[0], err)
	}
	defer file.Close()
	os.Remove(file.Name())

	code, err = program.Command{Argv: argv, Stdout: file, Stderr: file}.Run(ctx)
	if err != nil {
		return "", 0, fmt.Errorf("%s %w", argv[0], err)
	}
	buf, err := io.ReadAll(io.NewSectionReader(file, 0, maxOutput))
	if err != nil {
		return "", 0, fmt.Errorf("reading the output of %s: %w", argv[0], err)
	}
	return string(buf), code, nil
}

// complaint makes an error of what a program said when it failed: its last line with something in it.
func complaint(argv0 string, output string, code int) error {
	said := "and said nothing"
	if line := lastLine(output); line != "" {
		said = "and said: " + line
	}
	return fmt.Errorf("%s ended with exit status %d %s", filepath.Base(argv0), code, said)
}

// maxLine bounds a line of foreign output in our own message, in bytes.
const maxLine = 200

func lastLine(output string) string {
	lines := strings.Split(output, "\n")
	for i := len(lines) - 1; i >= 0; i-- {
		line := strings.Map(func(r rune) rune {
			if !unicode.IsPrint(r) {
				return ' '
			}
			return r
		}, strings.ToValidUTF8(lines[i], " "))
		line = strings.TrimSpace(strings.TrimLeft(strings.TrimSpace(line), "*"))
		if len(line) > maxLine {
			line = strings.ToValidUTF8(line[:maxLine], "") + "..."
		}
		if strings.ContainsFunc(line, unicode.IsLetter) {
			return line
		}
	}
	return ""
}

// maxHeader is how much of a script is searched for the pid file its header names, in bytes.
const maxHeader = 8 << 10

var pidfileLine = lazyregexp.New(`(?m)^(?:# *)?(?i:pidfile)[:=][ \t]*"?(/[A-Za-z0-9._/@+-]+)"?[ \t]*$`)

// mainProcess finds the pid of a service by the pid file that its script names, else the usual one, and when that
// process began; zeros if no process lives under it.
func mainProcess(ctx context.Context, root, script, name string) (pid int64, since time.Time) {
	files := []string{"/run/" + name + ".pid", "/run/" + name + "/" + name + ".pid"}
	if head, err := readHead(script, maxHeader); err == nil {
		if m := pidfileLine().FindSubmatch(head); m != nil {
			files = []string{string(m[1])}
		}
	}
	for _, file := range files {
		head, err := readHead(filepath.Join(root, file), 32)
		if err != nil {
			continue
		}
		first, _, _ := bytes.Cut(bytes.TrimSpace(head), []byte("\n"))
		n, err := strconv.ParseInt(string(bytes.TrimSpace(first)), 10, 32)
		if err != nil || n <= 1 {
			continue
		}
		if since, ok := processStart(ctx, n); ok {
			return n, since
		}
	}
	return 0, time.Time{}
}

// processStart says when a process began, to the second or better; false if there is none.
func processStart(ctx context.Context, pid int64) (time.Time, bool) {
	proc, err := process.NewProcessWithContext(ctx, int32(pid))
	if err != nil {
		return time.Time{}, false
	}
	ms, err := proc.CreateTimeWithContext(ctx)
	if err != nil {
		return time.Time{}, false
	}
	return time.UnixMilli(ms), true
}

func readHead(file string, limit int64) ([]byte, error) {
	f, err := os.OpenFile(file, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a fifo must not block us
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, limit))
}
