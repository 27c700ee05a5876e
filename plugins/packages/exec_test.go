package packages

import (
	"bufio"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"fleet/internal/bubble"
)

func TestRunAnswers(t *testing.T) {
	tests := []struct {
		name   string
		argv   []string
		stdout string
		code   int
		err    string
	}{
		{"output and code", []string{"sh", "-c", "echo out; echo err >&2; exit 7"}, "out\n", 7, ""},
		{"arguments are no shell words", []string{"echo", "a b", "$HOME;*"}, "a b $HOME;*\n", 0, ""},
		{"no input to wait for", []string{"cat"}, "", 0, ""},
		{"not here", []string{"no-such-manager"}, "", 0, "the program no-such-manager is not on this host"},
		{"killed", []string{"sh", "-c", "kill -9 $$"}, "", 0, "sh was ended by signal: killed"},
		{"endless output", []string{"head", "-c", strconv.Itoa(maxStdout + 1), "/dev/zero"}, "", 0, "head wrote more than 8 MiB"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out, err := newSystem().run(t.Context(), command{argv: tt.argv})
			if tt.err != "" {
				if err == nil || err.Error() != tt.err {
					t.Fatalf("got %v, want %q", err, tt.err)
				}
				return
			}
			if err != nil || out.stdout != tt.stdout || out.code != tt.code {
				t.Fatalf("got %q, code %d, %v; want %q, code %d", out.stdout, out.code, err, tt.stdout, tt.code)
			}
		})
	}
}

// A child gets nothing of the node's own environment: what is not in fixedEnv cannot change what root runs.
func TestRunEnvironmentIsFixed(t *testing.T) {
	t.Setenv("APT_CONFIG", "/tmp/evil")
	t.Setenv("LC_ALL", "de_DE.UTF-8")
	out, err := newSystem().run(t.Context(), command{argv: []string{"env"}, env: []string{"ZYPP_LOCK_TIMEOUT=5"}})
	got := strings.Split(strings.TrimSpace(out.stdout), "\n")
	want := append(fixedEnv(), "ZYPP_LOCK_TIMEOUT=5")
	slices.Sort(got)
	slices.Sort(want)
	if err != nil || !slices.Equal(got, want) {
		t.Fatalf("got %q, %v\nwant %q", got, err, want)
	}
}

// A package's script may start a daemon that keeps our pipe; the program has ended all the same.
func TestRunDoesNotWaitForDaemons(t *testing.T) {
	out, err := newSystem().run(t.Context(), command{argv: []string{"sh", "-c", "setsid sleep 600 & echo $!"}})
	if pid, convErr := strconv.Atoi(strings.TrimSpace(out.stdout)); convErr == nil {
		defer syscall.Kill(pid, syscall.SIGKILL)
	}
	if err != nil || out.code != 0 {
		t.Fatalf("got code %d, %v", out.code, err)
	}
}

// The context's end asks the whole group to stop and, after the grace, ends it. Each script says its group when ready.
func TestRunStops(t *testing.T) {
	tests := []struct {
		name, script, want string
		grace              time.Duration
	}{
		{"one that cleans up", `trap 'echo "E: told to stop" >&2; exit 3' TERM; echo $$ >$F; read x <$F`,
			"sh was stopped at the time limit: told to stop", time.Minute},
		{"one that does not listen", `trap "" TERM; echo $$ >$F; sleep 600`, "sh was stopped at the time limit", 50 * time.Millisecond},
		{"a child that does not listen", `(trap "" TERM; echo $$ >$F; sleep 600 >/dev/null 2>&1) & wait`,
			"sh was stopped at the time limit", 200 * time.Millisecond},
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
			_, err := system{grace: tt.grace}.run(ctx, command{argv: []string{"sh", "-c", tt.script}, env: []string{"F=" + fifo}})
			if !errors.Is(err, errStopped) || err.Error() != tt.want {
				t.Errorf("got %v, want %q", err, tt.want)
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
	if _, err := newSystem().run(ctx, command{argv: []string{"true"}}); !errors.Is(err, errStopped) {
		t.Fatalf("got %v", err)
	}
}

// scripted answers by argv, joined with blanks, and remembers what was run. An answer may be used several times; with
// several for one argv, each is used once and the last for good.
type scripted struct {
	t       *testing.T
	answers map[string][]output
	ran     []string
}

func (s *scripted) run(_ context.Context, c command) (output, error) {
	line := strings.Join(c.argv, " ")
	s.ran = append(s.ran, line)
	all := s.answers[line]
	if len(all) == 0 {
		s.t.Errorf("no recorded answer for: %s", line)
		return output{code: 127}, nil
	}
	if len(all) > 1 {
		s.answers[line] = all[1:]
	}
	return all[0], nil
}

func TestLockIsWaitedFor(t *testing.T) {
	locked := output{code: 100, stderr: "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 42 (apt-get)\n"}
	c := command{argv: []string{"apt-get", "update"}}
	bubble.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		s := &scripted{t: t, answers: map[string][]output{"apt-get update": {locked, locked, {stdout: "done"}}}}
		out, err := whenUnlocked(ctx, s, c, aptLocked)
		if err != nil || out.stdout != "done" || len(s.ran) != 3 {
			t.Errorf("got %v, %v after %d runs", out, err, len(s.ran))
		}
		s = &scripted{t: t, answers: map[string][]output{"apt-get update": {locked}}}
		_, err = whenUnlocked(ctx, s, c, aptLocked)
		want := "another program held the package manager's lock until the time limit: process 42 (apt-get)"
		if err == nil || err.Error() != want {
			t.Errorf("got %v", err)
		}
	})
}

func TestReason(t *testing.T) {
	tests := []struct {
		name string
		out  output
		want string
	}{
		{"apt's errors, not its chatter", output{stdout: "Reading package lists...\n", stderr: "W: old\nE: Unable to locate package x\nE: second\n"}, "Unable to locate package x; second"},
		{"dnf's", output{stderr: "Error: Unable to find a match: nixx\n"}, "Unable to find a match: nixx"},
		{"pacman's", output{stderr: "warning: w\nerror: target not found: nixx\n"}, "target not found: nixx"},
		{"no mark: the last line", output{stdout: "a\nb\n", stderr: "c\n\n"}, "c"},
		{"a terminal is left alone", output{stderr: "E: \x1b[31mred\x1b[0m\tx\xff\n"}, "[31mred [0m x?"},
		{"nothing", output{}, ""},
		{"too long", output{stderr: "E: " + strings.Repeat("x", 5000)}, strings.Repeat("x", maxReason) + "..."},
	}
	for _, tt := range tests {
		if got := reason(tt.out); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestTailBuffer(t *testing.T) {
	b := &tailBuffer{max: 4}
	for _, s := range []string{"ab", "cdefghijkl", "m", "n"} {
		if n, err := b.Write([]byte(s)); n != len(s) || err != nil {
			t.Fatal(n, err)
		}
	}
	if got := b.String(); got != "klmn" {
		t.Errorf("got %q", got)
	}
}
