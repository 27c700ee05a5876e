package main

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// What is wanted, on a machine of two cores (DESIGN section 10).
const wanted = "wanted: fleet ping under 60 ms at 50 hosts, t(50)/t(1) at most 1.3; a member under 25 MB, a broker's node under 35 MB"

// table is what was measured: for each command the times at each size, sorted.
type table struct {
	sizes  []int
	names  []string
	times  map[string][][]time.Duration
	memory memory
}

func (t *table) add(commands []command, times [][]time.Duration) {
	if t.times == nil {
		t.times = map[string][][]time.Duration{}
		for _, c := range commands {
			t.names = append(t.names, c.name)
		}
	}
	for i, c := range commands {
		slices.Sort(times[i])
		t.times[c.name] = append(t.times[c.name], times[i])
	}
}

func (t *table) String(o options) string {
	var b strings.Builder
	load, _ := os.ReadFile("/proc/loadavg")
	fmt.Fprintf(&b, "%s, %d processors, load at the end %.14s; whole processes, milliseconds: median (smallest-largest) of %d runs after %d to warm up\n\n",
		runtime.Version(), runtime.NumCPU(), load, o.runs, o.warm)
	fmt.Fprintf(&b, "%-36s", "")
	for _, n := range t.sizes {
		fmt.Fprintf(&b, "%22s", fmt.Sprintf("%d host%s", n, plural(n)))
	}
	first, last := t.sizes[0], t.sizes[len(t.sizes)-1]
	fmt.Fprintf(&b, "%14s\n", fmt.Sprintf("t(%d)/t(%d)", last, first))
	for _, name := range t.names {
		fmt.Fprintf(&b, "%-36s", name)
		rows := t.times[name]
		for _, times := range rows {
			fmt.Fprintf(&b, "%22s", spread(times))
		}
		fmt.Fprintf(&b, "%14.2f\n", median(rows[len(rows)-1]).Seconds()/median(rows[0]).Seconds())
	}
	fmt.Fprintf(&b, "\nresident memory after %s idle, MB: median (smallest-largest)\n", o.idle)
	fmt.Fprintf(&b, "%-36s%22s  of %d\n", "a node with a broker", megabytes(t.memory.brokers), len(t.memory.brokers))
	fmt.Fprintf(&b, "%-36s%22s  of %d\n\n%s\n", "a member", megabytes(t.memory.members), len(t.memory.members), wanted)
	return b.String()
}

func plural(n int) string {
	if n == 1 {
		return ""
	}
	return "s"
}

func median[T any](sorted []T) T { return sorted[len(sorted)/2] }

func spread(times []time.Duration) string {
	ms := func(d time.Duration) float64 { return d.Seconds() * 1000 }
	return fmt.Sprintf("%.1f (%.1f-%.1f)", ms(median(times)), ms(times[0]), ms(times[len(times)-1]))
}

func megabytes(bytes []int64) string {
	if len(bytes) == 0 {
		return "none"
	}
	slices.Sort(bytes)
	mb := func(n int64) float64 { return float64(n) / 1e6 }
	return fmt.Sprintf("%.1f (%.1f-%.1f)", mb(median(bytes)), mb(bytes[0]), mb(bytes[len(bytes)-1]))
}
