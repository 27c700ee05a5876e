package cli

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"fleet/facts"
	"fleet/gossip"
	"fleet/internal/logkey"

	ucli "github.com/urfave/cli/v2"
)

const (
	demoHosts = 5
	flagOnce  = "once"
)

func demoVerb() verb {
	return verb{
		name: "demo", group: groupLearn, brief: "run a demo fleet of five nodes on this machine", atMost: 0,
		about: []string{
			"Creates a fleet in a temporary directory, starts five nodes on loopback, runs some read-only commands, and keeps running with lines to paste into another terminal. Ctrl-C stops it; nothing is left behind.",
		},
		examples: []example{{"fleet demo --once", "stop after the commands"}},
		flags:    []ucli.Flag{toggle(foundFlags, flagOnce, "", "end after the commands")},
		endings:  []ending{endFault},
		do:       func(e *env, in *ucli.Context) error { return e.demo(in.Context, in.Bool(flagOnce)) },
	}
}

func (e *env) demo(ctx context.Context, once bool) (err error) {
	signal.Ignore(syscall.SIGPIPE) // `fleet demo | head` must clean up too: a write fails then instead
	dir, err := os.MkdirTemp("", "fleet-demo-")
	if err != nil {
		return faultf("%w", err)
	}
	d := demo{env: e, dir: dir, home: filepath.Join(dir, "home")}
	nodes, stop := context.WithCancel(ctx)
	defer func() {
		stop()
		d.nodes.Wait()
		if gone := os.RemoveAll(dir); err == nil {
			err = gone
		}
	}()
	if err := d.start(nodes); err != nil {
		return err
	}
	if err := d.show(ctx); err != nil || once {
		return err
	}
	d.invite()
	<-ctx.Done()
	return nil // Ctrl-C is how it ends
}

// demo is a whole fleet in this process, on loopback, in one directory.
type demo struct {
	env       *env
	dir, home string
	nodes     sync.WaitGroup
	log       *slog.Logger
}

// start founds the fleet and returns when all nodes listen for jobs.
func (d *demo) start(ctx context.Context) error {
	logFile, err := os.Create(filepath.Join(d.dir, "nodes.log"))
	if err != nil {
		return faultf("%w", err)
	}
	context.AfterFunc(ctx, func() { d.nodes.Wait(); logFile.Close() })
	d.log = slog.New(slog.NewTextHandler(logFile, nil))
	port, err := freePort()
	if err != nil {
		return faultf("%w", err)
	}
	d.env.note("creating a fleet of %d nodes in %s", demoHosts, d.dir)
	first := d.place(1)
	first.brokerPort = port
	if _, err := (founding{fleet: "demo", admin: userName(), home: d.home, place: first, life: time.Hour, now: time.Now()}).run(); err != nil {
		return err
	}
	failed := make(chan error, demoHosts)
	for i := 1; i <= demoHosts; i++ {
		if err := d.startNode(ctx, i, port, failed); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) startNode(ctx context.Context, i int, port uint16, failed chan error) error {
	p := d.place(i)
	if i == 1 {
		p.brokerPort = port
	}
	custom := filepath.Join(p.data, "facts.d")
	if err := os.MkdirAll(custom, 0o700); err != nil {
		return faultf("%w", err)
	}
	group := fmt.Sprintf("hagroup=%c\n", 'a'+(i-1)%3)
	if err := os.WriteFile(filepath.Join(custom, "hagroup.txt"), []byte(group), 0o600); err != nil {
		return faultf("%w", err)
	}
	ready := make(chan struct{})
	o := nodeOptions{
		place: p, join: "@" + filepath.Join(d.home, tokenFile), pace: gossip.Loopback, log: d.log,
		facts: facts.Config{Dirs: append(facts.DefaultDirs(), custom), ClassFiles: facts.DefaultClassFiles(), Log: d.log.With(logkey.Host, p.name)},
		every: factsEvery, ready: func() { close(ready) },
	}
	d.nodes.Go(func() {
		if err := d.env.startNode(ctx, o); err != nil {
			failed <- fmt.Errorf("node %s: %w", p.name, err)
		}
	})
	select {
	case <-ready:
		return nil
	case err := <-failed:
		return faultf("%w", err)
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (d *demo) place(i int) place {
	loopback := netip.MustParseAddr("127.0.0.1")
	name := "web" + strconv.Itoa(i)
	return place{data: filepath.Join(d.dir, name), name: name, listen: loopback, advertise: loopback}
}

// show runs the commands as a person would, and prints each before its output.
func (d *demo) show(ctx context.Context) error {
	for _, line := range []string{
		"fleet ping",
		"fleet find -W hagroup=c",
		"fleet run package openssl status",
		"fleet facts hagroup -v",
		"fleet run service nginx status -I web[1-2]",
		"fleet run service nginx restart",
	} {
		e := *d.env
		e.stdin, e.canAsk = nil, false
		e.getenv = func(name string) string {
			if name == envHome {
				return d.home
			}
			return d.env.getenv(name)
		}
		if err := d.env.print("\n$ " + line + "\n"); err != nil {
			return err
		}
		code := run(ctx, &e, strings.Fields(line))
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if code != endFine.code() {
			if err := d.env.print(fmt.Sprintf("(exit code %d: %s)\n", code, meaningOf(code))); err != nil {
				return err
			}
		}
	}
	return nil
}

// meaningOf is what an exit code says.
func meaningOf(code int) string {
	for e := endFine; e <= endInterrupted; e++ {
		if e.code() == code {
			return e.meaning()
		}
	}
	return "unknown"
}

// invite says what to paste into another terminal.
func (d *demo) invite() {
	binary, err := os.Executable()
	if err != nil {
		binary = "fleet"
	}
	fmt.Fprintf(d.env.stderr, `
The fleet stays up until Ctrl-C. In another terminal, paste:

    export FLEET_HOME=%s
    alias fleet=%s
    fleet ping
    fleet inventory web1
    fleet find -S "hagroup=a or hagroup=b"
    fleet filter explain -S "not hagroup=a and service('ssh').status=running"
    fleet plugin doc package

What the nodes say: tail -f %s
`, d.home, binary, filepath.Join(d.dir, "nodes.log"))
}

// freePort finds a port on loopback that was free a moment ago.
func freePort() (uint16, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).AddrPort().Port(), nil
}
