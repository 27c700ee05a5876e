package runner

import (
	"sync"

	"fleet/job"
)

// Counter is one of the things that a runner counts, each by some value.
type Counter int

const (
	Ended         Counter = iota // jobs that ended here, by how: a state, NoMatch or WouldRun
	Refused                      // jobs that verified and were refused, by reason
	Dropped                      // messages without an answer, by reason (gate.Dropped) or TooMany
	PutOff                       // jobs that found no room, were told so and may come again; by nothing
	Replies                      // replies, accepted ones included: Sent or Unsent
	Repeated                     // copies of jobs, which were answered and not run; by nothing
	JournalErrors                // results that the journal could not keep; by nothing
)

// Values of the counters beside the states and reasons of package job.
const (
	NoMatch  = "no match"
	WouldRun = "would run"
	TooMany  = "too many at once"
	Sent     = "sent"
	Unsent   = "failed"
)

// counts are counters since the runner started. The zero value is ready.
type counts struct {
	mu sync.Mutex
	of map[Counter]map[string]int64
}

func (c *counts) add(counter Counter, value string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of == nil {
		c.of = map[Counter]map[string]int64{}
	}
	if c.of[counter] == nil {
		c.of[counter] = map[string]int64{}
	}
	c.of[counter][value]++
}

// ended counts a job's end.
func (c *counts) ended(mode job.Mode, r job.Reply) {
	switch {
	case r.Kind == job.NoMatch:
		c.add(Ended, NoMatch)
	case r.Kind == job.Refused:
		c.add(Ended, string(job.Denied))
		c.add(Refused, string(r.Reason))
	case mode == job.Match:
		c.add(Ended, WouldRun)
	default:
		c.add(Ended, string(r.State))
	}
}

// Count is how often this happened since the runner started.
func (r *Runner) Count(c Counter, value string) int64 {
	r.counts.mu.Lock()
	defer r.counts.mu.Unlock()
	return r.counts.of[c][value]
}

// Busy is how many jobs are judged or run now.
func (r *Runner) Busy() int { return int(r.workers.count.Load()) }

// Totals are the counts in short, as `fleet inventory` shows them.
func (r *Runner) Totals() map[string]int64 {
	r.counts.mu.Lock()
	defer r.counts.mu.Unlock()
	of := r.counts.of
	sum := func(values map[string]int64) (n int64) {
		for _, v := range values {
			n += v
		}
		return n
	}
	return map[string]int64{
		"jobs_ran":       sum(of[Ended]) - of[Ended][NoMatch] - of[Ended][WouldRun] - of[Ended][string(job.Denied)],
		"jobs_refused":   of[Ended][string(job.Denied)],
		"jobs_dropped":   sum(of[Dropped]) - of[Dropped][TooMany],
		"jobs_unmatched": of[Ended][NoMatch],
		"jobs_repeated":  of[Repeated][""],
		"jobs_overrun":   of[Dropped][TooMany] + of[PutOff][""],
	}
}
