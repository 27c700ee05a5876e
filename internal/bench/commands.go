package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// benchCommands times whole processes of the client while a fleet grows.
func benchCommands(ctx context.Context, o options, dir string) error {
	f := &fleet{binary: o.fleet, dir: dir}
	defer f.stop()
	floor, err := startFloor(ctx, filepath.Join(dir, "floor"), false)
	if err != nil {
		return err
	}
	defer floor.stop()
	t := table{head: "milliseconds: median (smallest-largest)"}
	for _, n := range o.hosts {
		note("%d hosts", n)
		if err := errors.Join(f.grow(ctx, n), floor.grow(ctx, n)); err != nil {
			return err
		}
		if err := f.settled(ctx); err != nil {
			return err
		}
		times, err := measure(ctx, o, []command{
			{"fleet ping", f.client("ping"), []int{0}},
			{"fleet run service nginx status", f.client("run", "service", "nginx", "status"), []int{0, 3}}, // 3: all skipped
			{"floor: fleet version", f.client("version"), []int{0}},
			{"floor: NATS, mutual TLS", floor.client(ctx, bare), []int{0}},
			{"floor: the same, signed both ways", floor.client(ctx, signed), []int{0}},
		})
		if err != nil {
			return err
		}
		t.column(fmt.Sprintf("%d host%s", n, plural(n)))
		for _, c := range times {
			t.cell(c.name, c.spread())
			t.measured(c.name, c.median())
		}
	}
	fmt.Print(t.String())
	fmt.Printf("wanted: fleet ping under 60 ms at 50 hosts, t(50)/t(1) at most 1.3\n")
	if o.keep {
		fmt.Printf("\n%s=%s %s ping\n", "FLEET_HOME", f.home(), o.fleet)
		<-ctx.Done()
	}
	return nil
}

// command is a whole process to time, and the exit codes that are an answer.
type command struct {
	name  string
	make  func() *exec.Cmd
	codes []int
}

// measure runs all commands in turn, round by round, so that what else the machine does falls on all alike; the first rounds
// are not counted.
func measure(ctx context.Context, o options, commands []command) ([]series, error) {
	all := make([]series, len(commands))
	for round := range o.warm + o.runs {
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
			if all[i].name = c.name; round >= o.warm {
				all[i].add(milliseconds(took))
			}
		}
	}
	if o.detail {
		for _, s := range all {
			fmt.Fprintln(os.Stderr, s.name, s.values)
		}
	}
	return all, nil
}
