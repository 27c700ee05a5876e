package fleettest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"

	"fleet/node"
	"fleet/plugins/plugin"
)

// A node that dies as in a crash says no goodbye, so it cannot live in the test's own process: it gets one of its own, which
// is the test binary again.

const (
	dirEnv    = "FLEETTEST_DIR"
	nameEnv   = "FLEETTEST_NAME"
	readyLine = "ready"
)

// Main is TestMain's body for packages that use Process. plugins are what such a host has beside rpcutil; it may be nil.
func Main(m *testing.M, plugins func(name string) []plugin.Plugin) {
	dir, child := os.LookupEnv(dirEnv)
	if !child {
		os.Exit(m.Run())
	}
	var extra []plugin.Plugin
	if plugins != nil {
		extra = plugins(os.Getenv(nameEnv))
	}
	if err := runChild(dir, extra); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// runChild runs the node in dir until it gets an interrupt or the test's process is gone.
func runChild(dir string, extra []plugin.Plugin) error {
	d, err := node.OpenDataDir(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(1)
	}()
	n, err := node.New(config(d, dir, 0, extra, func() { fmt.Println(readyLine) }, slog.New(slog.DiscardHandler)))
	if err != nil {
		return err
	}
	return n.Run(ctx)
}

// Process is a host in a process of its own.
type Process struct {
	cmd  *exec.Cmd
	once sync.Once
}

// StartProcess stops the host, runs it in a process of its own and returns when it listens for jobs. TestMain must call
// Main. The process ends with the test.
func (h *Host) StartProcess() *Process {
	t := h.f.T
	t.Helper()
	if h == h.f.First() {
		t.Fatal("the first host runs the broker that the client is told; it cannot be in another process")
	}
	h.Stop()
	p := &Process{cmd: exec.CommandContext(t.Context(), os.Args[0])}
	p.cmd.Env = append(os.Environ(), dirEnv+"="+h.Dir, nameEnv+"="+h.Name)
	p.cmd.Stderr = t.Output()
	_, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	if line, err := bufio.NewReader(out).ReadString('\n'); strings.TrimSpace(line) != readyLine {
		t.Fatalf("%s did not start: %q, %v", h.Name, line, err)
	}
	return p
}

// Kill ends the process as a crash does, and waits for it. A second call does nothing.
func (p *Process) Kill() {
	p.once.Do(func() {
		p.cmd.Process.Kill()
		p.cmd.Wait()
	})
}

// Freeze stops the process without ending it, as a hung machine; Kill still ends it.
func (p *Process) Freeze() { p.cmd.Process.Signal(syscall.SIGSTOP) }

// Hosts are all that were made, in order.
func (f *Fleet) Hosts() []*Host { return f.hosts }
