package gate

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"fleet/identity"
	"fleet/job"
	"fleet/job/filter"
	"fleet/node/journal"
	"fleet/plugins/plugin"
	"fleet/policy"
)

// Gate holds what is needed to judge a job. All fields are required.
type Gate struct {
	Root    identity.PublicKey[identity.Root]
	Self    func() identity.NodeIdentity // this node, by its certificate
	Since   time.Time                    // when this host was admitted
	Roster  func() identity.Roster       // the newest version here
	Host    filter.Host                  // what filters look at
	Plugins Plugins
	Journal Journal
	// Policy is the host's own policy file, read anew where it changed. With an error the host refuses changes.
	Policy func() (policy.File, error)
	// Fleet is how many hosts the fleet has, as far as this one knows; rules about shares of the fleet go by it.
	Fleet func() int
	// Twin says that another machine uses this host's key, and where; "" if none does. Then this host refuses changes: nobody
	// can say which of the two was meant.
	Twin func() string
	Now  func() time.Time
	Seal identity.SealKey // opens the secret arguments of jobs for this host
}

// Plugins knows the actions of this host.
type Plugins interface {
	// Action returns the declaration of an installed action.
	Action(plugin, action string) (plugin.Action, bool)
}

// Journal remembers which jobs were claimed; see package journal.
type Journal interface {
	ClaimChange(id string, expires, now time.Time) (journal.Claim, error)
	ClaimRead(id string, issued, expires, now time.Time) (journal.Claim, error)
	// Find says how a job stands that was claimed before, and claims nothing.
	Find(id string) (journal.Claim, bool)
}

// Verdict is what is to be done with a job.
type Verdict int

const (
	Drop    Verdict = iota // not verified: count and log, never answer
	Refuse                 // verified, but it may not run here: tell the signer Reason and Message
	NoMatch                // verified, and not for this host
	Seen                   // a copy of one that was claimed before: Claim says how that one stands
	Willing                // a job in match mode that would pass: say so
	Pass                   // run it
)

// Dropped is why a message was dropped.
type Dropped string

const (
	Malformed Dropped = "malformed"      // too large, or not decodable as a job
	Stranger  Dropped = "unknown signer" // not in the roster
	Forged    Dropped = "signature"      // does not hold
)

// Decision is the outcome of Judge.
type Decision struct {
	Verdict Verdict
	Err     error      // why dropped, for the log
	Dropped Dropped    // the same, for counting
	Reason  job.Reason // why refused, for programs
	Message string     // why refused, for people
	Claim   journal.Claim
	Change  bool     // the claim is durable, and waits for a result
	By      string   // the line of policy that decided, for people; "" where it was not asked
	Seconds []string // admins who signed the job too, and might run it

	Job    job.Job // not set when dropped
	Hash   job.Hash
	Signer identity.AdminEntry
	Passed Passed // set when Verdict is Pass
}

// Passed is a job that may run here, now, once. Only Judge makes one that is not empty.
type Passed struct {
	plugin, action string
	args           plugin.Args
}

// Call returns what to run. It panics on an empty Passed: nobody has judged it.
func (p Passed) Call() (pluginName string, call plugin.Call) {
	if p.plugin == "" {
		panic("gate: a job that was not judged was about to run")
	}
	return p.plugin, plugin.Call{Action: p.action, Args: p.args}
}

// Judge decides about one signed job, in the order of the package comment. It may block while a filter asks a data
// function; ctx bounds that.
func (g *Gate) Judge(ctx context.Context, signed []byte) Decision {
	now := g.Now()

	// size, strict decode
	unverified, err := job.Decode(signed)
	if err != nil {
		return Decision{Err: err, Dropped: Malformed}
	}
	// signer in roster
	roster := g.Roster()
	signer, ok := roster.Admin(unverified.Signer())
	if !ok {
		return Decision{Err: fmt.Errorf("signer %s of job %s is not in roster version %d", unverified.Signer(), unverified.ID(), roster.Version), Dropped: Stranger}
	}
	// signature
	j, err := unverified.Verify(signer.Key)
	if err != nil {
		return Decision{Err: fmt.Errorf("job %s: %w", unverified.ID(), err), Dropped: Forged}
	}

	d := Decision{Job: j, Hash: unverified.Hash(), Signer: signer}
	// fleet
	if j.Fleet != g.Root.ID() {
		return d.refuse(job.ReasonFleet, "job is for fleet %s and this host is in %s", j.Fleet, g.Root.ID())
	}
	action, exists := g.Plugins.Action(j.Plugin, j.Action)
	d.Change = j.Mode == job.Run && exists && action.Kind == plugin.Change
	// time; a copy of a job that was claimed in time is answered by how that one stands, also when it is late: nobody may be
	// told that a job has expired which has run
	if reason, err := checkTime(j, now); err != nil {
		if claim, claimed := g.Journal.Find(j.ID); claimed {
			d.Verdict, d.Claim = Seen, claim
			return d
		}
		d.Change = false
		return d.refuse(reason, "%v", err)
	}
	// seen before
	if d.Claim, err = g.claim(j, d.Change, now); err != nil {
		d.Change = false
		return d.refuse(job.ReasonJournal, "%v", err)
	}
	if !d.Claim.First {
		d.Verdict = Seen
		return d
	}
	// target, filter
	match, err := g.selects(ctx, j)
	if err != nil {
		return d.refuse(job.ReasonFilter, "%v", err)
	}
	if !match {
		d.Verdict = NoMatch
		return d
	}
	// policy; rules see the arguments as they will be used, or as they came where they cannot be, and never the secret ones
	full, badArgs := g.arguments(j, action)
	args := action.Public(full)
	if badArgs != nil {
		args = action.Public(j.Args)
	}
	seconded := j.Mode == job.Match // a second key is asked for when it is to run
	for _, second := range unverified.Approvers(roster) {
		// A second signature counts only of somebody who may do it too.
		if g.decide(ctx, roster, second, j, action, args, true).Allowed {
			seconded, d.Seconds = true, append(d.Seconds, second.Name)
		}
	}
	answer := g.decide(ctx, roster, signer, j, action, args, seconded)
	d.By = answer.By
	if !answer.Allowed {
		if answer.Waits {
			return d.refuse(job.ReasonSecond, "needs the signature of a second admin (%s)", answer.By)
		}
		return d.refuse(job.ReasonPolicy, "%s", answer.By)
	}
	// action exists
	if !exists {
		return d.refuse(job.ReasonAction, "this host has no action %s %s", j.Plugin, j.Action)
	}
	// arguments
	if badArgs != nil {
		return d.refuse(job.ReasonArguments, "%v", badArgs)
	}
	if j.Mode == job.Match {
		d.Verdict = Willing
		return d
	}
	d.Verdict, d.Passed = Pass, Passed{plugin: j.Plugin, action: j.Action, args: full}
	return d
}

