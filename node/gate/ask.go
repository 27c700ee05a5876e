package gate

import (
	"context"
	"fmt"

	"fleet/identity"
	"fleet/job"
	"fleet/plugins/plugin"
	"fleet/policy"
)

// What the gate asks the policy, which is the host's own file and the roster's roles.

// coSigners are the admins who signed the job too. A second signature counts only of somebody who may do it too, and only where it
// says for which hosts it is.
func (g *Gate) coSigners(ctx context.Context, roster identity.Roster, u job.Unverified, j job.Job, action plugin.Action, args plugin.Args) (names []string) {
	if j.Approvable() != nil {
		return nil
	}
	for _, second := range u.Approvers(roster) {
		if g.decide(ctx, roster, second, j, action, args, true).Allowed {
			names = append(names, second.Name)
		}
	}
	return names
}

// question is what the policy is asked about a job, without its arguments.
func (g *Gate) question(signer identity.AdminEntry, j job.Job, action plugin.Action) policy.Question {
	return policy.Question{
		Signer: signer, Plugin: j.Plugin, Action: j.Action, Change: action.Kind == plugin.Change,
		Labels: g.Self().Labels, Facts: g.Host, Now: g.Now(), Spellings: g.spellings(j),
	}
}

// spellings asks the plugin once for each value, and only for those that a rule names: it may have to ask the init system.
func (g *Gate) spellings(j job.Job) func(ctx context.Context, input, value string) (own, other []string, err error) {
	type answer struct {
		own, other []string
		err        error
	}
	known := map[[2]string]answer{}
	return func(ctx context.Context, input, value string) (own, other []string, err error) {
		a, asked := known[[2]string{input, value}]
		if !asked {
			a.own, a.other, a.err = g.Plugins.Names(ctx, j.Plugin, j.Action, input, value)
			known[[2]string{input, value}] = a
		}
		return a.own, a.other, a.err
	}
}

// reach asks the host's policy file and the roster whether there is any rule by which the job might run here. A file that cannot be read adds none.
func (g *Gate) reach(ctx context.Context, roster identity.Roster, signer identity.AdminEntry, j job.Job, action plugin.Action) policy.Reach {
	q := g.question(signer, j, action)
	byRoster := func() policy.Reach { return policy.RosterReach(ctx, roster, q) }
	file, err := g.Policy()
	if err != nil {
		return byRoster()
	}
	return file.Reach(q, byRoster)
}

// decide asks the policy about a job with these arguments.
func (g *Gate) decide(ctx context.Context, roster identity.Roster, signer identity.AdminEntry, j job.Job, action plugin.Action, args plugin.Args, coSigned bool) policy.Answer {
	q := g.question(signer, j, action)
	q.Args, q.CoSigned, q.Share = args, coSigned, g.share(roster, signer, j, q.Change)
	return g.ask(ctx, roster, q)
}

// ask asks the host's policy file and the roster.
func (g *Gate) ask(ctx context.Context, roster identity.Roster, q policy.Question) policy.Answer {
	if other := g.DuplicateKey(); other != "" && q.Change {
		return policy.Answer{By: fmt.Sprintf("another machine uses this host's key (%s), so neither changes anything; remove the copied data directory there, or revoke the key: fleet node revoke %s", other, g.Self().Name)}
	}
	byRoster := func() policy.Answer { return policy.Roster(ctx, roster, q) }
	file, err := g.Policy()
	switch {
	case err == nil:
		return file.Decide(ctx, q, byRoster)
	case q.Change:
		return policy.Answer{By: fmt.Sprintf("this host changes nothing until its policy file is mended: %v", err)}
	}
	return byRoster()
}
