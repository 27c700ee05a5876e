package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"fleet/internal/proc"
)

const (
	// startLimit bounds how long a process may take until it is ready.
	startLimit = time.Minute
	// stopLimit is how long a process has to end by itself before it is killed.
	stopLimit = 10 * time.Second
)

// process is one that runs until it is told to stop.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
	took time.Duration // until it was ready

	mu     sync.Mutex
	last   []string       // what it said last, for when it ends by itself
	warned map[string]int // how often it logged which warning or error
}

// startProcess starts cmd and waits for the line on its standard error that says that it is ready.
func startProcess(ctx context.Context, cmd *exec.Cmd, ready func(string) bool) (*process, error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for this program, which stops it
	errs, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p, isReady := &process{cmd: cmd, done: make(chan struct{}), warned: map[string]int{}}, make(chan struct{})
	go func() {
		defer close(p.done)
		told := false
		for lines := bufio.NewScanner(errs); lines.Scan(); {
			if !told && ready(lines.Text()) {
				told = true
				close(isReady)
			}
			p.note(lines.Text())
		}
		cmd.Wait()
	}()
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	select {
	case <-isReady:
		p.took = time.Since(began)
		return p, nil
	case <-p.done:
		return nil, errors.New("ended by itself:\n" + strings.Join(p.last, "\n")) // done: nobody writes to last any more
	case <-ctx.Done():
		stopAll([]*process{p})
		return nil, fmt.Errorf("was not ready: %w", ctx.Err())
	}
}

// note keeps a line of its log.
func (p *process) note(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.last = append(p.last, line); len(p.last) > 10 {
		p.last = p.last[1:]
	}
	if strings.Contains(line, " level=WARN ") || strings.Contains(line, " level=ERROR ") {
		_, message, _ := strings.Cut(line, " msg=")
		if quoted, err := strconv.QuotedPrefix(message); err == nil {
			message, _ = strconv.Unquote(quoted)
		} else {
			message, _, _ = strings.Cut(message, " ")
		}
		p.warned[message]++
	}
}

// warnings is how often it logged each warning or error up to now.
func (p *process) warnings() map[string]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.warned)
}

// kill ends it as a crash does.
func (p *process) kill() {
	p.cmd.Process.Kill()
	<-p.done
}

// cpu is the user and system time that it has used.
func (p *process) cpu() (time.Duration, error) { return proc.CPU(p.cmd.Process.Pid) }

// switches is how often its threads went to wait for something.
func (p *process) switches() (int64, error) { return proc.Switches(p.cmd.Process.Pid) }

// resident is what it has of memory, in bytes.
func (p *process) resident() (int64, error) { return proc.Memory(p.cmd.Process.Pid, "VmRSS") }

// own is that without the pages of its program, which all share that run it.
func (p *process) own() (int64, error) { return proc.Memory(p.cmd.Process.Pid, "RssAnon") }

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

// Ports are below those that the kernel gives to outgoing connections (ip_local_port_range, 32768 and up as a rule): one of
// these could be taken between being found free and being used.
const (
	floorPorts = 11_000 // from here on
	fleetPorts = 12_000
	endOfPorts = 32_768
)

// freePort is the first TCP port of loopback from one on that nobody listens on.
func freePort(from int) (int, error) {
	for port := from; port < endOfPorts; port++ {
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			return port, l.Close()
		}
	}
	return 0, fmt.Errorf("no port from %d to %d is free", from, endOfPorts-1)
}
