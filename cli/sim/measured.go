package sim

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"fleet/cli/report"
)

// Measured is what was measured, in JSON as fleet.sim/v1. Times are in milliseconds, memory is in bytes.
type Measured struct {
	Schema  string  `json:"schema"`
	Hosts   int     `json:"hosts"`
	Brokers int     `json:"brokers"`
	Connect float64 `json:"connect_ms"` // until all hosts had a connection and listened
	Known   float64 `json:"known_ms"`   // until each broker's node said so
	// Memory is what the brokers' nodes had resident, all together; 0 where the system does not tell.
	MemoryBefore int64      `json:"broker_memory_before"`
	MemoryAfter  int64      `json:"broker_memory_after"`
	Questions    []Question `json:"questions"`
	Kill         *Kill      `json:"kill,omitempty"`
	Differences  int        `json:"differences"` // between what hosts did and what the client says of them
}

// Question is one question, asked as often as there are times.
type Question struct {
	Name      string    `json:"name"`
	Ended     []float64 `json:"ended_ms"`       // until the run ended, round by round
	Last      []float64 `json:"last_answer_ms"` // until the last answer
	CPUHere   float64   `json:"cpu_here_us"`    // the client's and the hosts' CPU time for each host and round, microseconds
	CPUBroker float64   `json:"cpu_broker_us"`  // and that of the brokers' nodes
	Answered  int       `json:"answered"`       // in the last round, as Silent and Rejected
	Silent    int       `json:"silent"`
	Rejected  int       `json:"rejected"`
}

// Kill is what followed when a broker was killed.
type Kill struct {
	Hosts    int     `json:"hosts"`    // that were connected to it
	Back     float64 `json:"back_ms"`  // until all had another
	Heard    float64 `json:"heard_ms"` // until a ping after that had ended
	Answered int     `json:"answered"` // to that ping
}

// milliseconds is d as a number with a fraction.
func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// Render writes it as a table, or as JSON.
func (m Measured) Render(f report.Format) ([]byte, error) {
	m.Schema = "fleet.sim/v1"
	if f != report.Table {
		return report.Marshal(m)
	}
	var b strings.Builder
	hosts := float64(m.Hosts)
	fmt.Fprintf(&b, "%d hosts connected with TLS in %.1f s (%.2f ms each); the brokers' nodes knew all after %.1f s\n", m.Hosts, m.Connect/1000, m.Connect/hosts, m.Known/1000)
	if m.MemoryBefore > 0 {
		fmt.Fprintf(&b, "brokers' nodes: %.1f MB resident before and %.1f after, %.1f kB for each host\n", float64(m.MemoryBefore)/1e6, float64(m.MemoryAfter)/1e6,
			float64(m.MemoryAfter-m.MemoryBefore)/hosts/1e3)
	}
	fmt.Fprintf(&b, "\n%-22s %-26s %-26s %-24s %s\n", "ms: median (min-max)", "until the run ended", "until the last answer", "CPU us a host: here+broker", "hosts: answered, silent, rejected")
	for _, q := range m.Questions {
		fmt.Fprintf(&b, "%-22s %-26s %-26s %-26s %d = %d + %d + %d\n", q.Name, spread(q.Ended), spread(q.Last), fmt.Sprintf("%.0f + %.0f", q.CPUHere, q.CPUBroker),
			m.Hosts, q.Answered, q.Silent, q.Rejected)
	}
	if k := m.Kill; k != nil {
		fmt.Fprintf(&b, "\na broker with %d hosts was killed: all hosts were on the others after %.1f s, and a ping had heard %d of them after %.1f s\n",
			k.Hosts, k.Back/1000, k.Answered, k.Heard/1000)
	}
	return []byte(b.String()), nil
}

// spread is the median, the least and the most.
func spread(times []float64) string {
	if len(times) == 0 {
		return "none"
	}
	sorted := slices.Sorted(slices.Values(times))
	return fmt.Sprintf("%.1f (%.1f-%.1f)", sorted[len(sorted)/2], sorted[0], sorted[len(sorted)-1])
}
