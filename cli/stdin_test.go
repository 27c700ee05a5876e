package cli

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fleet/internal/bubble"
)

func TestWhatHoldsAList(t *testing.T) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	path := filepath.Join(t.TempDir(), "hosts")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	closed, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	for name, tt := range map[string]struct {
		stdin io.Reader
		want  bool
	}{
		"nothing": {nil, false}, "/dev/null, a device as a terminal is": {null, false}, "closed": {closed, false},
		"a pipe": {r, true}, "a file": {file, true},
	} {
		if got := holdsList(tt.stdin); got != tt.want {
			t.Errorf("%s holds a list: %v, want %v", name, got, tt.want)
		}
	}
}

// Where nobody writes, fleet says so after a second and gives up after its patience; it never goes on without a list.
func TestStdinThatNobodyWritesTo(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		defer w.Close()
		var errs bytes.Buffer
		e := &env{stdin: r, stderr: &errs, patience: stdinPatience}
		begin := time.Now()
		names, ok, err := e.hostList(t.Context(), nil)
		if err == nil || !ok || names != nil || asProblem(err).ending != endUsage {
			t.Fatalf("got %q, %v, %v; want a usage error", names, ok, err)
		}
		if waited := time.Since(begin); waited != stdinPatience {
			t.Errorf("gave up after %s, want %s", waited, stdinPatience)
		}
		if !strings.Contains(errs.String(), "waiting for host names on standard input") {
			t.Errorf("nothing was said about the wait: %q", errs.String())
		}
	})
}

// A slow list is waited for: as long as it takes with --nodes -, and once it has begun without it too.
func TestSlowStdin(t *testing.T) {
	for _, tt := range []struct {
		name  string
		nodes []string
		first time.Duration
	}{{"begun in time", nil, stdinPatience - time.Second}, {"--nodes -", []string{"-"}, time.Hour}} {
		t.Run(tt.name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				r, w := io.Pipe()
				go func() {
					<-time.After(tt.first)
					io.WriteString(w, "web1\n")
					<-time.After(time.Hour)
					io.WriteString(w, "web2\n")
					w.Close()
				}()
				e := &env{stdin: r, stderr: io.Discard, patience: stdinPatience}
				names, ok, err := e.hostList(t.Context(), tt.nodes)
				if err != nil || !ok || !slices.Equal(names, []string{"web1", "web2"}) {
					t.Errorf("got %q, %v, %v", names, ok, err)
				}
			})
		})
	}
}

func TestStdinInterrupted(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		defer w.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		e := &env{stdin: r, stderr: io.Discard, patience: stdinPatience}
		if _, _, err := e.hostList(ctx, []string{"-"}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}
