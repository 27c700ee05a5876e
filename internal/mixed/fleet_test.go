package mixed

import (
	"bytes"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// fleet is one of real processes on loopback, each of some release.
type fleet struct {
	t        *testing.T
	dir      string
	binaries map[int]string // by release
	token    string         // its file
	ports    map[string]string
	nodes    map[string]*process
}

// found founds a fleet with its first host.
func found(t *testing.T, release int, name string) *fleet {
	t.Helper()
	f := &fleet{t: t, dir: t.TempDir(), binaries: map[int]string{}, ports: map[string]string{}, nodes: map[string]*process{}}
	t.Cleanup(func() {
		for _, p := range f.nodes {
			p.stop(t)
		}
	})
	f.token = filepath.Join(f.dir, "token")
	for _, file := range []string{f.token, filepath.Join(f.dir, "fleet.toml")} {
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f.must(release, append([]string{"init", "mixed"}, f.place(name)...)...)
	f.start(release, name)
	if err := os.WriteFile(f.token, []byte(f.must(release, "token", "create", "--role", "peer")), 0o600); err != nil {
		t.Fatal(err)
	}
	return f
}

// join lets a host of that release in.
func (f *fleet) join(release int, name string) {
	f.t.Helper()
	f.start(release, name, "--join", "@"+f.token)
}

func (f *fleet) place(name string) []string {
	if f.ports[name] == "" {
		f.ports[name] = freePort(f.t)
	}
	return []string{"--data", filepath.Join(f.dir, name), "--name", name, "--listen", "127.0.0.1", "--advertise", "127.0.0.1",
		"--gossip-port", "0", "--route-port", "0", "--broker-port", f.ports[name]}
}

// command returns fleet of that release as the admin runs it; it sees no config of this machine.
func (f *fleet) command(release int, args ...string) *exec.Cmd {
	f.t.Helper()
	if f.binaries[release] == "" {
		f.binaries[release] = build(f.t, f.dir, release)
	}
	cmd := exec.Command(f.binaries[release], args...)
	cmd.Env = []string{"HOME=" + f.dir, "PATH=" + os.Getenv("PATH"), "FLEET_HOME=" + filepath.Join(f.dir, "home"), "FLEET_CONFIG=" + filepath.Join(f.dir, "fleet.toml")}
	return cmd
}

// run runs a command to its end and returns what it printed, or where that is nothing, what it complained of.
func (f *fleet) run(release int, args ...string) (out string, code int) {
	f.t.Helper()
	stdout, err := f.command(release, args...).Output()
	out = string(stdout)
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		if out == "" {
			out = string(exit.Stderr)
		}
		return out, exit.ExitCode()
	} else if err != nil {
		f.t.Fatal(err)
	}
	return out, 0
}

func (f *fleet) must(release int, args ...string) string {
	f.t.Helper()
	out, code := f.run(release, args...)
	if code != 0 {
		f.t.Fatalf("fleet %s ended with %d:\n%s", strings.Join(args, " "), code, out)
	}
	return out
}

// process is a running node.
type process struct {
	cmd  *exec.Cmd
	done chan error
}

// start starts a host's node and waits until it takes jobs.
func (f *fleet) start(release int, name string, more ...string) {
	f.t.Helper()
	p := &process{cmd: f.command(release, append(append([]string{"node"}, f.place(name)...), more...)...), done: make(chan error, 1)}
	log, err := os.CreateTemp(f.dir, name+".log")
	if err != nil {
		f.t.Fatal(err)
	}
	p.cmd.Stderr = log
	if err := p.cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	go func() { p.done <- p.cmd.Wait(); log.Close() }()
	f.nodes[name] = p
	until(f.t, name+" is ready", func() (string, bool) {
		said, err := os.ReadFile(log.Name())
		return string(said), err == nil && bytes.Contains(said, []byte("msg=ready"))
	})
}

// stop lets the node say goodbye.
func (p *process) stop(t *testing.T) {
	t.Helper()
	p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-p.done:
		p.done <- err
	case <-time.After(30 * time.Second):
		p.cmd.Process.Kill()
		t.Errorf("%v does not end", p.cmd.Args)
	}
}

func command(t *testing.T, dir, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

// until polls; what it says last is for the case that it never comes true.
func until(t *testing.T, what string, holds func() (last string, ok bool)) {
	t.Helper()
	var last string
	for limit := time.Now().Add(90 * time.Second); time.Now().Before(limit); time.Sleep(100 * time.Millisecond) {
		var ok bool
		if last, ok = holds(); ok {
			return
		}
	}
	t.Fatalf("not after 90 s: %s; last:\n%s", what, last)
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}
