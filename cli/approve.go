package cli

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"fleet/cli/report"
	"fleet/client"
	"fleet/identity"
	"fleet/internal/atomicfile"
	"fleet/job"
	"fleet/plugins/plugin"
	"fleet/rollout"

	ucli "github.com/urfave/cli/v2"
)

const (
	flagForApproval = "for-approval"

	jobPrefix  = "fleet-job1." // of a signed job as text, in the file that admins hand to each other
	pendingDir = "pending"     // in the home directory: what opens the replies to jobs that wait
	// approvalTTL is how long a job that waits for another admin may still be started, unless --ttl says otherwise.
	approvalTTL = 30 * time.Minute
	maxJobText  = 2 * job.MaxJob
)

// pendingJSON is kept by who signed the job first, 0600, until it is sent.
type pendingJSON struct {
	Schema  string          `json:"schema"`
	Seal    string          `json:"seal"`
	Targets []client.Target `json:"targets"`
}

const pendingSchema = "fleet.pending/v1"

func approveVerb() verb {
	return verb{
		name: "approve", group: groupAsk, brief: "sign another admin's job", takes: "FILE|ID", atLeast: 1, atMost: 1,
		about: []string{
			"Shows all of a job that was signed with --for-approval, asks, and adds your signature. Its hosts say themselves what they are called, which labels they have, and whether your signature counts there; a host that does not answer is marked. Nothing runs yet: the admin who signed first sends the job with fleet send. Each host checks both signatures and that both admins may run the action.",
			"Give the job's file or its id: brokers keep a copy until it expires, as long as one of them stays up.",
		},
		examples: []example{{"fleet approve 01KANSNYG0XJ5B4V0D3F6A7C8E", "review the job and answer the question"}, {"fleet approve restart.job", "from a file, if no broker has it"}},
		flags:    append([]ucli.Flag{toggle(howMany, flagYes, "y", "answer yes to the question")}, connectionFlags()...),
		endings:  []ending{endFault, endInterrupted},
		do:       func(e *env, in *ucli.Context) error { return e.approve(in) },
	}
}

func sendVerb(list []plugin.Declaration) verb {
	return verb{
		name: "send", group: groupAsk, brief: "send a job that another admin approved", takes: "FILE|ID", atLeast: 1, atMost: 1,
		about: []string{
			"Sends the job with the signatures that were added to the file or to the brokers' copy, and shows the results as fleet run does. Only the admin who signed first can send it, from the same home directory: the replies are sealed to a key there.",
		},
		examples: []example{{"fleet send 01KANSNYG0XJ5B4V0D3F6A7C8E", "after another admin ran fleet approve with this id"}},
		flags:    append(quietly("every output of every host"), connectionFlags()...),
		endings:  []ending{endFault, endNothing, endFailed, endSilent, endRefused, endInterrupted},
		do:       func(e *env, in *ucli.Context) error { return e.send(in, list) },
	}
}

// hold signs the job for its targets and writes it to a file instead of sending it.
func (w work) hold(ctx context.Context, plan rollout.Plan, answers client.Plan) error {
	if len(plan.Batches) != 1 {
		return usagef("a job that waits for another admin goes to all its hosts at once; leave --batch out, or select at most %d hosts", job.MaxTargets)
	}
	preparer, ok := w.conn.(interface {
		Prepare(client.Request) (client.Pending, error)
		PutWaiting(context.Context, []byte) error
	})
	if !ok {
		return faultf("cannot prepare a job over this connection")
	}
	r := w.request()
	r.Targets = answers.Pick(plan.Targets)
	if r.TTL == 0 {
		r.TTL = approvalTTL
	}
	p, err := preparer.Prepare(r)
	if err != nil {
		return faultf("%w", err)
	}
	u, err := job.Decode(p.Signed)
	if err != nil {
		return faultf("%w", err)
	}
	if err := keepPending(w.o.conn.home, u.ID(), p); err != nil {
		return faultf("%w", err)
	}
	if err := writeJob(w.o.forApproval, p.Signed); err != nil {
		return faultf("%w", err)
	}
	w.env.note("nothing was sent; job %s is signed and saved in %s; it must be started within %s", u.ID(), w.o.forApproval, r.TTL)
	if err := preparer.PutWaiting(ctx, p.Signed); err != nil {
		w.env.note("%s", report.Sanitise(err.Error()))
		w.env.note("give the file to another admin, who runs: fleet approve %s; then you run: fleet send %s", w.o.forApproval, w.o.forApproval)
		return nil
	}
	w.env.note("another admin runs: fleet approve %s; then you run: fleet send %s", u.ID(), u.ID())
	return nil
}

