package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"fleet/internal/wait"
)

// benchIdle leaves a fleet alone and reads what its nodes use meanwhile.
func benchIdle(ctx context.Context, o options, dir string) error {
	f := &fleet{binary: o.fleet, dir: dir}
	defer f.stop()
	t := table{head: "median (smallest-largest)"}
	for _, n := range o.idle {
		note("%d hosts, then %s to settle and %s to measure", n, o.alone, o.alone)
		if err := f.grow(ctx, n); err != nil {
			return err
		}
		if err := f.settled(ctx); err != nil {
			return err
		}
		if err := wait.For(ctx, o.alone); err != nil {
			return err
		}
		t.column(fmt.Sprintf("%d hosts", n))
		if err := f.idle(ctx, o.alone, &t); err != nil {
			return err
		}
	}
	fmt.Print(t.String())
	fmt.Println("bytes: all that crosses loopback, so also what other programs send there; a packet counts once, with its headers")
	fmt.Println("memory: VmRSS; its own: RssAnon, without the pages of the program, which the kernel can drop and read again")
	fmt.Println("wanted: under 0.1 % of a core and 10 switches a second for a member, 0.3 % for a broker's node; a member under 25 MB, a broker's node under 35 MB")
	return nil
}

// idle measures for d and fills in a column.
func (f *fleet) idle(ctx context.Context, d time.Duration, t *table) error {
	before, err := f.usage()
	if err != nil {
		return err
	}
	began := time.Now()
	if err := wait.For(ctx, d); err != nil {
		return err
	}
	after, err := f.usage()
	if err != nil {
		return err
	}
	took := time.Since(began).Seconds()
	var cpu, switches, memory, own [2]series // of those that may run a broker, and of members
	for i := range f.nodes {
		kind := 0
		if i >= peers {
			kind = 1
		}
		cpu[kind].add(100 * (after.cpu[i] - before.cpu[i]).Seconds() / took)
		switches[kind].add(float64(after.switches[i]-before.switches[i]) / took)
		memory[kind].add(float64(after.memory[i]) / 1e6)
		own[kind].add(float64(after.own[i]) / 1e6)
	}
	nodes := float64(len(f.nodes))
	percent := func(s series) string {
		v := s.sorted()
		return fmt.Sprintf("%.2f (%.2f-%.2f)", s.median(), v[0], v[len(v)-1])
	}
	t.cell("member: CPU, % of a core", percent(cpu[1]))
	t.cell("broker's node: CPU, % of a core", percent(cpu[0]))
	t.cell("member: context switches a second", switches[1].spread())
	t.cell("broker's node: context switches a second", switches[0].spread())
	t.cell("bytes a second and node", fmt.Sprintf("%.0f", float64(after.bytes-before.bytes)/took/nodes))
	t.cell("packets a second and node", fmt.Sprintf("%.1f", float64(after.packets-before.packets)/took/nodes))
	t.cell("member: memory, MB", memory[1].spread())
	t.cell("broker's node: memory, MB", memory[0].spread())
	t.cell("member: its own memory, MB", own[1].spread())
	t.cell("broker's node: its own memory, MB", own[0].spread())
	return nil
}

// usage is what all nodes have used up to now.
type usage struct {
	cpu            []time.Duration
	switches       []int64
	memory, own    []int64
	bytes, packets int64
}

func (f *fleet) usage() (u usage, err error) {
	for _, p := range f.nodes {
		cpu, err := p.cpu()
		memory, err2 := p.resident()
		own, err3 := p.own()
		switches, err4 := p.switches()
		if err := errors.Join(err, err2, err3, err4); err != nil {
			return u, err
		}
		u.switches = append(u.switches, switches)
		u.cpu, u.memory, u.own = append(u.cpu, cpu), append(u.memory, memory), append(u.own, own)
	}
	u.bytes, u.packets, err = loopback()
	return u, err
}

// loopback is what this network namespace has received on loopback since it began (proc(5), /proc/net/dev).
func loopback() (bytes, packets int64, err error) {
	data, err := os.ReadFile("/proc/net/dev")
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line), "lo:"); ok {
			if fields := strings.Fields(rest); len(fields) >= 2 {
				bytes, err := strconv.ParseInt(fields[0], 10, 64)
				packets, err2 := strconv.ParseInt(fields[1], 10, 64)
				return bytes, packets, errors.Join(err, err2)
			}
		}
	}
	return 0, 0, errors.New("/proc/net/dev tells nothing of loopback")
}
