package client

import (
	"context"
	"fmt"
	"time"

	"fleet/identity"
	"fleet/job"
	"fleet/plugins/plugin"
)

// directTargets is up to how many hosts are addressed each on its own subject. Beyond it, one message for all is
// cheaper for the admin's line, and the list of targets in the job keeps the others out of it. But all of them get it, and
// verify it, and a change of a large fleet goes out in many portions: then each target has its own, if the fleet has more
// than fewOf times as many hosts. So what brokers carry for a change grows with the hosts, and not with their square.
const (
	directTargets = 100
	fewOf         = 4
)

// Run signs the job, sends it and gathers the ends. It returns when every live host has answered, after r.Timeout, or
// when ctx ends; then it returns the run so far together with ctx's error, and hosts go on with what they have
// accepted. progress may be nil; it is called from one goroutine and must not block.
func (c *Client) Run(ctx context.Context, r Request, progress func(Progress)) (Run, error) {
	return c.ask(ctx, job.Run, r, progress)
}

// Plan asks who would run r, with a signed job that runs nothing. It blocks and ends as Run does.
func (c *Client) Plan(ctx context.Context, r Request, progress func(Progress)) (Plan, error) {
	run, err := c.ask(ctx, job.Match, r, progress)
	p := Plan{Fleet: run.Expected, Duplicates: run.Duplicates}
	leaveOut(run.Duplicates, run.Outcomes)
	for _, o := range run.Outcomes {
		switch o.State {
		case job.OK:
			p.Targets = append(p.Targets, Target{Node: o.Node, Name: o.Name, Seal: o.seal})
		case job.Denied:
			p.Refused = append(p.Refused, o)
		case job.NoRoom:
			p.Silent = append(p.Silent, o)
		default:
			o.State = job.Silent // also of a host that lost the question: it began nothing
			p.Silent = append(p.Silent, o)
		}
	}
	return p, err
}

// Pending is a signed job that has not been sent: other admins may add their signatures (job.Approve) before it is.
type Pending struct {
	Signed  []byte
	Seal    identity.SealKey // opens the replies; whoever has it can read them
	Targets []Target
}

// Prepare signs a job for the exact Targets of r and sends nothing.
func (c *Client) Prepare(r Request) (Pending, error) {
	if len(r.Targets) == 0 {
		return Pending{}, fmt.Errorf("only a job with exact targets can wait for another signature")
	}
	p := Pending{Seal: identity.NewSealKey(), Targets: r.Targets}
	j, err := c.newJob(job.Run, r, p.Seal.Public())
	if err != nil {
		return Pending{}, err
	}
	p.Signed, err = j.Sign(c.config.Key)
	return p, err
}

// Submit sends a job of Prepare's, with the approvals that it carries by now. Otherwise it is Run.
func (c *Client) Submit(ctx context.Context, p Pending, timeout time.Duration, progress func(Progress)) (Run, error) {
	u, err := job.Decode(p.Signed)
	if err != nil {
		return Run{}, err
	}
	j, err := u.Verify(c.config.Key.Public())
	if err != nil {
		return Run{}, fmt.Errorf("only the admin who signed the job first can send it: %w", err)
	}
	if err := j.Approvable(); err != nil {
		return Run{}, err
	}
	g := newGathering(c, Request{Plugin: j.Plugin, Action: j.Action, Targets: p.Targets, Timeout: timeout}, progress)
	g.signed, g.seal = p.Signed, p.Seal
	g.id, g.hash = j.ID, u.Hash()
	return g.gather(ctx)
}

func (c *Client) ask(ctx context.Context, mode job.Mode, r Request, progress func(Progress)) (Run, error) {
	g := newGathering(c, r, progress)
	// Who is named exactly is asked directly, and for that his key has to be known first.
	names, exact := r.Filter.Names()
	if exact && r.Targets == nil {
		members, err := c.Members(ctx)
		if err != nil {
			return Run{}, err
		}
		g.know(members)
		g.expectNamed(names)
	}
	j, err := c.newJob(mode, r, g.seal.Public())
	if err != nil {
		return Run{}, err
	}
	return g.send(ctx, j)
}

