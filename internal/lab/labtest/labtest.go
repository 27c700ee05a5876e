// Package labtest gives a test a lab of real Debian hosts (package lab) and removes it when the test ends.
//
//	func TestPing(t *testing.T) {
//		l := labtest.Up(t, lab.Config{Hosts: 9, Binary: fleet})
//		stdout, stderr, code := l.Exec("web1", "fleet", "ping")
//
// An error of the lab itself fails the test at once; the test judges what a program on a host returns. Tests that use
// it have the build tag lab, and each has a lab of its own, so they may run in parallel as far as the machine allows.
// With LAB_KEEP=1 a lab remains after its test, under the name that the test logs, for use with scripts/lab.
//
// Without Docker a test is skipped with the reason, but it fails if the environment has CI=true.
package labtest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fleet/internal/lab"
)

const (
	// cleanupReserve is kept of the test binary's time limit, so that a test that hangs fails by its context and its
	// lab is still taken down, instead of being left behind by the panic.
	cleanupReserve = 30 * time.Second
	cleanupLimit   = 25 * time.Second
)

// Lab is a test's lab. Its methods fail the test where the lab cannot do what was asked, and so, as everything
// that may end a test, are for the test's own goroutine; others use the package lab's methods, by Lab.Lab.
type Lab struct {
	*lab.Lab
	t   testing.TB
	ctx context.Context
}

// Up brings up a lab with cfg's hosts, booted. It is taken down when the test and its subtests end.
func Up(t testing.TB, cfg lab.Config) *Lab {
	t.Helper()
	ctx := limit(t)
	if err := lab.Available(ctx); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("CI must not go without the lab: %v", err)
		}
		t.Skipf("SKIPPED, NOT TESTED: no lab of real hosts on this machine: %v", err)
	}
	opened, err := lab.Open(labName(t.Name(), os.Getpid()))
	if err != nil {
		t.Fatal(err)
	}
	l := &Lab{opened, t, ctx}
	t.Cleanup(l.cleanup)
	if err := l.Lab.Up(ctx, cfg); err != nil {
		t.Fatal(err)
	}
	return l
}

// limit is a context that ends shortly before the test binary's time limit does.
func limit(t testing.TB) context.Context {
	ctx := t.Context()
	if timed, ok := t.(interface{ Deadline() (time.Time, bool) }); ok {
		if deadline, ok := timed.Deadline(); ok {
			var cancel context.CancelFunc
			ctx, cancel = context.WithDeadline(ctx, deadline.Add(-cleanupReserve))
			t.Cleanup(cancel)
		}
	}
	return ctx
}

// labName makes a lab's name of a test's; the process id keeps apart what runs at the same time.
func labName(test string, pid int) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			return r
		}
		return '-'
	}, strings.TrimPrefix(test, "Test"))
	return fmt.Sprintf("t%d-%.30s", pid, name)
}

// cleanup has its own time limit: the test's context has ended by now. The hosts' words on a failure come first.
func (l *Lab) cleanup() {
	ctx, cancel := context.WithTimeout(context.Background(), cleanupLimit)
	defer cancel()
	if l.t.Failed() {
		l.logJournals(ctx)
	}
	if os.Getenv("LAB_KEEP") == "1" {
		l.t.Logf("LAB_KEEP=1: the lab stays; LAB=%s scripts/lab status, LAB=%s scripts/lab down", l.Name(), l.Name())
		return
	}
	switch err := l.Down(ctx); {
	case errors.Is(err, lab.ErrNetwork): // Docker's fault, and in nobody's way
		l.t.Log(err)
	case err != nil:
		l.t.Errorf("the lab is left behind: %v", err)
	}
}

// logJournals shows what fleet and cloud-init had to say on each running host.
func (l *Lab) logJournals(ctx context.Context) {
	hosts, err := l.Status(ctx)
	if err != nil {
		return
	}
	for _, h := range hosts {
		l.t.Logf("%s (%s) is %s", h.Host, h.Address, h.State)
		if h.State != "running" {
			continue
		}
		res, err := l.Lab.Exec(ctx, h.Host, "journalctl", "--no-pager", "--output=short-precise", "--lines=40", "--unit=fleet*", "--unit=cloud-*")
		if err == nil && !strings.Contains(res.Stdout, "-- No entries --") {
			l.t.Logf("journal of %s:\n%s", h.Host, res.Stdout)
		}
	}
}

