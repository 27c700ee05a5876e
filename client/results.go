package client

import (
	"slices"
	"time"
)

// Results is all that is known of a run when it has ended or was interrupted, in however many jobs it went out.
type Results struct {
	Plan       string         // the id of what went out in several jobs
	Jobs       []string       // ids, one a batch
	Outcomes   []Outcome      // one for each target, and for each host that did not say whether it is one
	NotStarted []string       // names of targets that nothing was sent to
	NoMatch    int            // hosts that said that the filter does not select them
	Rejected   int            // replies that did not verify; they are ignored
	Expected   int            // hosts that membership named, at the most
	Duplicates []DuplicateKey // hosts whose key two machines use
	Took       time.Duration  // of all jobs, without pauses
}

// ID is what people call the run by: the id of its plan, or of its one job; "" if nothing was sent.
func (r Results) ID() string {
	if r.Plan != "" || len(r.Jobs) == 0 {
		return r.Plan
	}
	return r.Jobs[0]
}

// Add takes in how one job ended.
func (r *Results) Add(run Run) {
	r.Jobs = append(r.Jobs, run.JobID)
	r.Outcomes = append(r.Outcomes, run.Outcomes...)
	r.NoMatch += run.NoMatch
	r.Rejected += run.Rejected
	r.Expected = max(r.Expected, run.Expected)
	r.Took += run.Took
	for _, d := range run.Duplicates {
		if !slices.ContainsFunc(r.Duplicates, func(known DuplicateKey) bool { return known.Node == d.Node }) {
			r.Duplicates = append(r.Duplicates, d)
		}
	}
}

// OfPlan is what is known when hosts have said who would run a change, and nothing was sent yet.
func OfPlan(p Plan) Results {
	return Results{
		Outcomes: slices.Concat(p.Silent, p.Refused), Expected: p.Fleet, Duplicates: p.Duplicates,
		NoMatch: max(0, p.Fleet-len(p.Targets)-len(p.Silent)-len(p.Refused)),
	}
}
