package program

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestRun(t *testing.T) {
	t.Setenv("FLEET_JOIN", "secret")
	tests := []struct {
		name    string
		c       Command
		out, se string
		code    int
		err     string
	}{
		{"output and code", Command{Argv: []string{"sh", "-c", "echo out; echo err >&2; exit 7"}}, "out\n", "err\n", 7, ""},
		{"arguments are no shell words", Command{Argv: []string{"echo", "a b", "$HOME;*"}}, "a b $HOME;*\n", "", 0, ""},
		{"no input to wait for", Command{Argv: []string{"cat"}}, "", "", 0, ""},
		{"a path, its directory, no secrets", Command{Argv: []string{"/bin/sh", "-c", "echo $0 $PWD $FLEET_JOIN", "x"}}, "x /\n", "", 0, ""},
		{"another name", Command{Argv: []string{"x", "-c", "echo $0"}, File: "/bin/sh"}, "x\n", "", 0, ""},
		{"the caller's environment wins", Command{Argv: []string{"env"}, Env: []string{"LC_ALL=x", "A=b"}},
			"PATH=" + SearchPath + "\nHOME=/\nTERM=dumb\nLANG=C\nLC_ALL=x\nA=b\n", "", 0, ""},
		{"not here", Command{Argv: []string{"no-such-program"}}, "", "", -1, "is not on this host"},
		{"killed", Command{Argv: []string{"sh", "-c", "echo a; kill -9 $$"}}, "a\n", "", -1, "was ended by signal: killed"},
		{"no program", Command{Argv: []string{"/etc/passwd"}}, "", "", -1, "cannot be started: permission denied"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out, se := &Head{Max: 1000}, &Tail{Max: 1000}
			tt.c.Stdout, tt.c.Stderr = out, se
			code, err := tt.c.Run(t.Context())
			if said := fmt.Sprint(err); tt.err != "" && said != tt.err || (err == nil) != (tt.err == "") {
				t.Errorf("got %v, want %q", err, tt.err)
			}
			if string(out.Bytes()) != tt.out || string(se.Bytes()) != tt.se || code != tt.code {
				t.Errorf("got %q, %q, code %d; want %q, %q, code %d", out.Bytes(), se.Bytes(), code, tt.out, tt.se, tt.code)
			}
		})
	}
}

// A package's script may start a daemon that keeps our pipe; the program has ended all the same.
func TestRunDoesNotWaitForDaemons(t *testing.T) {
	out := &Head{Max: 100}
	code, err := Command{Argv: []string{"sh", "-c", "setsid sleep 600 & echo $!"}, Stdout: out}.Run(t.Context())
	if pid, err := strconv.Atoi(strings.TrimSpace(string(out.Bytes()))); err == nil {
		defer syscall.Kill(pid, syscall.SIGKILL)
	}
	if err != nil || code != 0 {
		t.Fatalf("got code %d, %v", code, err)
	}
}

func TestRunLeavesNothing(t *testing.T) {
	out := &Head{Max: 100}
	_, err := Command{Argv: []string{"sh", "-c", "sleep 600 & echo $$"}, Stdout: out, NoneLeft: true}.Run(t.Context())
	group, _ := strconv.Atoi(strings.TrimSpace(string(out.Bytes())))
	if !errors.Is(err, ErrLeft) || group <= 1 || !allDead(t, group) {
		t.Errorf("got %v; group %d", err, group)
	}
}

// A daemon that has the file of its program's output keeps it: it is not waited for, and its next line does not end it.
func TestRunWithFile(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	code, err := Command{Argv: []string{"sh", "-c", "sleep 600 & echo $!"}, Stdout: file, NoneLeft: true}.Run(t.Context())
	text, _ := os.ReadFile(file.Name())
	pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	if pid > 1 {
		defer syscall.Kill(pid, syscall.SIGKILL)
	}
	if code != 0 || err != nil || syscall.Kill(pid, 0) != nil {
		t.Errorf("got %d, %v; daemon %d", code, err, pid)
	}
}