func (e *env) approve(in *ucli.Context) error {
	c, err := loadConfig(in.String(flagConfig), e.getenv)
	if err != nil {
		return err
	}
	o, err := parseConnection(in, c, e)
	if err != nil {
		return err
	}
	config, err := o.config()
	if err != nil {
		return err
	}
	where := in.Args().First()
	conn, err := client.Connect(in.Context, config)
	if err != nil {
		return faultf("%w", err)
	}
	defer conn.Close()
	signed, u, err := findJob(in.Context, conn, where)
	if err != nil {
		return err
	}
	seen, err := e.review(in.Context, conn, config.Root.ID(), u, o)
	if err != nil {
		return err
	}
	e.warn(seen.Answers.Duplicates)
	fmt.Fprint(e.stderr, seen.Text())
	if !in.Bool(flagYes) {
		if !e.canAsk {
			return usagef("nothing was signed").with(hintYes)
		}
		yes, err := e.question(in.Context, "sign this job too? [y/N] ")
		if err != nil {
			return err
		}
		if !yes {
			return &problem{ending: endInterrupted, err: errors.New("not signed")}
		}
	}
	approved, err := job.Approve(signed, config.Key)
	if err != nil {
		return faultf("%w", err)
	}
	if isWaiting(where) {
		if err := conn.PutWaiting(in.Context, approved); err != nil {
			return faultf("%w", err)
		}
		e.note("signed; the admin who signed first sends it with: fleet send %s", where)
		return nil
	}
	if err := writeJob(where, approved); err != nil {
		return faultf("%w", err)
	}
	e.note("signed; give %s back to the admin who signed first, who runs: fleet send %s", where, where)
	return nil
}

// isWaiting reports whether the word is the id of a job that waits at the brokers, and not a file.
func isWaiting(where string) bool {
	_, err := os.Stat(where)
	return err != nil && job.ValidID(where)
}

// findJob reads a signed job from the file, or asks the brokers for the one of that id.
func findJob(ctx context.Context, conn *client.Client, where string) ([]byte, job.Unverified, error) {
	if !isWaiting(where) {
		return readJob(where)
	}
	signed, err := conn.Waiting(ctx, where)
	if err != nil {
		return nil, job.Unverified{}, faultf("%w", err)
	}
	u, err := job.Decode(signed)
	if err == nil && u.ID() != where {
		err = errors.New("its id differs")
	}
	if err != nil {
		return nil, job.Unverified{}, faultf("the broker's copy of job %s is not that job: %w", where, err)
	}
	return signed, u, nil
}

// review verifies who signed a job first, and asks the fleet for all that the second admin should know of it.
func (e *env) review(ctx context.Context, conn *client.Client, fleet identity.FleetID, u job.Unverified, o connection) (a report.Approval, err error) {
	roster, err := conn.Roster(ctx)
	if err != nil {
		return a, faultf("%w", err)
	}
	signer, ok := roster.Admin(u.Signer())
	if !ok {
		return a, faultf("the job's signer (%s) is not an admin of this fleet", u.Signer())
	}
	j, err := u.Verify(signer.Key)
	if err == nil {
		err = j.Approvable()
	}
	if err != nil {
		return a, faultf("%w", err)
	}
	a = report.Approval{Job: j, Fleet: roster.Fleet, Signer: signer, Approved: u.Approvers(roster), Now: time.Now()}
	switch left, ahead := j.ExpiresAt().Sub(a.Now), j.IssuedAt().Sub(a.Now); {
	case j.Fleet != fleet:
		return a, faultf("the job is for the fleet %s, and this one is %s", report.Quoted(string(j.Fleet)), fleet)
	case left <= 0:
		return a, faultf("the job expired %s ago; create it again with --for-approval", -left.Round(time.Second))
	case ahead > job.MaxSkew:
		return a, faultf("the job was signed %s in the future, by this machine's clock; set the clock here or there", ahead.Round(time.Second))
	}
	a.Action, a.Known = plugin.Find(e.declarations, j.Plugin, j.Action)
	var bar *report.Bar
	if e.stderrTerminal {
		bar = report.NewBar(e.stderr, "what do its hosts say?")
	}
	a.Answers, a.Listed, err = conn.Review(ctx, j, o.wait(0), func(p client.Progress) { bar.Update(p.Done, p.Total) })
	bar.Clear()
	if ctx.Err() != nil {
		return a, &problem{ending: endInterrupted, err: errors.New("interrupted; nothing was signed")}
	}
	if err != nil {
		return a, faultf("%w", err)
	}
	return a, nil
}

