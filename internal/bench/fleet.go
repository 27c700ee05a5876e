package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// peers is how many hosts may carry a broker; the others join as members.
	peers = 3
	// startLimit bounds how long a host may take until it is ready, and the fleet until everybody answers.
	startLimit = time.Minute
	// stopLimit is how long a process has to end by itself before it is killed.
	stopLimit = 10 * time.Second
)

// fleet is a fleet of real processes on loopback.
type fleet struct {
	binary, dir string
	tokens      map[string]string // role: file
	nodes       []*process
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

// grow starts hosts until there are n.
func (f *fleet) grow(ctx context.Context, n int) error {
	for i := len(f.nodes) + 1; i <= n; i++ {
		var err error
		switch {
		case i == 1:
			err = f.found(ctx)
		case i <= peers:
			err = f.start(ctx, i, "0", "--join", "@"+f.tokens["peer"])
		default:
			err = f.start(ctx, i, "0", "--join", "@"+f.tokens["member"])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// found founds the fleet, starts its first host, and makes a token for each kind of host.
func (f *fleet) found(ctx context.Context) error {
	if err := os.WriteFile(filepath.Join(f.dir, "fleet.toml"), nil, 0o600); err != nil {
		return err
	}
	port, err := freePort()
	if err != nil {
		return err
	}
	if _, err := f.output(ctx, append([]string{"init", "bench"}, f.place(1, port)...)...); err != nil {
		return err
	}
	if err := f.start(ctx, 1, port); err != nil {
		return err
	}
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

func (f *fleet) place(i int, brokerPort string) []string {
	name := "web" + strconv.Itoa(i)
	return []string{"--data", filepath.Join(f.dir, name), "--name", name, "--listen", "127.0.0.1", "--advertise", "127.0.0.1",
		"--gossip-port", "0", "--route-port", "0", "--broker-port", brokerPort}
}

// start starts host i and waits until it takes jobs.
func (f *fleet) start(ctx context.Context, i int, brokerPort string, more ...string) error {
	cmd := f.run(context.Background(), append(append([]string{"node"}, f.place(i, brokerPort)...), more...)...)
	p, err := startProcess(ctx, cmd, func(line string) bool { return strings.Contains(line, "msg=ready") })
	if err != nil {
		return fmt.Errorf("web%d: %w", i, err)
	}
	f.nodes = append(f.nodes, p)
	return nil
}

// settled returns when a ping is answered by every host.
func (f *fleet) settled(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	for {
		out, err := f.output(ctx, "ping", "-o", "name")
		if err == nil && len(strings.Fields(out)) == len(f.nodes) {
			return nil
		}
		if wait(ctx, 200*time.Millisecond) != nil {
			return fmt.Errorf("%d of %d hosts answer after %s: %w", len(strings.Fields(out)), len(f.nodes), startLimit, err)
		}
	}
}

// memory is the resident memory in bytes of those that may carry a broker and do, and of the members.
type memory struct{ brokers, members []int64 }

func (f *fleet) memory() (memory, error) {
	var m memory
	for i, p := range f.nodes {
		rss, err := p.resident()
		if err != nil {
			return m, err
		}
		if i < peers {
			m.brokers = append(m.brokers, rss)
		} else {
			m.members = append(m.members, rss)
		}
	}
	return m, nil
}

func (f *fleet) stop() { stopAll(f.nodes); f.nodes = nil }

// process is one that runs until it is told to stop.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
	last []string      // what it said last, for when it ends by itself
}

// startProcess starts cmd and waits for the line on its standard error that says that it is ready.
func startProcess(ctx context.Context, cmd *exec.Cmd, ready func(string) bool) (*process, error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for this program, which stops it
	errs, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p, isReady := &process{cmd: cmd, done: make(chan struct{})}, make(chan struct{})
	go func() {
		defer close(p.done)
		told := false
		for lines := bufio.NewScanner(errs); lines.Scan(); {
			if !told && ready(lines.Text()) {
				told = true
				close(isReady)
			}
			if p.last = append(p.last, lines.Text()); len(p.last) > 10 {
				p.last = p.last[1:]
			}
		}
		cmd.Wait()
	}()
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	select {
	case <-isReady:
		return p, nil
	case <-p.done:
		return nil, errors.New("ended by itself:\n" + strings.Join(p.last, "\n"))
	case <-ctx.Done():
		stopAll([]*process{p})
		return nil, fmt.Errorf("was not ready: %w", ctx.Err())
	}
}

// resident reads VmRSS, in bytes.
func (p *process) resident() (int64, error) {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(p.cmd.Process.Pid) + "/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return kb << 10, err
		}
	}
	return 0, fmt.Errorf("process %d has no VmRSS", p.cmd.Process.Pid)
}

// stopAll asks all to end at the same time, kills those that do not, and returns when all have ended.
func stopAll(all []*process) {
	var wg sync.WaitGroup
	for _, p := range all {
		wg.Go(func() {
			p.cmd.Process.Signal(syscall.SIGTERM)
			select {
			case <-p.done:
			case <-time.After(stopLimit):
				p.cmd.Process.Kill()
				<-p.done
			}
		})
	}
	wg.Wait()
}

// freePort is a TCP port of loopback that nobody uses now.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}
