package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
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
	fleet     string // the binary
	parts     []string
	runs      int
	warm      int
	hosts     []int // sizes of a fleet of processes
	simulated []int
	idle      []int
	alone     time.Duration
	stampede  int
	keep      bool
	detail    bool
}

// part is one question that the bench answers, with a table of its own.
type part struct {
	name, about string
	run         func(context.Context, options, string) error // the string is an empty directory
}

func parts() []part {
	return []part{
		{"commands", "whole processes of the client at growing sizes, beside their floors", benchCommands},
		{"startup", "page faults and CPU time of a short command and of an idle node", benchStartup},
		{"converge", "how long a join, a crash and a broker's crash take to be known", benchConverge},
		{"idle", "CPU, bytes and memory of a node that has nothing to do", benchIdle},
		{"stampede", "many hosts started at once with one token", benchStampede},
		{"simulated", "thousands of simulated hosts, beside the floors", benchSimulated},
	}
}

func howTo() error {
	var b strings.Builder
	b.WriteString("usage: scripts/bench [flags] [PART...]; without PART all of them, which takes about half an hour:\n")
	for _, p := range parts() {
		fmt.Fprintf(&b, "  %-10s %s\n", p.name, p.about)
	}
	return errors.New(b.String())
}

func parse(args []string) (options, error) {
	o := options{warm: 3}
	flags := flag.NewFlagSet("scripts/bench", flag.ContinueOnError)
	flags.StringVar(&o.fleet, "fleet", "", "the `binary` to measure")
	flags.IntVar(&o.runs, "runs", 15, "measured runs of each command at each size")
	flags.DurationVar(&o.alone, "alone", time.Minute, "how long a fleet is left alone before and while its idling is measured")
	flags.IntVar(&o.stampede, "stampede", 100, "`hosts` that are started at once")
	flags.BoolVar(&o.keep, "keep", false, "commands: leave the fleet up at the end until Ctrl-C, and say how to reach it")
	flags.BoolVar(&o.detail, "detail", false, "commands: print every single time")
	hosts := flags.String("hosts", "1,10,50,100", "`sizes` of a fleet of processes, growing")
	simulated := flags.String("simulated", "1000,5000,10000", "`sizes` of a simulated fleet, growing")
	idle := flags.String("idle", "10,100,250", "`sizes` of a fleet that is left alone, growing; on two cores 250 come to rest, 400 do not")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	var errs [3]error
	o.hosts, errs[0] = sizes("hosts", *hosts, 500)
	o.simulated, errs[1] = sizes("simulated", *simulated, 16_000)
	o.idle, errs[2] = sizes("idle", *idle, 1000)
	if err := errors.Join(errs[:]...); err != nil {
		return o, err
	}
	o.parts = flags.Args()
	for _, name := range o.parts {
		if !slices.ContainsFunc(parts(), func(p part) bool { return p.name == name }) {
			return o, howTo()
		}
	}
	if o.fleet == "" || o.runs < 1 || o.stampede < 1 {
		return o, howTo()
	}
	return o, nil
}

func sizes(flag, text string, most int) (list []int, err error) {
	for s := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > most || len(list) > 0 && n <= list[len(list)-1] {
			return nil, fmt.Errorf("--%s %q: growing numbers from 1 to %d, with commas between", flag, text, most)
		}
		list = append(list, n)
	}
	return list, nil
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
	fmt.Printf("%s, %d processors; everything on this machine, over loopback\n", runtime.Version(), runtime.NumCPU())
	for _, p := range parts() {
		if len(o.parts) > 0 && !slices.Contains(o.parts, p.name) {
			continue
		}
		own := filepath.Join(dir, p.name)
		if err := os.Mkdir(own, 0o700); err != nil {
			return err
		}
		load, _ := os.ReadFile("/proc/loadavg")
		fmt.Printf("\n== %s: %s (load at the start %.14s)\n\n", p.name, p.about, load)
		if err := p.run(ctx, o, own); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return nil
}

// note tells on standard error how far it is.
func note(format string, args ...any) { fmt.Fprintf(os.Stderr, "bench: "+format+"\n", args...) }
