package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"fleet/internal/wait"
)

const (
	// peers is how many hosts may run a broker; the others join as members.
	peers = 3
	// settleLimit bounds how long it may take until everybody answers.
	settleLimit = 3 * time.Minute
	// growAtOnce is how many hosts are started at one time once all that may run a broker are there.
	growAtOnce = 4
	lookAgain  = 50 * time.Millisecond // between two pings that wait for something
)

// fleet is a fleet of real processes on loopback.
type fleet struct {
	binary, dir string
	tokens      map[string]string // role: file
	nodes       []*process

	mu    sync.Mutex
	ports map[int][]string // by host: gossip, broker, routes
	port  int              // the last of them
}

func (f *fleet) home() string { return filepath.Join(f.dir, "home") }

// client returns a maker of a client's process. It sees no config of this machine.
func (f *fleet) client(args ...string) func() *exec.Cmd {
	return func() *exec.Cmd { return f.run(context.Background(), args...) }
}

func (f *fleet) run(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, f.binary, args...)
	cmd.Env = []string{"HOME=" + f.dir, "PATH=" + os.Getenv("PATH"), "FLEET_HOME=" + f.home(), "FLEET_CONFIG=" + filepath.Join(f.dir, "fleet.toml")}
	return cmd
}

// output runs a client to its end and returns what it wrote to standard output.
func (f *fleet) output(ctx context.Context, args ...string) (string, error) {
	cmd := f.run(ctx, args...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("fleet %s: %w\n%s", strings.Join(args, " "), err, errs.String())
	}
	return string(out), nil
}

// grow starts hosts until there are n. Those that may run a broker come one after another.
func (f *fleet) grow(ctx context.Context, n int) error {
	for len(f.nodes) < min(n, peers) {
		if err := f.add(ctx, len(f.nodes)+1); err != nil {
			return err
		}
	}
	for len(f.nodes) < n {
		if err := f.addSeveral(ctx, min(growAtOnce, n-len(f.nodes))); err != nil {
			return err
		}
	}
	return nil
}

// addSeveral starts n members at once, and returns when all are ready or one is not.
func (f *fleet) addSeveral(ctx context.Context, n int) error {
	first, nodes, errs := len(f.nodes)+1, make([]*process, n), make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { nodes[i], errs[i] = f.start(ctx, first+i, "--join", "@"+f.tokens["member"]) })
	}
	all.Wait()
	for _, p := range nodes {
		if p != nil {
			f.nodes = append(f.nodes, p)
		}
	}
	return errors.Join(errs...)
}

// add starts host i for the first time.
func (f *fleet) add(ctx context.Context, i int) error {
	if i == 1 {
		return f.found(ctx)
	}
	role := "member"
	if i <= peers {
		role = "peer"
	}
	p, err := f.start(ctx, i, "--join", "@"+f.tokens[role])
	if err == nil {
		f.nodes = append(f.nodes, p)
	}
	return err
}

// found founds the fleet, starts its first host, and makes a token for each kind of host.
func (f *fleet) found(ctx context.Context) error {
	if err := os.WriteFile(filepath.Join(f.dir, "fleet.toml"), nil, 0o600); err != nil {
		return err
	}
	place, err := f.place(1)
	if err != nil {
		return err
	}
	if _, err := f.output(ctx, append([]string{"init", "bench"}, place...)...); err != nil {
		return err
	}
	p, err := f.start(ctx, 1)
	if err != nil {
		return err
	}
	f.nodes = append(f.nodes, p)
	f.tokens = map[string]string{}
	for _, role := range []string{"peer", "member"} {
		text, err := f.output(ctx, "token", "create", "--role", role)
		if err != nil {
			return err
		}
		f.tokens[role] = filepath.Join(f.dir, role+".token")
		if err := os.WriteFile(f.tokens[role], []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// place is where host i is. Its ports stay the same, as on a real host: back under another address, a node is let into the
// mesh only when the old one is known to be gone.
func (f *fleet) place(i int) ([]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ports == nil {
		f.ports = map[int][]string{}
	}
	for len(f.ports[i]) < 3 {
		port, err := freePort(max(f.port+1, fleetPorts))
		if err != nil {
			return nil, err
		}
		f.port, f.ports[i] = port, append(f.ports[i], strconv.Itoa(port))
	}
	name := "web" + strconv.Itoa(i)
	return []string{"--data", filepath.Join(f.dir, name), "--name", name, "--listen", "127.0.0.1", "--advertise", "127.0.0.1",
		"--gossip-port", f.ports[i][0], "--broker-port", f.ports[i][1], "--route-port", f.ports[i][2]}, nil
}

// start starts host i and waits until it takes jobs.
func (f *fleet) start(ctx context.Context, i int, more ...string) (*process, error) {
	place, err := f.place(i)
	if err != nil {
		return nil, err
	}
	cmd := f.run(context.Background(), append(append([]string{"node"}, place...), more...)...)
	p, err := startProcess(ctx, cmd, func(line string) bool { return strings.Contains(line, "msg=ready") })
	if err != nil {
		return nil, fmt.Errorf("web%d: %w", i, err)
	}
	return p, nil
}

// answer is the names of the hosts that answered a ping, and its exit code. A host that is silent is no error.
func (f *fleet) answer(ctx context.Context) (names []string, exit int, err error) {
	cmd := f.run(ctx, "ping", "-o", "name")
	out, err := cmd.Output()
	if cmd.ProcessState == nil || ctx.Err() != nil {
		return nil, 0, errors.Join(err, ctx.Err())
	}
	return strings.Fields(string(out)), cmd.ProcessState.ExitCode(), nil
}

// settled returns when a ping is answered by every host, and by nobody else.
func (f *fleet) settled(ctx context.Context) error {
	return f.until(ctx, lookAgain, fmt.Sprintf("all %d hosts answer", len(f.nodes)), func(names []string, exit int) bool { return exit == 0 && len(names) == len(f.nodes) })
}

// until pings again and again, with a pause between, until good says so of an answer.
func (f *fleet) until(ctx context.Context, pause time.Duration, what string, good func(names []string, exit int) bool) error {
	ctx, cancel := context.WithTimeout(ctx, settleLimit)
	defer cancel()
	heard, ended := 0, 0
	for {
		names, exit, err := f.answer(ctx)
		if err == nil {
			if good(names, exit) {
				return nil
			}
			heard, ended = len(names), exit
		}
		if err := wait.For(ctx, pause); err != nil {
			return fmt.Errorf("not within %s: %s; the last ping was answered by %d and ended with %d: %w", settleLimit, what, heard, ended, err)
		}
	}
}

func (f *fleet) stop() { stopAll(f.nodes); f.nodes = nil }
