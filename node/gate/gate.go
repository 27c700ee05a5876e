package gate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"fleet/identity"
	"fleet/job"
	"fleet/job/filter"
	"fleet/node/audit"
	"fleet/node/journal"
	"fleet/plugins/plugin"
	"fleet/policy"
)

// Gate holds what is needed to judge a job. All fields but AuditOptional are required.
type Gate struct {
	Root    identity.Anchor
	Self    func() identity.NodeIdentity // this node, by its certificate
	Since   time.Time                    // when this host was admitted
	Roster  func() identity.Roster       // the newest version here
	Host    filter.Host                  // what filters look at
	Plugins Plugins
	Journal Journal
	Audit   Audit
	// AuditOptional lets changes run also where the decision cannot be written down; otherwise they are refused.
	AuditOptional bool
	// Policy is the host's own policy file, read anew where it changed. With an error the host refuses changes.
	Policy func() (policy.File, error)
	// CatchUp brings documents into force here that a job needs, where they are not yet. It may block for seconds. changed says that
	// it had to; an error, that they could not be fetched.
	CatchUp func(ctx context.Context, needs []job.WantedDocument) (changed bool, err error)
	// Fleet is how many hosts the fleet has, as far as this one knows, or 0; rules about shares of the fleet count by it, or by what the
	// roster says, whichever is less: whom this host knows of others can invent.
	Fleet func() int
	// DuplicateKey says where another machine uses this host's key; "" if none does. While one does, this host refuses changes:
	// nobody can say which of the two was meant.
	DuplicateKey func() string
	Now          func() time.Time
	Seal         identity.SealKey // opens the secret arguments of jobs for this host

	shares shares
	alone  alone
}

// Plugins knows the actions of this host.
type Plugins interface {
	// Action returns the declaration of an installed action.
	Action(plugin, action string) (plugin.Action, bool)
	// Reads returns the action, a read of that plugin, that shows what its data function of the same name does.
	Reads(plugin, argument string) (plugin.Call, bool)

	// Names says under which names this host knows what an argument names; see plugin.Namer.
	Names(ctx context.Context, plugin, action, input, value string) (own, other []string, err error)
}

// Journal remembers which jobs came; see package journal.
type Journal interface {
	// Begin says how a job stands, and holds one that is the first of its id. A read is claimed by that.
	Begin(j journal.Job, now time.Time) (journal.Claim, error)
	ClaimChange(j journal.Job, now time.Time) error       // one that is held; durably
	Refuse(j journal.Job, why journal.Refusal)            // the same does not run later
	Release(id string)                                    // lets go of a job that is held, as if it had not come
	Find(j journal.Job) (claim journal.Claim, known bool) // how a job stands, without holding it
	Alone(since time.Time) ([]journal.Entry, error)       // the changes that one key was enough for, for they were for few hosts
}

// Audit is where decisions are written down; see package audit. An error means that the line is not there.
type Audit interface {
	Add(audit.Entry) error
	AddDurable(audit.Entry) error // the line is on disk when it returns
	AddLimited(audit.Entry) error // for what anybody can cause as often as he likes: only the first lines of a minute are written
}

// Verdict is what is to be done with a job.
type Verdict int

const (
	Drop     Verdict = iota // not verified: count and log, never answer
	Refuse                  // verified, but it may not run here: tell the signer Reason and Message
	NoMatch                 // verified, and not for this host
	Busy                    // verified, and there is no room for it: say so; nothing is decided, and it is judged when it comes again
	Seen                    // a copy of one that was claimed before: Claim says how that one stands
	WouldRun                // a job in match mode that would pass: say so
	Pass                    // run it
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
	Verdict   Verdict
	Err       error      // why dropped, for the log
	Dropped   Dropped    // the same, for counting
	Reason    job.Reason // why refused, for programs
	Message   string     // why refused, for people
	Claim     journal.Claim
	Claimed   bool     // the journal waits for a result; where Change is set, on disk
	Change    bool     // it changes something, if it runs
	By        string   // the line of policy that decided, for people; "" where it was not asked
	CoSigners []string // admins who signed the job too, and might run it

	Job    job.Job // not set when dropped
	Hash   job.Hash
	Signer identity.AdminEntry
	Shown  plugin.Args // the job's arguments as they may be logged: none that is secret
	Passed Passed      // set when Verdict is Pass

	known journal.Job // the job as the journal knows it
}

