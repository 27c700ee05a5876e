package sim

import (
	"os"
	"time"

	"fleet/internal/proc"
)

// memory is the resident memory of the brokers' nodes in bytes; 0 where this system does not tell.
func (s *simulation) memory() int64 {
	var sum int64
	for _, n := range s.nodes {
		rss, err := proc.Memory(n.cmd.Process.Pid, "VmRSS")
		if err != nil {
			return 0
		}
		sum += rss
	}
	return sum
}

// cpu is the CPU time that this process and the brokers' nodes have used; 0 where this system does not tell.
func (s *simulation) cpu() (here, brokers time.Duration) {
	here, err := proc.CPU(os.Getpid())
	for _, n := range s.nodes {
		used, nodeErr := proc.CPU(n.cmd.Process.Pid)
		if err != nil || nodeErr != nil {
			return 0, 0
		}
		brokers += used
	}
	return here, brokers
}
