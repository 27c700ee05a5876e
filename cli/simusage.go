package cli

import (
	"os"
	"strconv"
	"strings"
	"time"
)

// clockTick is the unit of the times in /proc/PID/stat. Linux has fixed it for programs at a hundredth of a second (USER_HZ, proc(5)).
const clockTick = 10 * time.Millisecond

// memory is the resident memory of the brokers' nodes in bytes; 0 where this system does not tell.
func (s *simulation) memory() int64 {
	var sum int64
	for _, n := range s.nodes {
		data, err := os.ReadFile("/proc/" + strconv.Itoa(n.cmd.Process.Pid) + "/status")
		if err != nil {
			return 0
		}
		for line := range strings.Lines(string(data)) {
			if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
				kb, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
				sum += kb << 10
			}
		}
	}
	return sum
}

// cpu is the CPU time that this process and the brokers' nodes have used; 0 where this system does not tell.
func (s *simulation) cpu() (here, brokers time.Duration) {
	for _, n := range s.nodes {
		brokers += cpuOf(strconv.Itoa(n.cmd.Process.Pid))
	}
	return cpuOf("self"), brokers
}

// cpuOf reads the user and system time of a process, fields 14 and 15 of its stat (proc(5)). Its second field, the program's
// name, may hold blanks and ends at the last bracket.
func cpuOf(process string) time.Duration {
	data, err := os.ReadFile("/proc/" + process + "/stat")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(data[strings.LastIndexByte(string(data), ')')+1:]))
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * clockTick
}
