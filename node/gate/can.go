package gate

import (
	"context"
	"fmt"
	"slices"

	"fleet/identity"
	"fleet/job"
	"fleet/plugins/plugin"
	"fleet/policy"
)

// MayLabel says why an admin may not give this host other labels, or nil: a rule must allow it for the host as it is, or an admin
// could fetch a host into his reach, and as it will be, or he could put one where it is trusted more.
func (g *Gate) MayLabel(ctx context.Context, admin identity.AdminEntry, before, after map[string]string) error {
	roster := g.Roster()
	action, _ := g.Plugins.Action("node", "label")
	for _, labels := range []map[string]string{before, after} {
		q := g.question(admin, job.Job{Plugin: "node", Action: "label"}, action)
		q.Labels, q.CoSigned = labels, true // the job that brought them has been judged
		if a := g.ask(ctx, roster, q); !a.Allowed {
			return fmt.Errorf("%s may not label a host with the labels %v: %s", admin.Name, labels, a.By)
		}
	}
	return nil
}

// Can says what Judge would decide about a job of the named admin, without any job: by the same roster, the same file and
// the same code. words are the arguments as a person types them; targets is how many hosts the job would be for, 0 for
// every one. It looks at the policy only: the hosts that a job's filter selects are the asker's to know. but is what would
// stop a job that the policy lets through, or nil. Like Judge it may block while a rule asks a data function.
func (g *Gate) Can(ctx context.Context, admin, pluginName, actionName string, words map[string]string, targets int) (answer policy.Answer, but error) {
	roster := g.Roster()
	i := slices.IndexFunc(roster.Admins, func(a identity.AdminEntry) bool { return a.Name == admin })
	if i < 0 {
		return policy.Answer{By: fmt.Sprintf("no admin called %s in roster version %d", admin, roster.Version)}, nil
	}
	action, exists := g.Plugins.Action(pluginName, actionName)
	args, bad := action.Parse(words)
	if bad != nil { // as in Judge: rules see arguments that cannot be used as they came
		args = plugin.Args{}
		for name, word := range words {
			args[name] = word
		}
	}
	j := job.Job{Plugin: pluginName, Action: actionName}
	if targets > 0 { // this host, and others that nobody has named
		j.Targets, j.Plan.Total = []identity.ID{g.Self().ID}, uint32(min(targets, job.MaxPlan))
	}
	answer = g.decide(ctx, roster, roster.Admins[i], j, action, args, false)
	switch {
	case !exists:
		but = fmt.Errorf("this host has no action %s %s", pluginName, actionName)
	case bad != nil:
		but = bad
	}
	return answer, but
}
