package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"fleet/client"
	"fleet/identity"
	"fleet/job"
	"fleet/job/filter"
)

// scene is a small fleet that answers from memory: hosts with facts, and what each says to an action. It keeps what it
// was asked, because what is sent is what matters.
type scene struct {
	hosts      []sceneHost
	members    []job.Member
	asked      []string // what was sent, one line a job
	duplicates []client.DuplicateKey
	cancel     context.CancelFunc // called while job number cancelAt is asked, as Ctrl-C would
	cancelAt   int
}

type sceneHost struct {
	name    string
	facts   map[string]any
	classes []string
	gone    bool                      // known, but does not answer
	does    map[string]client.Outcome // "plugin action" -> how it ends; "*" for all others
}

func (h sceneHost) Name() string                 { return h.name }
func (h sceneHost) Fact(path string) (any, bool) { v, ok := h.facts[path]; return v, ok }
func (h sceneHost) Classes() []string            { return h.classes }
func (h sceneHost) Agents() []string             { return []string{"service", "package", "rpcutil"} }
func (h sceneHost) HasData(string) bool          { return false }
func (h sceneHost) Data(context.Context, string, string) (map[string]any, error) {
	return nil, errors.New("no data here")
}

func (s *scene) Close() {}

func (s *scene) Members(context.Context) ([]job.Member, error) {
	if s.members == nil {
		return nil, errors.New("not asked in these tests")
	}
	return s.members, nil
}

func (s *scene) Roster(context.Context) (identity.Roster, error) {
	return identity.Roster{Fleet: "acme", Version: 3}, nil
}

func (s *scene) note(mode string, r client.Request) {
	var names []string
	for _, t := range r.Targets {
		names = append(names, t.Name)
	}
	var args []string
	for k, v := range r.Args {
		args = append(args, fmt.Sprintf(" %s=%v", k, v))
	}
	slices.Sort(args)
	s.asked = append(s.asked, strings.TrimRight(fmt.Sprintf("%s %s %s%s [%s] to %s", mode, r.Plugin, r.Action, strings.Join(args, ""),
		r.Filter, cmp.Or(filter.FoldNodes(names), "all")), " "))
}

func (s *scene) Plan(ctx context.Context, r client.Request, progress func(client.Progress)) (client.Plan, error) {
	s.note("plan", r)
	if s.cancel != nil && len(s.asked) == s.cancelAt {
		s.cancel()
	}
	run, err := s.ask(ctx, r, func(sceneHost) client.Outcome { return client.Outcome{State: job.OK} })
	p := client.Plan{Fleet: run.Expected, Duplicates: run.Duplicates}
	for _, o := range run.Outcomes {
		switch o.State {
		case job.OK:
			p.Targets = append(p.Targets, client.Target{Node: o.Node, Name: o.Name})
		default:
			p.Silent = append(p.Silent, o)
		}
	}
	return p, err
}

func (s *scene) Run(ctx context.Context, r client.Request, progress func(client.Progress)) (client.Run, error) {
	s.note("run", r)
	if s.cancel != nil && len(s.asked) == s.cancelAt {
		s.cancel()
	}
	return s.ask(ctx, r, func(h sceneHost) client.Outcome {
		o, ok := h.does[r.Plugin+" "+r.Action]
		if !ok {
			o = h.does["*"]
		}
		return o
	})
}

func (s *scene) ask(ctx context.Context, r client.Request, answer func(sceneHost) client.Outcome) (client.Run, error) {
	m, err := filter.Compile(r.Filter)
	if err != nil {
		return client.Run{}, err
	}
	run := client.Run{JobID: fmt.Sprintf("01JDEMO%019d", len(s.asked)), Took: 96 * time.Millisecond, Expected: len(s.hosts), Duplicates: s.duplicates}
	for i, h := range s.hosts {
		id := identity.ID(fmt.Sprintf("node%d", i))
		if r.Targets != nil && !slices.ContainsFunc(r.Targets, func(t client.Target) bool { return t.Node == id }) {
			continue
		}
		if h.gone {
			if names, exact := r.Filter.Names(); exact && !slices.Contains(names, h.name) {
				continue
			}
			run.Outcomes = append(run.Outcomes, client.Outcome{Node: id, Name: h.name, State: job.Silent, Message: "failed 3m0s ago, last seen 2026-05-09 12:00:00"})
			continue
		}
		fits, err := m.Match(ctx, h)
		if err != nil {
			return client.Run{}, err
		}
		if !fits {
			run.NoMatch++
			continue
		}
		o := answer(h)
		o.Node, o.Name, o.RTT, o.Took = id, h.name, time.Duration(i+1)*2500*time.Microsecond, time.Millisecond
		run.Outcomes = append(run.Outcomes, o)
	}
	return run, ctx.Err()
}

func says(state job.State, message string, data map[string]any) client.Outcome {
	return client.Outcome{State: state, Message: message, Data: data}
}