func (e *env) send(in *ucli.Context, list []plugin.Declaration) error {
	c, err := loadConfig(in.String(flagConfig), e.getenv)
	if err != nil {
		return err
	}
	o := runOptions{}
	if o.print, err = e.parsePrinting(in, c); err != nil {
		return err
	}
	if o.conn, err = parseConnection(in, c, e); err != nil {
		return err
	}
	config, err := o.conn.config()
	if err != nil {
		return err
	}
	conn, err := client.Connect(in.Context, config)
	if err != nil {
		return faultf("%w", err)
	}
	defer conn.Close()
	signed, u, err := findJob(in.Context, conn, in.Args().First())
	if err != nil {
		return err
	}
	j, err := u.Verify(config.Key.Public())
	if err != nil {
		return usagef("only the admin who signed the job first can send it: %w", err)
	}
	p, err := readPending(o.conn.home, j.ID)
	if err != nil {
		return err
	}
	p.Signed = signed
	i := slices.IndexFunc(list, func(d plugin.Declaration) bool { return d.Name == j.Plugin })
	if i < 0 {
		return usagef("there is no plugin %s here", j.Plugin)
	}
	o.plugin = list[i]
	o.action, _ = list[i].Action(j.Action)
	o.args = j.Args
	o.view = report.View{Verbose: o.print.verbose, Quiet: o.print.quiet, Colour: e.colour(), Display: o.action.Display}
	run, err := conn.Submit(in.Context, p, o.conn.wait(o.plugin.Limit(o.action)), nil)
	if err != nil && (run.JobID == "" || in.Context.Err() == nil) {
		return faultf("%w", err)
	}
	os.Remove(pendingFile(o.conn.home, j.ID))
	r := report.Run{Plugin: o.plugin.Name, Action: o.action, Args: o.args}
	r.Add(run)
	return e.show(r, o, err != nil, j.Filter)
}

func pendingFile(home, id string) string { return filepath.Join(home, pendingDir, id) }

func keepPending(home, id string, p client.Pending) error {
	if err := os.MkdirAll(filepath.Join(home, pendingDir), 0o700); err != nil {
		return err
	}
	raw, err := json.Marshal(pendingJSON{Schema: pendingSchema, Seal: p.Seal.Secret(), Targets: p.Targets})
	if err != nil {
		return err
	}
	return atomicfile.Write(pendingFile(home, id), raw, 0o600)
}

func readPending(home, id string) (client.Pending, error) {
	var p client.Pending
	raw, err := os.ReadFile(pendingFile(home, id))
	if err != nil {
		return p, usagef("the key that opens the replies to job %s is not here: %w; the job was sent already or was signed from another home directory", id, err)
	}
	var kept pendingJSON
	if err := json.Unmarshal(raw, &kept); err != nil || kept.Schema != pendingSchema {
		return p, faultf("%s is damaged", pendingFile(home, id))
	}
	p.Targets = kept.Targets
	if p.Seal, err = identity.ParseSealKey(kept.Seal); err != nil {
		return p, faultf("%s: %w", pendingFile(home, id), err)
	}
	return p, nil
}

func writeJob(file string, signed []byte) error {
	return atomicfile.Write(file, []byte(jobPrefix+base64.RawURLEncoding.EncodeToString(signed)+"\n"), 0o644)
}

func readJob(file string) ([]byte, job.Unverified, error) {
	var none job.Unverified
	info, err := os.Stat(file)
	if err == nil && info.Size() > maxJobText {
		err = fmt.Errorf("%s is larger than a job can be", file)
	}
	var text []byte
	if err == nil {
		text, err = os.ReadFile(file)
	}
	if err != nil {
		return nil, none, usagef("%w", err)
	}
	rest, ok := strings.CutPrefix(strings.TrimSpace(string(text)), jobPrefix)
	raw, err := identity.DecodeText(rest)
	if !ok || err != nil {
		return nil, none, usagef("%s does not contain a complete signed job", file).with("to create one: fleet run PLUGIN ACTION ... --for-approval FILE")
	}
	u, err := job.Decode(raw)
	if err != nil {
		return nil, none, usagef("%s: %w", file, err)
	}
	return raw, u, nil
}
