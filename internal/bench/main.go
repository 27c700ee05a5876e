package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	if len(os.Args) > 1 && os.Args[1] == floorWord { // a process of the floor, started by this program
		err = floorProcess(ctx, os.Args[2:])
	} else {
		err = bench(ctx, os.Args[1:])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

type options struct {
	fleet  string // the binary
	runs   int
	warm   int
	sizes  []int
	idle   time.Duration
	keep   bool
	detail bool
}

func parse(args []string) (options, error) {
	o := options{warm: 3}
	flags := flag.NewFlagSet("scripts/bench", flag.ContinueOnError)
	flags.StringVar(&o.fleet, "fleet", "", "the `binary` to measure")
	flags.IntVar(&o.runs, "runs", 15, "measured runs of each command at each size")
	flags.DurationVar(&o.idle, "idle", 20*time.Second, "how long the fleet is left alone before its memory is read")
	flags.BoolVar(&o.keep, "keep", false, "leave the fleet up at the end until Ctrl-C, and say how to reach it")
	flags.BoolVar(&o.detail, "detail", false, "print every single time")
	sizes := flags.String("hosts", "1,10,50", "sizes of the fleet, growing")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	for s := range strings.SplitSeq(*sizes, ",") {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > 500 || len(o.sizes) > 0 && n <= o.sizes[len(o.sizes)-1] {
			return o, fmt.Errorf("--hosts %q: growing numbers from 1 to 500, with commas between", *sizes)
		}
		o.sizes = append(o.sizes, n)
	}
	if o.fleet == "" || o.runs < 1 || flags.NArg() > 0 {
		return o, errors.New("usage: scripts/bench [--runs N] [--hosts 1,10,50] [--idle 20s] [--detail] [--keep]")
	}
	return o, nil
}

func bench(ctx context.Context, args []string) (err error) {
	o, err := parse(args)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "fleet-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	f := &fleet{binary: o.fleet, dir: dir}
	defer f.stop()
	bare, err := startFloor(ctx, filepath.Join(dir, "floor"))
	if err != nil {
		return err
	}
	defer bare.stop()

	t := table{sizes: o.sizes}
	for _, n := range o.sizes {
		fmt.Fprintf(os.Stderr, "bench: %d hosts\n", n)
		if err := errors.Join(f.grow(ctx, n), bare.grow(ctx, n)); err != nil {
			return err
		}
		if err := f.settled(ctx); err != nil {
			return err
		}
		commands := []command{
			{"fleet ping", f.client("ping"), []int{0}},
			{"fleet run service nginx status", f.client("run", "service", "nginx", "status"), []int{0, 3}}, // 3: all skipped
			{"floor: fleet version", f.client("version"), []int{0}},
			{"floor: bare NATS, mutual TLS", bare.client(ctx, false), []int{0}},
			{"floor: the same, signed both ways", bare.client(ctx, true), []int{0}},
		}
		times, err := measure(ctx, commands, o.warm, o.runs)
		if err != nil {
			return err
		}
		if o.detail {
			for i, c := range commands {
				fmt.Fprintf(os.Stderr, "bench: %s: %v\n", c.name, times[i])
			}
		}
		t.add(commands, times)
	}
	bare.stop() // its processes shall not be counted as load
	fmt.Fprintf(os.Stderr, "bench: idle for %s\n", o.idle)
	if err := wait(ctx, o.idle); err != nil {
		return err
	}
	t.memory, err = f.memory()
	if err != nil {
		return err
	}
	fmt.Print(t.String(o))
	if o.keep {
		fmt.Printf("\n%s=%s %s ping\n", "FLEET_HOME", f.home(), o.fleet)
		<-ctx.Done()
	}
	return nil
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// command is a whole process to time, and the exit codes that are an answer.
type command struct {
	name  string
	make  func() *exec.Cmd
	codes []int
}

// measure runs all commands in turn, round by round; the first rounds are not counted.
func measure(ctx context.Context, commands []command, warm, runs int) ([][]time.Duration, error) {
	times := make([][]time.Duration, len(commands))
	for round := range warm + runs {
		for i, c := range commands {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			cmd := c.make()
			var said strings.Builder
			cmd.Stdout, cmd.Stderr = &said, &said
			began := time.Now()
			err := cmd.Run()
			took := time.Since(began)
			if cmd.ProcessState == nil || !slices.Contains(c.codes, cmd.ProcessState.ExitCode()) {
				return nil, fmt.Errorf("%s: %w\n%s", c.name, err, said.String())
			}
			if round >= warm {
				times[i] = append(times[i], took)
			}
		}
	}
	return times, nil
}