// The context's end asks the whole group to stop and, after the grace, ends it. Each script says its group when ready.
func TestRunStops(t *testing.T) {
	tests := []struct {
		name, script string
		heard        bool
		grace        time.Duration
	}{
		{"one that cleans up", `trap 'echo told to stop >&2; exit 3' TERM; echo $$ >$F; while :; do sleep 0.05; done`, true, time.Minute},
		{"one that does not listen", `trap "" TERM; echo $$ >$F; sleep 600`, false, 50 * time.Millisecond},
		{"a child that does not listen", `(trap "" TERM; echo $$ >$F; sleep 600 >/dev/null 2>&1) & wait`, false, 200 * time.Millisecond},
		{"one with no grace", `trap 'echo told to stop >&2; exit 3' TERM; echo $$ >$F; while :; do sleep 0.05; done`, false, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			fifo := filepath.Join(t.TempDir(), "ready")
			if err := syscall.Mkfifo(fifo, 0o600); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			group := make(chan int, 1)
			go func() {
				defer cancel()
				f, err := os.Open(fifo)
				if err != nil {
					return
				}
				defer f.Close()
				line, _ := bufio.NewReader(f).ReadString('\n')
				pid, _ := strconv.Atoi(strings.TrimSpace(line))
				group <- pid
			}()
			said := &Head{Max: 100}
			_, err := Command{Argv: []string{"sh", "-c", tt.script}, Env: []string{"F=" + fifo}, Stderr: said, Grace: tt.grace}.Run(ctx)
			if heard := strings.Contains(string(said.Bytes()), "told to stop"); !errors.Is(err, ErrStopped) || heard != tt.heard {
				t.Errorf("got %v, and it said %q; heard SIGTERM: want %v", err, said.Bytes(), tt.heard)
			}
			if pid := <-group; pid <= 1 || !allDead(t, pid) {
				t.Errorf("the process group %d still runs", pid)
			}
		})
	}
}

// allDead looks for processes of the group that are more than zombies waiting for their parent.
func allDead(t *testing.T, group int) bool {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // ended in between
		}
		_, rest, _ := strings.Cut(string(text), ") ")
		f := strings.Fields(rest) // state, parent, group
		if len(f) > 2 && f[2] == strconv.Itoa(group) && f[0] != "Z" && f[0] != "X" && !killed(path) {
			return false
		}
	}
	return true
}

// killed is true for a process that SIGKILL has been sent to and that the kernel has not taken away yet.
func killed(stat string) bool {
	text, err := os.ReadFile(filepath.Join(filepath.Dir(stat), "status"))
	if err != nil {
		return true
	}
	for line := range strings.Lines(string(text)) {
		if mask, ok := strings.CutPrefix(line, "SigPnd:"); ok || strings.HasPrefix(line, "ShdPnd:") {
			mask = strings.TrimSpace(strings.TrimPrefix(mask, "ShdPnd:"))
			if n, err := strconv.ParseUint(mask, 16, 64); err == nil && n&(1<<(syscall.SIGKILL-1)) != 0 {
				return true
			}
		}
	}
	return false
}

func TestStoppedBeforeStart(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := (Command{Argv: []string{"true"}}).Run(ctx); !errors.Is(err, ErrStopped) {
		t.Fatalf("got %v", err)
	}
}

func TestOutput(t *testing.T) {
	full := 0
	h, l := &Head{Max: 4, Full: func() { full++ }}, &Tail{Max: 4}
	for _, s := range []string{"ab", "cdefghijkl", "m", "n"} {
		for _, w := range []io.Writer{h, l} {
			if n, err := w.Write([]byte(s)); n != len(s) || err != nil {
				t.Fatal(n, err)
			}
		}
	}
	if string(h.Bytes()) != "abcd" || !h.Over() || full != 1 || string(l.Bytes()) != "klmn" {
		t.Errorf("got %q (%d times full) and %q", h.Bytes(), full, l.Bytes())
	}
}
