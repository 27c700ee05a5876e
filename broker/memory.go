package broker

import (
	"context"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
)

// memory is how much memory this process may have, in bytes: the least of what the machine has, what the process's control group may
// take, and the runtime's own limit (GOMEMLIMIT). What is not known counts for nothing; on other systems than Linux that is all but
// the last.
func memory() int64 {
	least := min(debug.SetMemoryLimit(-1), meminfo("/proc/meminfo")) // -1 only asks
	if raw, err := os.ReadFile("/proc/self/cgroup"); err == nil {
		for line := range strings.Lines(string(raw)) {
			if group, unified := strings.CutPrefix(strings.TrimSpace(line), "0::"); unified {
				least = min(least, groupLimit("/sys/fs/cgroup"+group+"/memory.max"))
			}
		}
	}
	return least
}

// meminfo is MemTotal (proc(5)).
func meminfo(file string) int64 {
	raw, err := os.ReadFile(file)
	if err != nil {
		return math.MaxInt64
	}
	for line := range strings.Lines(string(raw)) {
		if rest, is := strings.CutPrefix(line, "MemTotal:"); is {
			if kb, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64); err == nil {
				return kb << 10
			}
		}
	}
	return math.MaxInt64
}

// groupLimit is a number of bytes, or "max".
func groupLimit(file string) int64 {
	raw, err := os.ReadFile(file)
	if err != nil {
		return math.MaxInt64
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(raw)), 10, 64)
	if err != nil {
		return math.MaxInt64
	}
	return n
}

// tellCollected sends to told, where it does not block, whenever the garbage collector has been through the heap, until ctx ends.
func tellCollected(ctx context.Context, told chan<- struct{}) {
	runtime.AddCleanup(new([16]byte), func(struct{}) {
		select {
		case told <- struct{}{}:
		default:
		}
		if ctx.Err() == nil {
			tellCollected(ctx, told)
		}
	}, struct{}{})
}

// heap is how many bytes the objects of this process take, those included that nobody uses any more.
func heap() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