// send signs the job, sends it and gathers.
func (g *gathering) send(ctx context.Context, j job.Job) (run Run, err error) {
	if g.signed, err = j.Sign(g.c.config.Key); err != nil {
		return Run{}, err
	}
	g.id, g.hash = j.ID, job.HashOf(g.signed)
	return g.gather(ctx)
}

func (c *Client) newJob(mode job.Mode, r Request, sealTo []byte) (job.Job, error) {
	ttl := r.TTL
	if ttl == 0 {
		ttl = DefaultTTL
	}
	now := time.Now()
	j := job.Job{
		ID: job.NewID(now), Fleet: c.config.Root.ID(), Issued: now.UnixMilli(), Expires: now.Add(ttl).UnixMilli(),
		Mode: mode, Plugin: r.Plugin, Action: r.Action, Args: r.Args, Filter: r.Filter, SealTo: sealTo, Needs: c.needs(r), Reason: r.Reason,
	}
	if mode == job.Run {
		j.Plan = r.Plan
	}
	var err error
	if j.Declared, err = c.declared(r); err != nil {
		return j, err
	}
	if len(r.Secret) > 0 && mode == job.Run {
		if err := addSecrets(&j, r); err != nil {
			return j, err
		}
	}
	switch {
	case r.Targets == nil && mode == job.Run && j.Declared.Change:
		return j, fmt.Errorf("a change must name its hosts: %s %s has to be planned before it is sent", r.Plugin, r.Action)
	case r.Targets == nil: // whoever matches
	case len(r.Targets) == 0:
		return j, fmt.Errorf("a change without targets must not be sent: it would run on every host")
	case len(r.Targets) <= job.MaxTargets:
		for _, t := range r.Targets {
			j.Targets = append(j.Targets, t.Node)
		}
	default:
		return j, fmt.Errorf("%d targets in one job, at most %d are possible", len(r.Targets), job.MaxTargets)
	}
	return j, nil
}

// declared is what this program takes the action of r for.
func (c *Client) declared(r Request) (job.Declared, error) {
	action, known := c.config.Declared(r.Plugin, r.Action)
	if !known {
		return job.Declared{}, fmt.Errorf("this program knows no action %s %s, so it cannot say what hosts should take it for", r.Plugin, r.Action)
	}
	meaning, err := action.Meaning(r.Args)
	return job.Declared{Change: action.Kind == plugin.Change, Meaning: meaning}, err
}

// addSecrets seals the secret arguments to each target's own key.
func addSecrets(j *job.Job, r Request) error {
	if len(r.Targets) == 0 {
		return fmt.Errorf("secret arguments are sealed to each host, so a plan must name the hosts first")
	}
	j.Secrets = map[identity.ID][]byte{}
	for _, t := range r.Targets {
		sealed, err := job.SealSecrets(t.Seal, j.ID, r.Secret)
		if err != nil {
			return fmt.Errorf("%s: %w", t.Name, err)
		}
		j.Secrets[t.Node] = sealed
	}
	return nil
}

// subjects says where to send: to each target, or to all.
func (g *gathering) subjects() []string {
	var ids []identity.ID
	switch {
	case g.request.Targets != nil:
		for _, t := range g.request.Targets {
			ids = append(ids, t.Node)
		}
	case g.named != nil:
		for id := range g.named {
			ids = append(ids, id)
		}
	default:
		return []string{job.AllSubject}
	}
	if len(ids) > directTargets && g.request.Fleet <= fewOf*len(ids) {
		return []string{job.AllSubject}
	}
	subjects := make([]string, len(ids))
	for i, id := range ids {
		subjects[i] = job.NodeSubject(id)
	}
	return subjects
}
