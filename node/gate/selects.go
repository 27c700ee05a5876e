package gate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"fleet/identity"
	"fleet/job"
	"fleet/job/filter"
)

// listed reports whether the job's list of targets, if it has one, has this host.
func (g *Gate) listed(j job.Job) bool {
	return len(j.Targets) == 0 || slices.Contains(j.Targets, g.Self().ID)
}

// selects says whether a job that is listed is for this host: all that the signer named must hold. With an error it is to be refused
// for that reason.
func (g *Gate) selects(ctx context.Context, a *asked, j job.Job) (bool, job.Reason, error) {
	if j.Planned != 0 && g.Since.After(time.UnixMilli(j.Planned)) {
		return false, "", nil // admitted after the plan was made
	}
	if j.Filter.IsZero() {
		return true, "", nil
	}
	m, err := filter.Compile(j.Filter)
	if err != nil {
		return false, job.ReasonFilter, fmt.Errorf("filter: %w", err)
	}
	match, err := m.Match(ctx, a)
	a.done()
	switch {
	case a.denied != nil:
		return false, job.ReasonPolicy, a.denied
	case err != nil && ctx.Err() != nil:
		return false, job.ReasonFilter, errors.Join(errors.New("filter took too long"), err)
	}
	return match, "", nil // an error without a cause in ctx: a data function cannot answer here, so the host does not match
}

// asked is this host as the filter of one job sees it. A data function is a read: it answers whom the policy lets run that read here,
// with this argument, and one filter of a signer at a time. The policy's own rules ask the host itself and not this.
type asked struct {
	filter.Host
	may    func(ctx context.Context, function, argument string) error
	share  *share
	asking bool  // it is this filter's turn
	denied error // which right is missing
}

// Data implements filter.Host.
func (a *asked) Data(ctx context.Context, function, argument string) (map[string]any, error) {
	if err := a.may(ctx, function, argument); err != nil {
		a.denied = err
		return nil, err
	}
	if !a.asking {
		if err := a.share.await(ctx); err != nil {
			return nil, err
		}
		a.asking = true
	}
	return a.Host.Data(ctx, function, argument)
}

func (a *asked) done() {
	if a.asking {
		a.share.next()
		a.asking = false
	}
}

// asked returns the host for a filter of this job.
func (g *Gate) asked(roster identity.Roster, signer identity.AdminEntry, u job.Unverified, j job.Job, s *share) *asked {
	may := func(ctx context.Context, function, argument string) error {
		call, ok := g.Plugins.Reads(function, argument)
		if !ok {
			return fmt.Errorf("this host does not know which right %s() needs", function)
		}
		read := j
		read.Plugin, read.Action = function, call.Action
		action, _ := g.Plugins.Action(function, call.Action)
		args, err := action.Check(call.Args)
		if err != nil {
			args = call.Args
		}
		args = action.Public(args)
		answer := g.decide(ctx, roster, signer, read, action, args, false)
		if answer.Allowed || answer.Waits && len(g.coSigners(ctx, roster, u, read, action, args)) > 0 {
			return nil
		}
		why := answer.By
		if answer.Waits {
			why = fmt.Sprintf("needs the signature of a second admin (%s)", answer.By)
		}
		return fmt.Errorf("the filter asks %s(%q), which needs the right to %s.%s: %s", function, argument, function, call.Action, why)
	}
	return &asked{Host: g.Host, may: may, share: s}
}