// Passed is a job that may run here, now, once. Only Judge makes one that is not empty. It holds a place of its signer's share.
type Passed struct {
	plugin, action string
	args           plugin.Args
	leave          func()
}

// Leave says that the job has ended, once.
func (p Passed) Leave() {
	if p.leave != nil {
		p.leave()
	}
}

// Call returns what to run. It panics on an empty Passed: nobody has judged it.
func (p Passed) Call() (pluginName string, call plugin.Call) {
	if p.plugin == "" {
		panic("gate: a job that was not judged was about to run")
	}
	return p.plugin, plugin.Call{Action: p.action, Args: p.args}
}

// Judge decides about one signed job, in the steps of the package comment, and writes the decision into the audit. It blocks
// for the disk, and while a filter asks a data function; ctx bounds the latter.
func (g *Gate) Judge(ctx context.Context, signed []byte) Decision {
	d := g.judge(ctx, signed)
	for d.Verdict == anew {
		d = g.judge(ctx, signed)
	}
	return d
}

// anew is the verdict on a job for which another roster just came.
const anew Verdict = -1

func (g *Gate) judge(ctx context.Context, signed []byte) (d Decision) {
	now, roster := g.Now(), g.Roster()
	// 1. size and strict decoding
	unverified, err := job.Decode(signed)
	if err != nil {
		return g.drop(signed, Malformed, err)
	}
	// 2. signer in the roster
	signer, ok := roster.Admin(unverified.Signer())
	if !ok {
		return g.drop(signed, Stranger, fmt.Errorf("signer %s of job %s is not in roster version %d", unverified.Signer(), unverified.ID(), roster.Version))
	}
	// 3. signature
	j, err := unverified.Verify(signer.Key)
	if err != nil {
		return g.drop(signed, Forged, fmt.Errorf("job %s: %w", unverified.ID(), err))
	}
	action, exists := g.Plugins.Action(j.Plugin, j.Action)
	d = Decision{Job: j, Hash: unverified.Hash(), Signer: signer, Shown: action.Shown(j.Args)}
	d.Change = j.Mode == job.Run && exists && action.Kind == plugin.Change
	d.known = g.known(roster, unverified, j, exists)
	// 4. fleet
	if j.Fleet != g.Root.ID() {
		return g.refuse(d, job.ReasonFleet, "job is for fleet %s and this host is in %s", j.Fleet, g.Root.ID())
	}
	// 5. share: the room that this host has, and of it one signer; what passes keeps its place until it has ended
	kind := d.kind()
	share, full := g.shares.take(signer, kind)
	if full != "" {
		return g.busy(d, full)
	}
	leave := func() { g.shares.leave(signer.Key.ID(), kind) }
	defer func() {
		if d.Verdict != Pass {
			leave()
		}
	}()
	// 6. time; a copy of a job that came in time is answered by how that one stands, also when the copy is late: nobody may be
	// told that a job has expired which has run
	if reason, err := checkTime(j, now); err != nil {
		if claim, known := g.Journal.Find(d.known); known {
			return g.seen(d, claim)
		}
		return g.refuse(d, reason, "%v", err)
	}
	// 7. roster: no older than the signer's
	switch changed, err := g.CatchUp(ctx, j.Needs); {
	case err != nil:
		return g.refuse(d, job.ReasonRoster, "%v", err)
	case changed:
		return Decision{Verdict: anew}
	}
	// 8. targets: a list that has not this host needs no memory
	if !g.listed(j) {
		return g.noMatch(d)
	}
	// 9. right: who can have none here costs this host no claim, no filter and no data function, and learns nothing by one
	if reach := g.reach(ctx, roster, signer, j, action); reach != policy.Here {
		return g.withoutRight(d, reach)
	}
	// 10. hosts: whoever changes something has decided where; whose program took it for a read, and so asked nobody, is told that
	if d.Change && len(j.Targets) == 0 && !j.Declared.Change {
		return g.refuse(d, job.ReasonDeclared, "%s", g.differs(j, action, nil))
	}
	if d.Change && len(j.Targets) == 0 {
		return g.refuse(d, job.ReasonHosts, "job names no hosts: a change lists each host that it is for")
	}
	// 11. not seen before: only the first of an id goes on, and nothing that was refused
	if d.Claim, err = g.Journal.Begin(d.known, now); errors.Is(err, journal.ErrBusy) {
		return g.busy(d, err.Error())
	}
	if err != nil {
		return g.refuse(d, job.ReasonJournal, "%v", err)
	}
	if !d.Claim.First {
		return g.seen(d, d.Claim)
	}
	d.Claimed = !d.known.Change
	// 12. filter
	match, reason, err := g.selects(ctx, g.asked(roster, signer, unverified, j, share), j)
	if err != nil {
		return g.refuse(d, reason, "%v", err)
	}
	if !match {
		return g.noMatch(d)
	}
	// 13. policy; rules see the arguments as they will be used, or as they came where they cannot be, and never the secret ones
	args, badArgs := g.arguments(j, action)
	public := action.Public(args)
	if badArgs != nil {
		public = action.Public(j.Args)
	}
	d.CoSigners = g.coSigners(ctx, roster, unverified, j, action, public)
	answer := g.decide(ctx, roster, signer, j, action, public, len(d.CoSigners) > 0 || j.Mode == job.Match) // a second key is asked for when it is to run
	d.By = answer.By
	if answer.Waits && j.Approvable() != nil {
		return g.refuse(d, job.ReasonSecond, "needs the signature of a second admin (%s), and %v", answer.By, j.Approvable())
	}
	if answer.Waits {
		return g.refuse(d, job.ReasonSecond, "needs the signature of a second admin (%s)", answer.By)
	}
	if !answer.Allowed {
		return g.refuse(d, job.ReasonPolicy, "%s", answer.By)
	}
	// 14. action exists
	if !exists {
		return g.refuse(d, job.ReasonAction, "this host has no action %s %s", j.Plugin, j.Action)
	}
	// 15. declaration: here it is what its signer took it for
	if other := g.differs(j, action, badArgs); other != "" {
		return g.refuse(d, job.ReasonDeclared, "%s", other)
	}
	// 16. arguments
	if badArgs != nil {
		return g.refuse(d, job.ReasonArguments, "%v", badArgs)
	}
	// 17. mode: a job in match mode asks only whether it would run
	if j.Mode == job.Match {
		return g.end(d, WouldRun, audit.WouldRun)
	}
	// 18. claim: that of a change is on disk before it runs; where one key is enough for a few hosts, it is counted first
	if d.Change {
		if over := g.countAlone(roster, &d, answer); over != "" {
			return g.refuse(d, job.ReasonSecond, "needs the signature of a second admin (%s; %s)", answer.By, over)
		}
		if err := g.Journal.ClaimChange(d.known, now); err != nil {
			return g.refuse(d, job.ReasonJournal, "%v", err)
		}
	}
	d.Claimed = true
	// 19. audit: so is its line; a read's only line is written when it has ended
	if d.Change {
		if err := g.write(d, audit.Run); err != nil && !g.AuditOptional {
			return g.refuse(d, job.ReasonAudit, "%v; this host changes nothing until it can: free some space there", err)
		}
	}
	d.Verdict, d.Passed = Pass, Passed{j.Plugin, j.Action, args, leave}
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

// known is the job as the journal knows it. What this host has no action for may be a change. Who approved it belongs to what came,
// so that a job which lacked a signature can come again with it; what else is appended does not, or anybody could vary it.
func (g *Gate) known(roster identity.Roster, u job.Unverified, j job.Job, exists bool) journal.Job {
	hash := u.Hash()
	parts := [][]byte{hash[:]}
	for _, second := range u.Approvers(roster) {
		parts = append(parts, second.Key.Bytes())
	}
	slices.SortFunc(parts[1:], bytes.Compare)
	action, _ := g.Plugins.Action(j.Plugin, j.Action)
	return journal.Job{
		ID: j.ID, Plan: j.Plan.ID, Signer: journal.MarkOf(j.Signer.Bytes()), Bytes: journal.MarkOf(parts...),
		Change: j.Mode == job.Run && (!exists || action.Kind == plugin.Change), Issued: j.IssuedAt(), Expires: j.ExpiresAt(),
	}
}
