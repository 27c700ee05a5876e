package rollout

import (
	"slices"
	"time"

	"fleet/identity"
	"fleet/job"
	"fleet/job/filter"
)

// Spec is how a change is to go over the hosts that match.
type Spec struct {
	Limit filter.Limit  // only so many of them, chosen at random; the zero Limit takes all
	Seed  int64         // chooses the same hosts again, also if a few came or went
	Batch filter.Limit  // so many at a time, of those chosen; the zero Limit takes as many as one job can name
	Sleep time.Duration // the pause between two batches
}

// Target is a host that matches.
type Target struct {
	Node identity.ID
	Name string
}

// Plan is which hosts a change goes to, and in which batches. It does not change once it is built.
type Plan struct {
	Matching int // hosts that it was built from
	Targets  []Target
	Batches  [][]Target // the targets in their order, at most job.MaxTargets each; none if there is no target
	Window   int        // at how many hosts it is at a time, without a pause
	Sleep    time.Duration
}

// window is at how many hosts a change is at a time where nobody says: enough for brokers and the admin's machine to be busy, and
// few enough for what is left to be stopped when the first have failed.
const window = 4 * job.MaxTargets

// Build makes the plan. The targets keep the order of matching.
func Build(s Spec, matching []Target) Plan {
	p := Plan{Matching: len(matching), Targets: choose(s, matching), Sleep: s.Sleep}
	if len(p.Targets) > 0 {
		if p.Window = window; !s.Batch.IsZero() {
			p.Window = s.Batch.Of(len(p.Targets))
		}
		p.Batches = slices.Collect(slices.Chunk(p.Targets, min(p.Window, job.MaxTargets)))
	}
	return p
}

// choose takes as many as the limit allows. The lot is drawn by name, so that the same hosts are chosen from another list of
// them; of several hosts with one name the first in the list are taken.
func choose(s Spec, matching []Target) []Target {
	if s.Limit.IsZero() {
		return matching
	}
	names := make([]string, len(matching))
	for i, t := range matching {
		names[i] = t.Name
	}
	left := map[string]int{}
	for _, n := range s.Limit.Pick(names, s.Seed) {
		left[n]++
	}
	var chosen []Target
	for _, t := range matching {
		if left[t.Name] > 0 {
			left[t.Name]--
			chosen = append(chosen, t)
		}
	}
	return chosen
}
