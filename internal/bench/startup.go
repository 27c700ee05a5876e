package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"fleet/internal/proc"
	"fleet/internal/wait"
)

// benchStartup counts the page faults of whole commands and of a node with nothing to do: on a small machine they are
// most of what a short command takes. Minor faults as getrusage(2) counts them, and the processor's time.
func benchStartup(ctx context.Context, o options, dir string) error {
	f := &fleet{binary: o.fleet, dir: dir}
	defer f.stop()
	floor, err := startFloor(ctx, filepath.Join(dir, "floor"), false)
	if err != nil {
		return err
	}
	defer floor.stop()
	if err := floor.grow(ctx, 1); err != nil {
		return err
	}
	if err := f.grow(ctx, 1); err != nil {
		return err
	}
	if err := f.settled(ctx); err != nil {
		return err
	}
	t := table{head: "median (smallest-largest)"}
	costs, err := weigh(ctx, o, []command{
		{"fleet version", f.client("version"), []int{0}},
		{"fleet ping, one host", f.client("ping"), []int{0}},
		{"floor: NATS, mutual TLS, signed both ways", floor.client(ctx, signed), []int{0}},
	})
	if err != nil {
		return err
	}
	note("an idle node, %d times %s", idleRuns, o.alone)
	idle, err := f.weighIdle(ctx, o.alone)
	if err != nil {
		return err
	}
	t.column("page faults")
	for _, c := range append(costs, idle) {
		t.cell(c.name, c.faults.spread())
	}
	t.column("CPU, ms")
	for _, c := range append(costs, idle) {
		t.cell(c.name, c.cpu.spread())
	}
	fmt.Print(t.String())
	return nil
}

// idleRuns is how often an idle node is measured.
const idleRuns = 3

// cost is what running something takes.
type cost struct {
	name        string
	faults, cpu series
}

// weigh runs all commands in turn, as measure does.
func weigh(ctx context.Context, o options, commands []command) ([]cost, error) {
	all := make([]cost, len(commands))
	for round := range o.warm + o.runs {
		for i, c := range commands {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			cmd := c.make()
			said, err := cmd.CombinedOutput()
			if cmd.ProcessState == nil || !slices.Contains(c.codes, cmd.ProcessState.ExitCode()) {
				return nil, fmt.Errorf("%s: %w\n%s", c.name, err, said)
			}
			used := cmd.ProcessState.SysUsage().(*syscall.Rusage) // that of this process alone
			if all[i].name = c.name; round >= o.warm {
				all[i].faults.add(float64(used.Minflt))
				all[i].cpu.add(milliseconds(cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()))
			}
		}
	}
	return all, nil
}

// weighIdle is what the fleet's only node takes a minute.
func (f *fleet) weighIdle(ctx context.Context, d time.Duration) (cost, error) {
	c, p := cost{name: "an idle node with a broker, per minute"}, f.nodes[0]
	if err := wait.For(ctx, d); err != nil { // to settle
		return c, err
	}
	for range idleRuns {
		before, err := p.used()
		if err != nil {
			return c, err
		}
		if err := wait.For(ctx, d); err != nil {
			return c, err
		}
		after, err := p.used()
		if err != nil {
			return c, err
		}
		perMinute := time.Minute.Seconds() / d.Seconds()
		c.faults.add((after[0] - before[0]) * perMinute)
		c.cpu.add((after[1] - before[1]) * perMinute)
	}
	return c, nil
}

// used is a process's page faults and CPU time in milliseconds up to now.
func (p *process) used() ([2]float64, error) {
	faults, err := proc.Faults(p.cmd.Process.Pid)
	cpu, err2 := p.cpu()
	return [2]float64{float64(faults), milliseconds(cpu)}, errors.Join(err, err2)
}
