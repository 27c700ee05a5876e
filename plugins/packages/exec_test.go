package packages

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"fleet/internal/bubble"
	"fleet/internal/program"
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
		{"not here", []string{"no-such-manager"}, "", 0, "no-such-manager is not on this host"},
		{"killed", []string{"sh", "-c", "kill -9 $$"}, "", 0, "sh was ended by signal: killed"},
		{"endless output", []string{"head", "-c", strconv.Itoa(maxStdout + 1), "/dev/zero"}, "", 0, "head wrote more than 8 MiB"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out, err := system{}.run(t.Context(), command{argv: tt.argv})
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

// What a manager or a maintainer script sees is the whole list here: nothing of the node's own environment can change what root
// runs.
func TestRunEnvironmentIsFixed(t *testing.T) {
	t.Setenv("APT_CONFIG", "/tmp/evil")
	t.Setenv("LC_ALL", "de_DE.UTF-8")
	out, err := system{}.run(t.Context(), command{argv: []string{"env"}, env: []string{"ZYPP_LOCK_TIMEOUT=5"}})
	got := strings.Split(strings.TrimSpace(out.stdout), "\n")
	want := append(quietEnv(), "PATH="+program.SearchPath, "TERM=dumb", "LC_ALL=C", "LANG=C", "ZYPP_LOCK_TIMEOUT=5")
	slices.Sort(got)
	slices.Sort(want)
	if err != nil || !slices.Equal(got, want) {
		t.Fatalf("got %q, %v\nwant %q", got, err, want)
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
