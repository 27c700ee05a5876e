// Package demo runs `fleet demo`: a whole fleet in one process, on loopback, some commands as a person would type them, and lines
// to go on with.
package demo

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
)

const nodes = 5

// Env is what the demo needs of the command line.
type Env struct {
	Stdout, Stderr io.Writer
	Note           func(format string, args ...any) // a line for people
	// Found creates a fleet whose admin has the directory home and whose first node has the directory data; it returns the port
	// of that node's broker.
	Found func(home, data, name string) (port uint16, err error)
	// Node runs a node of that fleet until ctx ends, and calls ready when it listens for jobs.
	Node func(ctx context.Context, n Node, ready func()) error
	// Command runs what was typed, as an admin who has the directory home, and returns the exit code and what it means.
	Command func(ctx context.Context, home string, words []string) (code int, meaning string)
}

// Node is one node.
type Node struct {
	Home       string // of the admin, where the token is
	Data, Name string
	Facts      string // a directory with custom facts
	Port       uint16 // of its broker; 0 takes a free one
	Log        *slog.Logger
}

// Run shows a fleet, and blocks until ctx ends or, with once, until the commands have been run. Nothing is left behind.
func Run(ctx context.Context, once bool, e Env) (err error) {
	dir, err := os.MkdirTemp("", "fleet-demo-")
	if err != nil {
		return err
	}
	d := demo{env: e, dir: dir, home: filepath.Join(dir, "home"), failed: make(chan error, nodes)}
	running, stop := context.WithCancel(ctx)
	defer func() {
		stop()
		d.nodes.Wait()
		if gone := os.RemoveAll(dir); err == nil {
			err = gone
		}
	}()
	if err := d.start(running); err != nil {
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
	env       Env
	dir, home string
	nodes     sync.WaitGroup
	failed    chan error // of any node
	log       *slog.Logger
}

// start founds the fleet and returns when all nodes listen for jobs.
func (d *demo) start(ctx context.Context) error {
	logFile, err := os.Create(filepath.Join(d.dir, "nodes.log"))
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { d.nodes.Wait(); logFile.Close() })
	d.log = slog.New(slog.NewTextHandler(logFile, nil))
	d.env.Note("creating a fleet of %d nodes in %s", nodes, d.dir)
	port, err := d.env.Found(d.home, filepath.Join(d.dir, nodeName(1)), nodeName(1))
	if err != nil {
		return err
	}
	for i := range nodes {
		if err := d.startNode(ctx, i+1, port); err != nil {
			return err
		}
		port = 0
	}
	return nil
}

func nodeName(i int) string { return "web" + strconv.Itoa(i) }

func (d *demo) startNode(ctx context.Context, i int, port uint16) error {
	data := filepath.Join(d.dir, nodeName(i))
	n := Node{Home: d.home, Data: data, Name: nodeName(i), Facts: filepath.Join(data, "facts.d"), Port: port, Log: d.log}
	if err := os.MkdirAll(n.Facts, 0o700); err != nil {
		return err
	}
	group := fmt.Sprintf("hagroup=%c\n", 'a'+(i-1)%3)
	if err := os.WriteFile(filepath.Join(n.Facts, "hagroup.txt"), []byte(group), 0o600); err != nil {
		return err
	}
	ready := make(chan struct{})
	d.nodes.Go(func() {
		if err := d.env.Node(ctx, n, func() { close(ready) }); err != nil {
			d.failed <- fmt.Errorf("node %s: %w", n.Name, err)
		}
	})
	select {
	case <-ready:
		return nil
	case err := <-d.failed:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
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
		if err := d.print("\n$ " + line + "\n"); err != nil {
			return err
		}
		code, meaning := d.env.Command(ctx, d.home, strings.Fields(line))
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if code != 0 {
			if err := d.print(fmt.Sprintf("(exit code %d: %s)\n", code, meaning)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *demo) print(text string) error {
	if _, err := io.WriteString(d.env.Stdout, text); err != nil {
		return fmt.Errorf("write to standard output: %w", err)
	}
	return nil
}

// invite says what to paste into another terminal.
func (d *demo) invite() {
	binary, err := os.Executable()
	if err != nil {
		binary = "fleet"
	}
	fmt.Fprintf(d.env.Stderr, `
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