// UserData reads a sample of scripts/cloud-init and replaces what an admin would: pairs of old and new text, such as
// "FLEET_TOKEN" and a token. Each old text must be there.
func UserData(t testing.TB, sample string, oldnew ...string) string {
	t.Helper()
	root, err := lab.Root()
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(root, "scripts", "cloud-init", sample))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(oldnew); i += 2 {
		if !strings.Contains(string(data), oldnew[i]) {
			t.Fatalf("%s has no %s to replace", sample, oldnew[i])
		}
	}
	return strings.NewReplacer(oldnew...).Replace(string(data))
}

func (l *Lab) check(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

// Context ends when the test does, or shortly before the test binary's time limit.
func (l *Lab) Context() context.Context { return l.ctx }

// Add makes one more host; it has booted when Add returns, cloud-init included if it has user data.
func (l *Lab) Add(h lab.Host) { l.t.Helper(); l.check(l.Lab.Add(l.ctx, h)) }

// Exec runs argv as root on a host and returns what it wrote and its exit code.
func (l *Lab) Exec(host string, argv ...string) (stdout, stderr string, code int) {
	l.t.Helper()
	res, err := l.Lab.Exec(l.ctx, host, argv...)
	l.check(err)
	return res.Stdout, res.Stderr, res.Code
}

// ExecInput is Exec with something on standard input.
func (l *Lab) ExecInput(host, stdin string, argv ...string) (stdout, stderr string, code int) {
	l.t.Helper()
	res, err := l.Lab.ExecInput(l.ctx, host, strings.NewReader(stdin), argv...)
	l.check(err)
	return res.Stdout, res.Stderr, res.Code
}

// Must runs argv on a host, fails the test unless it ends with 0, and returns its standard output without white space
// around it.
func (l *Lab) Must(host string, argv ...string) string {
	l.t.Helper()
	stdout, stderr, code := l.Exec(host, argv...)
	if code != 0 {
		l.t.Fatalf("%s: %q ended with %d\n%s%s", host, argv, code, stdout, stderr)
	}
	return strings.TrimSpace(stdout)
}

// Write puts a file on a running host.
func (l *Lab) Write(host, path string, mode fs.FileMode, data string) {
	l.t.Helper()
	l.check(l.Lab.Write(l.ctx, host, path, mode, data))
}

// Copy puts a file of this machine on a running host.
func (l *Lab) Copy(host, from, to string) { l.t.Helper(); l.check(l.Lab.Copy(l.ctx, host, from, to)) }

// Kill takes the power away.
func (l *Lab) Kill(host string) { l.t.Helper(); l.check(l.Lab.Kill(l.ctx, host)) }

// Stop shuts down in good order.
func (l *Lab) Stop(host string) { l.t.Helper(); l.check(l.Lab.Stop(l.ctx, host)) }

// Start powers on and waits for the boot.
func (l *Lab) Start(host string) { l.t.Helper(); l.check(l.Lab.Start(l.ctx, host)) }

// Restart reboots and waits for the boot.
func (l *Lab) Restart(host string) { l.t.Helper(); l.check(l.Lab.Restart(l.ctx, host)) }

// Remove ends the host and its disk.
func (l *Lab) Remove(host string) { l.t.Helper(); l.check(l.Lab.Remove(l.ctx, host)) }

// Pause freezes all processes of a host.
func (l *Lab) Pause(host string) { l.t.Helper(); l.check(l.Lab.Pause(l.ctx, host)) }

// Unpause ends a Pause.
func (l *Lab) Unpause(host string) { l.t.Helper(); l.check(l.Lab.Unpause(l.ctx, host)) }

// Shield drops what others begin.
func (l *Lab) Shield(host string) { l.t.Helper(); l.check(l.Lab.Shield(l.ctx, host)) }

// Cut drops all packets between a host and the others named, or everyone.
func (l *Lab) Cut(host string, others ...string) {
	l.t.Helper()
	l.check(l.Lab.Cut(l.ctx, host, others...))
}

// Heal undoes the cuts made on a host.
func (l *Lab) Heal(host string) { l.t.Helper(); l.check(l.Lab.Heal(l.ctx, host)) }

// Lose loses that percentage of the packets that come in, by chance; Heal ends it.
func (l *Lab) Lose(host string, percent int) {
	l.t.Helper()
	l.check(l.Lab.Lose(l.ctx, host, percent))
}