// scenes are the fleets that scripts name.
func scenes() map[string]*scene {
	pkg := func(version string) client.Outcome {
		if version == "absent" {
			return says(job.OK, "absent", map[string]any{"ensure": "absent", "status": "absent", "name": "openssl"})
		}
		return says(job.OK, "openssl-"+version+".amd64", map[string]any{"ensure": version, "status": "installed", "name": "openssl", "arch": "amd64"})
	}
	group := func(i int) map[string]any {
		return map[string]any{"hagroup": string("abc"[i%3]), "operatingsystem": "Debian", "operatingsystemrelease": "12.11"}
	}
	four := &scene{hosts: []sceneHost{
		{name: "web1.example.com", facts: group(0), does: map[string]client.Outcome{"rpcutil ping": says(job.OK, "", nil), "package status": pkg("1.0.1t-1+deb8u5")}},
		{name: "web2.example.com", facts: group(1), does: map[string]client.Outcome{"rpcutil ping": says(job.OK, "", nil), "package status": pkg("1.0.1t-1+deb8u5")}},
		{name: "db1.example.com", facts: group(2), does: map[string]client.Outcome{"rpcutil ping": says(job.OK, "", nil), "package status": pkg("absent")}},
		{name: "web3.example.com", gone: true},
	}}
	cloned := &scene{hosts: four.hosts[:2], duplicates: []client.DuplicateKey{{Node: "node1", Name: "web2.example.com", Addrs: []string{"10.0.0.2", "10.0.0.9"}}}}
	missing := &scene{
		hosts: []sceneHost{
			{name: "web1", does: map[string]client.Outcome{"node forget": says(job.OK, "forgotten", nil)}},
			{name: "web2", does: map[string]client.Outcome{"node forget": says(job.Unchanged, "not known here", nil)}},
			{name: "web3", gone: true},
		},
		members: []job.Member{{Node: "node0", Name: "web1", Presence: job.Alive}, {Node: "node1", Name: "web2", Presence: job.Alive}, {Node: "node2", Name: "web3", Presence: job.MemberFailed}},
	}
	nine, typo, hostile, mixed := &scene{}, &scene{}, &scene{}, &scene{}
	for i := range 9 {
		name := fmt.Sprintf("web%d", i+1)
		nine.hosts = append(nine.hosts, sceneHost{name: name, facts: group(i), classes: []string{"webserver"}, does: map[string]client.Outcome{
			"rpcutil ping":     says(job.OK, "", map[string]any{"time": int64(1)}),
			"rpcutil get_fact": says(job.OK, "Debian", map[string]any{"fact": "hagroup", "value": group(i)["hagroup"]}),
			"service restart":  says(job.OK, "restarted nginx: running", map[string]any{"state": "running", "previous": "running"}),
			"service start":    says(job.Unchanged, "running", map[string]any{"state": "running"}),
			"service status":   says(job.OK, "running", map[string]any{"state": "running", "enabled": "enabled", "pid": int64(100 + i)}),
			"package refresh":  says(job.OK, "lists refreshed", map[string]any{"provider": "apt"}),
		}})
		if i < 3 {
			typo.hosts = append(typo.hosts, sceneHost{name: name, does: map[string]client.Outcome{
				"*": says(job.Skipped, "no service ngnix on this host; there is nginx", map[string]any{"state": "absent", "nearest": []any{"nginx"}})}})
		}
	}
	mixed.hosts = []sceneHost{
		{name: "web1", does: map[string]client.Outcome{"*": says(job.OK, "restarted nginx: running", map[string]any{"state": "running"})}},
		{name: "web2", does: map[string]client.Outcome{"*": says(job.Skipped, "no service nginx on this host", map[string]any{"state": "absent"})}},
		{name: "web3", does: map[string]client.Outcome{"*": says(job.Failed, "restart of nginx failed: exit status 1", map[string]any{"state": "failed"})}},
		{name: "web4", does: map[string]client.Outcome{"*": {State: job.Denied, Reason: job.ReasonPolicy, Message: "role ops may not service.restart here"}}},
		{name: "web5", does: map[string]client.Outcome{"*": {State: job.TimedOut, Message: "took longer than 1m0s"}}},
		{name: "web6", does: map[string]client.Outcome{"*": {State: job.Lost, Message: "accepted the job, but sent no result: failed 2s ago"}}},
		{name: "web7", gone: true},
	}
	hostile.hosts = []sceneHost{
		{name: "web1", does: map[string]client.Outcome{"*": says(job.OK, "\x1b[2J\x1b[1;1Hall fine\r\nweb2: ok\u202egnp.exe\x00\u009b31m", map[string]any{
			"state": "\x1b]0;owned\x07", "enabled": "a\nb", "\x1b[31mkey": "v\u2066"})}},
	}
	return map[string]*scene{"four": four, "nine": nine, "typo": typo, "mixed": mixed, "hostile": hostile, "audited": auditedScene(), "jobs": jobsScene(), "forgotten": forgottenScene(), "unnamed": unnamedScene(), "planned": plannedScene(true), "half-planned": plannedScene(false), "unwell": unwellScene(), "lone": loneScene(), "cloned": cloned, "missing": missing, "inventoried": inventoriedScene(), "nobody": {}}
}
