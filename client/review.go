package client

import (
	"context"
	"slices"
	"time"

	"fleet/job"
)

// Review asks the targets of a job that another admin signed what they would say if this one had signed it, with a job of its own in
// match mode. Each answer comes with the host's certificate: so who approves the job learns the names and labels of its targets from
// themselves. members are all hosts as a broker lists them, which is hearsay, for those that do not answer. It blocks and ends as Run
// does.
func (c *Client) Review(ctx context.Context, j job.Job, timeout time.Duration, progress func(Progress)) (run Run, members []job.Member, err error) {
	if members, err = c.Members(ctx); err != nil {
		return Run{}, nil, err
	}
	r := Request{Plugin: j.Plugin, Action: j.Action, Args: j.Args, Filter: j.Filter, Reason: j.Reason, Fleet: len(members), Timeout: timeout}
	for _, id := range j.Targets {
		t := Target{Node: id}
		if i := slices.IndexFunc(members, func(m job.Member) bool { return m.Node == id }); i >= 0 {
			t.Name = members[i].Name
		}
		r.Targets = append(r.Targets, t)
	}
	g := newGathering(c, r, progress)
	g.know(members)
	question, err := c.newJob(job.Match, r, g.seal.Public())
	if err != nil {
		return Run{}, members, err
	}
	question.Planned, question.Declared = j.Planned, j.Declared
	run, err = g.send(ctx, question)
	return run, members, err
}
