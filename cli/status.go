package cli

import (
	"cmp"
	"context"
	"sync"
	"time"

	"fleet/cli/report"
	"fleet/client"
	"fleet/identity"
	"fleet/job"
	"fleet/node/audit"
	"fleet/plugins/answers"

	ucli "github.com/urfave/cli/v2"
)

const (
	actionStatus = "status"
	actionView   = "view"
	// maxViews bounds how many hosts are asked whom they see, where they do not agree: one of each opinion.
	maxViews = 8
)

func statusVerb() verb {
	return verb{
		name: "status", group: groupAsk, brief: "show fleet health", atMost: 0,
		about: []string{
			"Asks every host, asks the brokers for the member list, and combines the answers: hosts by presence, brokers and the routes between them, versions of fleet and of its signed " +
				"documents, clocks, whether all hosts see the same members, and who was let in during the last day, by which peer and token; hosts of which no peer says so are named. What is equal is shown once; problems are listed per host under \"Wrong\".",
			"A clock is estimated from the time in the host's signed answer and the midpoint between question and answer, so the error is at most half the round trip. A host is named " +
				"if its clock is certainly more than a second off. Clocks are compared with this machine's, which may be the wrong one.",
			"Exit code 4 means that hosts answered and something is wrong: a missing route, an old roster, a wrong clock, differing views, or a problem that a host reports. Views and " +
				"rosters may differ for a few seconds after a change; check again before you act.",
		},
		examples: []example{
			{"fleet status", "first thing when you are paged"},
			{"fleet status -v", "with a line for each host"},
			{"fleet status -o json", "for a program"},
			{"fleet status -o name", "only the hosts with problems"},
		},
		flags: append(quietly("a line for each host"), connectionFlags()...), endings: []ending{endNothing, endFailed, endSilent, endRefused, endInterrupted},
		do: func(e *env, in *ucli.Context) error {
			o, err := e.parseAsk(in, nodePlugin, actionStatus, nil)
			if err != nil {
				return err
			}
			return e.withoutStdin().status(in.Context, o)
		},
	}
}

// seen is all that was asked.
type seen struct {
	run     client.Run
	members []job.Member
	roster  identity.Roster // version 0: nobody handed it out
	let     report.Admissions
	views   map[identity.ID]map[string]answers.Seen
}

func (e *env) status(ctx context.Context, o lookOptions) error {
	conn, err := e.connect(ctx, o.conn)
	if err != nil {
		return err
	}
	defer conn.Close()
	var bar *report.Bar
	if o.print.progress {
		bar = report.NewBar(e.stderr, o.action.Name)
	}
	limit := o.conn.wait(o.limit.Limit(o.action))
	s, err := survey(ctx, conn, limit, func(p client.Progress) { bar.Update(p.Done, p.Total) })
	bar.Clear()
	if err != nil && (s.run.JobID == "" || ctx.Err() == nil) {
		return err
	}
	st := standing(s)
	if odd := st.Representatives(maxViews); len(odd) > 1 && err == nil {
		s.views = askViews(ctx, conn, odd, limit)
		st.Compare(s.views)
	}
	st.ID = cmp.Or(st.ID, string(o.conn.fleetID()))
	end := st.worst()
	if err != nil {
		end = endInterrupted
	}
	st.Exit = end.code()
	out, renderErr := st.Render(o.print.format, o.view)
	if renderErr != nil {
		return faultf("%w", renderErr)
	}
	if err := e.print(string(out)); err != nil {
		return err
	}
	if err != nil {
		return &problem{ending: endInterrupted, err: interruptedError(s.run.JobID)}
	}
	return ended(end)
}

// survey asks every host how it stands, and the brokers who is there and for the roster, all at once; then the peers whom they let in.
func survey(ctx context.Context, conn asker, limit time.Duration, progress func(client.Progress)) (s seen, err error) {
	var others sync.WaitGroup
	others.Go(func() { s.members, _ = conn.Members(ctx) }) // without an answer the run says so too
	others.Go(func() { s.roster, _ = conn.Roster(ctx) })
	s.run, err = conn.Run(ctx, client.Request{Plugin: nodePlugin, Action: actionStatus, Timeout: limit}, progress)
	others.Wait()
	if err == nil {
		s.let = askAdmissions(ctx, conn, s.members, limit)
	}
	return s, err
}

// maxPeers bounds how many peers are asked whom they let in.
const maxPeers = 64

// askAdmissions asks the peers that are up whom they let in. Who does not answer, or may not be asked that, is not in the result.
func askAdmissions(ctx context.Context, conn asker, members []job.Member, limit time.Duration) (a report.Admissions) {
	var peers []client.Target
	for _, m := range members {
		if m.Role == identity.Peer && m.Presence == job.Alive && len(peers) < maxPeers {
			peers = append(peers, client.Target{Node: m.Node, Name: m.Name})
		}
	}
	if len(peers) == 0 {
		return a
	}
	args := map[string]any{"event": string(audit.Admission), "limit": int64(500)}
	run, err := conn.Run(ctx, client.Request{Plugin: nodePlugin, Action: actionAudit, Args: args, Targets: peers, Timeout: limit}, nil)
	if err != nil {
		return a
	}
	for _, o := range run.Outcomes {
		a.Add(o)
	}
	return a
}

// askViews asks these hosts whom they see. A host that does not answer is not in the result.
func askViews(ctx context.Context, conn asker, hosts []client.Target, limit time.Duration) map[identity.ID]map[string]answers.Seen {
	run, err := conn.Run(ctx, client.Request{Plugin: nodePlugin, Action: actionView, Targets: hosts, Timeout: limit}, nil)
	views := map[identity.ID]map[string]answers.Seen{}
	if err != nil {
		return views
	}
	for _, o := range run.Outcomes {
		view, ok := report.Read[answers.View](&o)
		if !ok {
			continue
		}
		views[o.Node] = map[string]answers.Seen{}
		for _, m := range view.Members {
			views[o.Node][m.ID] = m
		}
	}
	return views
}
