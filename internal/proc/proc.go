// Package proc reads a process's resource use from Linux's /proc, for measurements: `fleet sim` and scripts/bench.
package proc

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of the times in /proc/PID/stat. Linux has fixed it for programs at a hundredth of a second (USER_HZ, proc(5)).
const tick = 10 * time.Millisecond

// CPU is the user and system time that a process has used, fields 14 and 15 of its stat (proc(5)). It fails where the process
// has ended and on other systems.
func CPU(pid int) (time.Duration, error) {
	fields, err := stat(pid)
	if err != nil {
		return 0, err
	}
	user, err := strconv.ParseInt(fields[11], 10, 64)
	system, err2 := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * tick, errors.Join(err, err2)
}

// Faults is how many page faults of a process were served without the disk, field 10 of its stat. It fails as CPU does.
func Faults(pid int) (int64, error) {
	fields, err := stat(pid)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(fields[7], 10, 64)
}

// Switches is how often the threads that a process has now gave up their core of themselves, to wait for something. It fails as CPU
// does.
func Switches(pid int) (sum int64, err error) {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err == nil && len(threads) == 0 {
		err = fmt.Errorf("process %d has no threads", pid)
	}
	for _, file := range threads {
		n, err2 := number(file, "voluntary_ctxt_switches")
		if errors.Is(err2, fs.ErrNotExist) { // it has just ended
			continue
		}
		sum, err = sum+n, errors.Join(err, err2)
	}
	return sum, err
}

// number is what a line of such a file says.
func number(file, field string) (int64, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, field+":"); ok {
			return strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
		}
	}
	return 0, fmt.Errorf("%s has no %s", file, field)
}

// stat is fields 3 to 15 or more of a process's stat.
func stat(pid int) ([]string, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil, err
	}
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:])) // behind its name, which may hold blanks
	if len(fields) < 13 {
		return nil, fmt.Errorf("process %d has no times", pid)
	}
	return fields, nil
}

// Memory is a size in bytes from a process's status (proc(5)): VmRSS is what is resident, RssAnon what of that is its own and no
// page of a file. It fails as CPU does.
func Memory(pid int, field string) (int64, error) {
	kb, err := number(fmt.Sprintf("/proc/%d/status", pid), field)
	return kb << 10, err
}