// arguments are those of the job, with the secret ones that were sealed to this host, checked, and with defaults. A match
// carries no secrets, and needs none.
func (g *Gate) arguments(j job.Job, action plugin.Action) (plugin.Args, error) {
	if j.Mode == job.Match {
		return action.WithoutSecrets().Check(j.Args)
	}
	all := plugin.Args{}
	for _, in := range action.Inputs {
		if _, given := j.Args[in.Name]; given && in.Secret {
			return nil, fmt.Errorf("%s is secret and must be sealed; it came in the open and has to be changed now", in.Name)
		}
	}
	secrets, err := job.OpenSecrets(g.Seal, j, g.Self().ID)
	if err != nil {
		return nil, err
	}
	for name, v := range secrets {
		if !action.IsSecret(name) {
			return nil, fmt.Errorf("an argument came sealed that is not declared secret")
		}
		all[name] = v
	}
	maps.Copy(all, j.Args)
	return action.Check(all)
}

func (d Decision) refuse(reason job.Reason, format string, args ...any) Decision {
	d.Verdict, d.Reason, d.Message = Refuse, reason, fmt.Sprintf(format, args...)
	return d
}

// decide asks the host's policy file and the roster.
func (g *Gate) decide(ctx context.Context, roster identity.Roster, signer identity.AdminEntry, j job.Job, action plugin.Action, args plugin.Args, seconded bool) policy.Answer {
	q := policy.Question{
		Signer: signer, Plugin: j.Plugin, Action: j.Action, Change: action.Kind == plugin.Change, Args: args,
		Labels: g.Self().Labels, Facts: g.Host, Now: g.Now(), Share: 100, Seconded: seconded,
	}
	if len(j.Targets) > 0 { // to count the fleet takes as long as it is large, and a ping to everyone needs no share
		if fleet := g.Fleet(); fleet > 0 {
			q.Share = 100 * float64(len(j.Targets)) / float64(fleet)
		}
	}
	if twin := g.Twin(); twin != "" && q.Change {
		return policy.Answer{By: fmt.Sprintf("another machine uses this host's key (%s), so neither changes anything; remove the copied data directory there, or revoke the key: fleet node revoke %s", twin, g.Self().Name)}
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

func checkTime(j job.Job, now time.Time) (job.Reason, error) {
	const stamp = "2006-01-02 15:04:05 UTC"
	here, issued := now.UTC().Format(stamp), j.IssuedAt().UTC().Format(stamp)
	if ahead := j.IssuedAt().Sub(now); ahead > job.MaxSkew {
		return job.ReasonClock, fmt.Errorf("clock: the job was signed at %s and here it is %s, %s earlier; set the clock of this host or of yours",
			issued, here, ahead.Round(time.Second))
	}
	if now.After(j.ExpiresAt()) {
		return job.ReasonExpired, fmt.Errorf("expired: the job was signed at %s, could be started for %s, and here it is %s; if you sent it just now, set the clock of this host or of yours",
			issued, j.ExpiresAt().Sub(j.IssuedAt()), here)
	}
	return "", nil
}

func (g *Gate) claim(j job.Job, change bool, now time.Time) (journal.Claim, error) {
	if change {
		return g.Journal.ClaimChange(j.ID, j.ExpiresAt(), now)
	}
	return g.Journal.ClaimRead(j.ID, j.IssuedAt(), j.ExpiresAt(), now)
}

// selects says whether the job is for this host: all that the signer named must hold.
func (g *Gate) selects(ctx context.Context, j job.Job) (bool, error) {
	if len(j.Targets) > 0 && !slices.Contains(j.Targets, g.Self().ID) {
		return false, nil
	}
	if j.Planned != 0 && g.Since.After(time.UnixMilli(j.Planned)) {
		return false, nil // admitted after the plan was made
	}
	if j.Filter.IsZero() {
		return true, nil
	}
	m, err := filter.Compile(j.Filter)
	if err != nil {
		return false, fmt.Errorf("filter: %w", err)
	}
	match, err := m.Match(ctx, g.Host)
	if err != nil && ctx.Err() != nil {
		return false, errors.Join(errors.New("filter took too long"), err)
	}
	return match, nil // an error without a cause in ctx: a data function cannot answer here, so the host does not match
}
