package gate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"fleet/identity"
	"fleet/internal/identitytest"
	"fleet/job"
	"fleet/job/filter"
	"fleet/node/journal"
	"fleet/plugins/plugin"
	"fleet/policy"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// world is one host's gate and an admin who may do everything.
type world struct {
	t       testing.TB
	gate    *Gate
	root    identity.Quorum
	admin   identity.PrivateKey[identity.Admin]
	second  identity.PrivateKey[identity.Admin] // of ben
	rules   []identity.Rule
	hosts   uint32 // that the roster says the fleet has
	self    identity.NodeIdentity
	audit   *notes
	dir     string
	now     time.Time
	journal *journal.Journal
	catchUp func([]job.WantedDocument) (bool, error) // nil: there is nothing to do
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, audit: &notes{}, root: identitytest.Root(), admin: identity.NewKey[identity.Admin](), second: identity.NewKey[identity.Admin](),
		rules: []identity.Rule{{Action: "service.*"}, {Action: "nothing.*"}}, dir: t.TempDir(), now: now}
	w.self = identity.NodeIdentity{Name: "web1", ID: identity.NewKey[identity.Node]().Public().ID()}
	if err := journal.Create(w.dir, now); err != nil {
		t.Fatal(err)
	}
	w.gate = &Gate{
		Root: w.root.Anchor(), Self: func() identity.NodeIdentity { return w.self }, Since: now.Add(-time.Hour),
		Roster: func() identity.Roster {
			return identity.Roster{Version: 1, Fleet: "acme", Hosts: w.hosts,
				Admins: []identity.AdminEntry{{Name: "ann", Key: w.admin.Public(), Roles: []string{"ops"}}, {Name: "ben", Key: w.second.Public(), Roles: []string{"ops"}}},
				Roles:  []identity.RoleEntry{{Name: "ops", Rules: w.rules}}}
		},
		Host: host{}, Plugins: actions{}, Now: func() time.Time { return w.now },
		Policy: func() (policy.File, error) { return policy.File{}, nil }, Fleet: func() int { return 9 },
		DuplicateKey: func() string { return "" }, Audit: w.audit,
		CatchUp: func(_ context.Context, needs []job.WantedDocument) (bool, error) {
			if w.catchUp == nil {
				return false, nil
			}
			return w.catchUp(needs)
		},
	}
	w.open()
	t.Cleanup(func() { w.journal.Close() })
	return w
}

// open opens the host's journal.
func (w *world) open() {
	var err error
	w.journal, err = journal.Open(journal.Config{
		Dir: w.dir, Boot: journal.Boot{ID: "one", Up: func() time.Duration { return time.Hour }}, Life: job.MaxLife, Skew: job.MaxSkew,
		Now: func() time.Time { return w.now }, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.gate.Journal = w.journal
}

// restart starts the agent again: what it knows is what is on disk.
func (w *world) restart() {
	w.journal.Close()
	w.open()
}

// anything is a host that has every action, with whatever arguments.
type anything struct{}

func (anything) Names(_ context.Context, _, _, input, value string) (own, other []string, err error) {
	return namesOf(input, value)
}

func (anything) Action(_, a string) (plugin.Action, bool) {
	kind := plugin.Change
	if a == "status" {
		kind = plugin.Read
	}
	return plugin.Action{Name: a, Kind: kind, Inputs: []plugin.Input{{Name: "service", Type: plugin.String}, {Name: "force", Type: plugin.Boolean, Optional: true}}}, true
}

func (anything) Reads(string, string) (plugin.Call, bool) { return plugin.Call{}, false }

// noHosts are the targets of a job that is to have none; see job.
var noHosts = []identity.ID{}

// job is a good job; change makes it a worse one. As a client does, it has this host as its target if it changes something, unless change
// has given it others or noHosts, and says how the host declares its action, unless change has said otherwise.
func (w *world) job(t testing.TB, change func(*job.Job)) []byte {
	t.Helper()
	j := job.Job{ID: job.NewID(now), Fleet: w.root.Anchor().ID(), Issued: now.UnixMilli(), Expires: now.Add(time.Minute).UnixMilli(),
		Mode: job.Run, Plugin: "service", Action: "restart", Args: map[string]any{"service": "nginx"}, SealTo: make([]byte, identity.SealSize)}
	if change != nil {
		change(&j)
	}
	action, known := w.gate.Plugins.Action(j.Plugin, j.Action)
	if !known {
		action, _ = anything{}.Action(j.Plugin, j.Action)
	}
	if j.Targets == nil && j.Mode == job.Run && action.Kind == plugin.Change {
		j.Targets = []identity.ID{w.self.ID}
	}
	if j.Declared == (job.Declared{}) {
		j.Declared = declared(t, action, j.Args)
	}
	signed, err := j.Sign(w.admin)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

func declared(t testing.TB, a plugin.Action, args map[string]any) job.Declared {
	t.Helper()
	meaning, err := a.Meaning(args)
	if err != nil {
		t.Fatal(err)
	}
	return job.Declared{Change: a.Kind == plugin.Change, Meaning: meaning}
}

// To count the fleet takes time on every host, in proportion to its size, so it is done only where a rule depends on it.
func TestTheFleetIsCountedForSharesOnly(t *testing.T) {
	for _, tt := range []struct {
		name    string
		action  string
		second  uint8
		counted bool
	}{{"to everyone", "status", 0, false}, {"to exact targets", "restart", 0, false}, {"to exact targets, above a share", "restart", 21, true}} {
		w, counted := newWorld(t), false
		w.rules, w.hosts = []identity.Rule{{Action: "service.*", Second: tt.second}}, 9
		w.gate.Fleet = func() int { counted = true; return 9 }
		d := w.gate.Judge(t.Context(), w.job(t, func(j *job.Job) { j.Action = tt.action }))
		if d.Verdict != Pass || counted != tt.counted {
			t.Errorf("%s: %v, counted %t", tt.name, d.Verdict, counted)
		}
	}
}

type actions struct{}

func (actions) Names(_ context.Context, _, _, input, value string) (own, other []string, err error) {
	return namesOf(input, value)
}

// namesOf has one service with two names, sshd and its alias ssh, and one that this host cannot tell.
func namesOf(input, value string) (own, other []string, err error) {
	switch {
	case input != "service":
		return []string{value}, nil, nil
	case value == "lost":
		return nil, nil, errors.New("systemd does not answer")
	case value == "sshd" || value == "ssh.service" || value == "sshd.service":
		value = "ssh"
	}
	if value == "ssh" {
		other = []string{"sshd.service", "sshd"}
	}
	value = strings.TrimSuffix(value, ".service")
	return []string{value + ".service", value}, other, nil
}

func (actions) Action(p, a string) (plugin.Action, bool) {
	kinds := map[string]plugin.Kind{"service restart": plugin.Change, "service status": plugin.Read, "package purge": plugin.Change, "package status": plugin.Read}
	kind, ok := kinds[p+" "+a]
	return plugin.Action{Name: a, Kind: kind, Inputs: []plugin.Input{{Name: "service", Type: plugin.String, Pattern: "[a-z]+"}}}, ok
}

func (actions) Reads(_, argument string) (plugin.Call, bool) {
	return plugin.Call{Action: "status", Args: plugin.Args{"service": argument}}, true
}

type host struct{}

func (host) Name() string                 { return "web1" }
func (host) Fact(path string) (any, bool) { return "c", path == "hagroup" }
func (host) Classes() []string            { return []string{"web"} }
func (host) Agents() []string             { return []string{"service"} }
func (host) HasData(function string) bool { return function == "service" || function == "slow" }
func (host) Data(ctx context.Context, function, _ string) (map[string]any, error) {
	if function == "slow" {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return map[string]any{"status": "running"}, nil
}

func TestJudge(t *testing.T) {
	other := identity.NewKey[identity.Node]().Public().ID()
	tests := []struct {
		name   string
		change func(*job.Job)
		want   Verdict
		reason job.Reason
		text   string // part of the message
	}{
		{"a good change", nil, Pass, "", ""},
		{"a good read", func(j *job.Job) { j.Action = "status" }, Pass, "", ""},
		{"match mode runs nothing", func(j *job.Job) { j.Mode = job.Match }, WouldRun, "", ""},
		{"another fleet", func(j *job.Job) { j.Fleet = "other" }, Refuse, job.ReasonFleet, "this host is in"},
		{"from the future", func(j *job.Job) { shift(j, job.MaxSkew+time.Second) }, Refuse, job.ReasonClock, "set the clock of this host or of yours"},
		{"a clock an hour off", func(j *job.Job) { shift(j, time.Hour) }, Refuse, job.ReasonClock, "signed at 2026-03-01 13:00:00 UTC and here it is 2026-03-01 12:00:00 UTC, 1h0m0s earlier"},
		{"within the skew", func(j *job.Job) { shift(j, job.MaxSkew-time.Second) }, Pass, "", ""},
		{"expired", func(j *job.Job) { shift(j, -2*time.Minute) }, Refuse, job.ReasonExpired, "signed at 2026-03-01 11:58:00 UTC, could be started for 1m0s"},
		{"filter that fits", func(j *job.Job) { j.Filter = filter.Filter{Facts: []string{"hagroup=c"}} }, Pass, "", ""},
		{"filter that does not fit", func(j *job.Job) { j.Filter = filter.Filter{Facts: []string{"hagroup=a"}} }, NoMatch, "", ""},
		{"identity and fact must both hold", func(j *job.Job) { j.Filter = filter.Filter{Identities: []string{"web1"}, Facts: []string{"hagroup=a"}} }, NoMatch, "", ""},
		{"data function", func(j *job.Job) { j.Filter = filter.Filter{Selects: []string{"service('nginx').status=running"}} }, Pass, "", ""},
		{"unknown data function", func(j *job.Job) { j.Filter = filter.Filter{Selects: []string{"not docker('x').up=true"}} }, NoMatch, "", ""},
		{"filter that does not parse", func(j *job.Job) { j.Filter = filter.Filter{Selects: []string{"and and"}} }, Refuse, job.ReasonFilter, "filter"},
		{"filter with an empty value", func(j *job.Job) { j.Filter = filter.Filter{Facts: []string{""}} }, Refuse, job.ReasonFilter, "filter"},
		{"targets that name this host", nil, Pass, "", ""},
		{"targets that do not", func(j *job.Job) { j.Targets = []identity.ID{other} }, NoMatch, "", ""},
		{"admitted after the plan", func(j *job.Job) { j.Planned = now.Add(-2 * time.Hour).UnixMilli() }, NoMatch, "", ""},
		{"admitted before the plan", func(j *job.Job) { j.Planned = now.UnixMilli() }, Pass, "", ""},
		{"no role for it", func(j *job.Job) { j.Plugin, j.Action = "package", "purge" }, Refuse, job.ReasonPolicy, "no role of ann allows package.purge"},
		{"no such action here", func(j *job.Job) { j.Plugin = "nothing" }, Refuse, job.ReasonAction, "no action nothing restart"},
		{"argument that does not fit", func(j *job.Job) { j.Args["service"] = "--now" }, Refuse, job.ReasonArguments, "does not match"},
		{"argument of another type", func(j *job.Job) { j.Args["service"] = 1 }, Refuse, job.ReasonArguments, "must be a string"},
		{"argument too many", func(j *job.Job) { j.Args["force"] = true }, Refuse, job.ReasonArguments, "no argument"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			d := w.gate.Judge(t.Context(), w.job(t, tt.change))
			if d.Verdict != tt.want || d.Reason != tt.reason || !strings.Contains(d.Message, tt.text) {
				t.Errorf("got %v, reason %q, message %q, error %v", d.Verdict, d.Reason, d.Message, d.Err)
			}
			if passed := d.Passed.plugin != ""; passed != (tt.want == Pass) {
				t.Errorf("verdict %v with Passed %v", d.Verdict, passed)
			}
		})
	}
}

func shift(j *job.Job, d time.Duration) { j.Issued += d.Milliseconds(); j.Expires += d.Milliseconds() }

func TestABrokenPolicyFileStopsChangesOnly(t *testing.T) {
	w := newWorld(t)
	w.gate.Policy = func() (policy.File, error) { return policy.Parse("/etc/fleet/policy.toml", []byte("defautl = 1")) }
	d := w.gate.Judge(t.Context(), w.job(t, nil))
	if d.Verdict != Refuse || d.Reason != job.ReasonPolicy || !strings.Contains(d.Message, "/etc/fleet/policy.toml:1") {
		t.Errorf("change: %+v", d)
	}
	if d := w.gate.Judge(t.Context(), w.job(t, func(j *job.Job) { j.Action = "status" })); d.Verdict != Pass {
		t.Errorf("read: %+v", d)
	}
}

func TestTheHostsPolicyGoesBeforeTheRoster(t *testing.T) {
	w := newWorld(t)
	w.gate.Policy = func() (policy.File, error) {
		return policy.Parse("p.toml", []byte("[[rule]]\ndecision = \"deny\"\naction = [\"service.restart\"]\nargs = { service = \"nginx\" }\n"))
	}
	if d := w.gate.Judge(t.Context(), w.job(t, nil)); d.Verdict != Refuse || !strings.Contains(d.Message, "p.toml:1") {
		t.Errorf("nginx: %+v", d)
	}
	if d := w.gate.Judge(t.Context(), w.job(t, func(j *job.Job) { j.Args["service"] = "cron" })); d.Verdict != Pass {
		t.Errorf("cron: %+v", d)
	}
}

func TestWhatIsNotVerifiedIsDropped(t *testing.T) {
	w, stranger := newWorld(t), newWorld(t)
	good := w.job(t, nil)
	flipped := func(i int) []byte {
		b := append([]byte{}, good...)
		b[i] ^= 1
		return b
	}
	tests := map[string][]byte{
		"empty":                    {},
		"garbage":                  []byte(strings.Repeat("x", 300)),
		"cut short":                good[:len(good)-3],
		"with more behind":         append(append([]byte{}, good...), 0),
		"signature changed":        flipped(3),
		"content changed":          flipped(len(good) - 2),
		"signer not in the roster": stranger.job(t, func(j *job.Job) { j.Fleet = w.root.Anchor().ID() }),
		"too large":                make([]byte, job.MaxJob+1),
	}
	// A job by a stranger who names ann's key as the signer.
	message := good[64:]
	tests["signed by a stranger in ann's name"] = stranger.admin.Sign(identity.JobContext, message)
	tests["signed by ann as something else"] = w.admin.Sign(identity.TokenContext, message)
	for name, raw := range tests {
		t.Run(name, func(t *testing.T) {
			if d := w.gate.Judge(t.Context(), raw); d.Verdict != Drop || d.Err == nil || d.Passed.plugin != "" {
				t.Errorf("got %+v", d)
			}
		})
	}
	if d := w.gate.Judge(t.Context(), good); d.Verdict != Pass {
		t.Errorf("the honest job afterwards: %+v", d)
	}
}

// A job is judged by no older roster than its signer knows. Where another one came, everything is judged anew by it.
func TestAJobWaitsForTheRosterItNeeds(t *testing.T) {
	needs := []job.WantedDocument{{Kind: identity.RosterKind, Name: identity.RosterKind, Version: 9, Hash: make([]byte, 32)}}
	w := newWorld(t)
	w.catchUp = func([]job.WantedDocument) (bool, error) { return false, errors.New("nobody has it") }
	signed := w.job(t, func(j *job.Job) { j.Needs = needs })
	if d := w.gate.Judge(t.Context(), signed); d.Verdict != Refuse || d.Reason != job.ReasonRoster || d.Message != "nobody has it" {
		t.Errorf("what cannot be fetched: %+v", d)
	}
	w.catchUp = nil
	if d := w.gate.Judge(t.Context(), signed); d.Verdict == Pass {
		t.Error("what was refused runs when it comes again")
	}

	w = newWorld(t)
	came := 0
	w.catchUp = func(got []job.WantedDocument) (bool, error) {
		if came++; came > 1 {
			return false, nil
		}
		w.rules = nil // the roster that came allows nothing any more
		if len(got) != 1 || got[0].Version != 9 {
			t.Errorf("asked for %v", got)
		}
		return true, nil
	}
	d := w.gate.Judge(t.Context(), w.job(t, func(j *job.Job) { j.Needs = needs }))
	if d.Verdict != Refuse || d.Reason != job.ReasonPolicy || came != 2 {
		t.Errorf("after %d looks: %+v", came, d)
	}
	w.catchUp, w.rules = nil, []identity.Rule{{Action: "service.*"}}
	if d := w.gate.Judge(t.Context(), w.job(t, nil)); d.Verdict != Pass {
		t.Errorf("another job: %+v", d)
	}
}

func TestACopyIsSeen(t *testing.T) {
	w := newWorld(t)
	for _, action := range []string{"restart", "status"} {
		signed := w.job(t, func(j *job.Job) { j.Action = action })
		if d := w.gate.Judge(t.Context(), signed); d.Verdict != Pass {
			t.Fatalf("%s: %+v", action, d)
		}
		if d := w.gate.Judge(t.Context(), signed); d.Verdict != Seen || !d.Claim.Running {
			t.Fatalf("%s again: %+v", action, d)
		}
	}
}

// grown is the host after another class was given to it, and its facts were changed.
type grown struct{ host }

func (grown) Fact(string) (any, bool) { return "a", true }

// Refused, or not for this host, is an end: whatever becomes of the host, the same bytes do not run when they come again. And it is no
// more than that: another job runs.
func TestRefusedIsAnEnd(t *testing.T) {
	tests := []struct {
		name   string
		change func(*job.Job)
		mend   func(w *world) // afterwards it could run
		want   Verdict
		reason job.Reason
	}{
		{"not for this host", func(j *job.Job) { j.Filter = filter.Filter{Facts: []string{"hagroup=a"}} }, func(w *world) { w.gate.Host = grown{} }, NoMatch, ""},
		{"no such action", func(j *job.Job) { j.Plugin = "nothing" }, func(w *world) { w.gate.Plugins = anything{} }, Refuse, job.ReasonAction},
		{"a clock behind", func(j *job.Job) { shift(j, 2*time.Minute) }, func(w *world) { w.now = now.Add(2 * time.Minute) }, Refuse, job.ReasonClock},
		{"a clock ahead", func(j *job.Job) { shift(j, -2*time.Minute) }, func(w *world) { w.now = now.Add(-2 * time.Minute) }, Refuse, job.ReasonExpired},
		{"no room", nil, func(w *world) { w.gate.Journal = w.journal }, Refuse, job.ReasonJournal},
		{"policy", func(j *job.Job) { j.Plugin, j.Action = "package", "purge" }, func(w *world) {
			w.rules = []identity.Rule{{Action: "service.*"}, {Action: "package.*"}, {Action: "nothing.*"}}
		}, Refuse, job.ReasonPolicy},
		{"second key", nil, func(w *world) {
			w.rules = []identity.Rule{{Action: "service.*"}, {Action: "package.*"}, {Action: "nothing.*"}}
		}, Refuse, job.ReasonSecond},
		{"arguments", func(j *job.Job) { j.Args["force"] = true }, func(w *world) { w.gate.Plugins = anything{} }, Refuse, job.ReasonArguments},
		{"a read, by policy", func(j *job.Job) { j.Plugin, j.Action = "package", "status" }, func(w *world) {
			w.rules = []identity.Rule{{Action: "service.*"}, {Action: "package.*"}, {Action: "nothing.*"}}
		}, Refuse, job.ReasonPolicy},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			if tt.reason == job.ReasonJournal {
				w.gate.Journal = full{w.journal}
			}
			if tt.reason == job.ReasonSecond {
				w.rules = []identity.Rule{{Action: "service.*", Second: 1}}
			}
			signed := w.job(t, tt.change)
			first := w.gate.Judge(t.Context(), signed)
			if first.Verdict != tt.want || first.Reason != tt.reason {
				t.Fatalf("%v %s %q", first.Verdict, first.Reason, first.Message)
			}
			tt.mend(w)
			for _, again := range []string{"at once", "after a restart"} {
				d := w.gate.Judge(t.Context(), signed)
				if d.Verdict != tt.want || d.Reason != tt.reason || again == "at once" && d.Message != first.Message {
					t.Errorf("%s: %v %s %q", again, d.Verdict, d.Reason, d.Message)
				}
				w.restart()
			}
			if d := w.gate.Judge(t.Context(), w.job(t, tt.change)); d.Verdict != Pass {
				t.Errorf("another job: %v %s %q", d.Verdict, d.Reason, d.Message)
			}
		})
	}
}

// A job that lacks a signature burns nothing: it runs once when it comes with it, whoever sent it without before, and however it was
// dressed up.
func TestAJobRunsOnceItIsComplete(t *testing.T) {
	for _, action := range []string{"restart", "status"} {
		w := newWorld(t)
		w.rules = []identity.Rule{{Action: "service.*", Second: 1}}
		alone := w.job(t, func(j *job.Job) { j.Action, j.Targets = action, []identity.ID{w.self.ID} })
		stranger, err := job.Approve(alone, identity.NewKey[identity.Admin]())
		if err != nil {
			t.Fatal(err)
		}
		whole, err := job.Approve(alone, w.second)
		if err != nil {
			t.Fatal(err)
		}
		for _, signed := range [][]byte{alone, stranger, alone} {
			if d := w.gate.Judge(t.Context(), signed); d.Verdict != Refuse || d.Reason != job.ReasonSecond {
				t.Errorf("%s: %v %s %q", action, d.Verdict, d.Reason, d.Message)
			}
		}
		if d := w.gate.Judge(t.Context(), whole); d.Verdict != Pass {
			t.Errorf("%s: with both: %v %s %q", action, d.Verdict, d.Reason, d.Message)
		}
		for _, signed := range [][]byte{whole, alone} {
			if d := w.gate.Judge(t.Context(), signed); d.Verdict != Seen || !d.Claim.Running {
				t.Errorf("%s: afterwards: %v %s %q", action, d.Verdict, d.Reason, d.Message)
			}
		}
	}
}

// A change for other hosts, by its list, writes nothing here and takes no room.
func TestAChangeForOthersIsNotRemembered(t *testing.T) {
	w := newWorld(t)
	signed := w.job(t, func(j *job.Job) { j.Targets = []identity.ID{identity.NewKey[identity.Node]().Public().ID()} })
	for range 2 {
		if d := w.gate.Judge(t.Context(), signed); d.Verdict != NoMatch || d.Claimed {
			t.Errorf("%+v", d)
		}
	}
	if _, known := w.journal.Find(journal.Job{ID: w.gate.Judge(t.Context(), signed).Job.ID}); known {
		t.Error("it is remembered")
	}
}

// full is a journal on a full disk.
type full struct{ *journal.Journal }

func (full) ClaimChange(journal.Job, time.Time) error {
	return fmt.Errorf("%w: no space left on device", journal.ErrFull)
}

// A copy that is late, or for a host whose clock is off, of a job that was claimed in time: it ran, and must not be told to
// have expired.
func TestALateCopyOfAClaimedJobIsNotExpired(t *testing.T) {
	for _, action := range []string{"restart", "status"} {
		w := newWorld(t)
		signed := w.job(t, func(j *job.Job) { j.Action = action })
		if d := w.gate.Judge(t.Context(), signed); d.Verdict != Pass {
			t.Fatalf("%+v", d)
		}
		for _, off := range []time.Duration{2 * time.Minute, -2 * time.Minute} {
			w.gate.Now = func() time.Time { return now.Add(off) }
			if d := w.gate.Judge(t.Context(), signed); d.Verdict != Seen || !d.Claim.Running || d.Change != (action == "restart") {
				t.Errorf("%s: %+v", action, d)
			}
			if d := w.gate.Judge(t.Context(), w.job(t, nil)); d.Verdict != Refuse {
				t.Errorf("%+v", d)
			}
		}
	}
}

func TestWithoutAJournalNothingIsChanged(t *testing.T) {
	w := newWorld(t)
	w.gate.Journal = full{w.journal}
	if d := w.gate.Judge(t.Context(), w.job(t, nil)); d.Verdict != Refuse || d.Reason != job.ReasonJournal || d.Claimed {
		t.Errorf("change: %+v", d)
	}
	if d := w.gate.Judge(t.Context(), w.job(t, func(j *job.Job) { j.Action = "status" })); d.Verdict != Pass {
		t.Errorf("read: %+v", d)
	}
}

func TestASlowFilterIsRefused(t *testing.T) {
	w := newWorld(t)
	w.rules = append(w.rules, identity.Rule{Action: "slow.status"})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	d := w.gate.Judge(ctx, w.job(t, func(j *job.Job) { j.Filter = filter.Filter{Selects: []string{"slow('x').a=1"}} }))
	if d.Verdict != Refuse || d.Reason != job.ReasonFilter || !strings.Contains(d.Message, "too long") {
		t.Errorf("%+v", d)
	}
}

func TestAnEmptyPassedDoesNotRun(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("an empty Passed gave something to run")
		}
	}()
	Passed{}.Call()
}

func FuzzJudge(f *testing.F) {
	w := newWorld(f)
	f.Add(w.job(f, nil))
	f.Add(w.job(f, func(j *job.Job) { j.Targets = []identity.ID{w.self.ID} }))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if d := w.gate.Judge(t.Context(), raw); d.Verdict != Drop && d.Verdict != Seen && d.Verdict != Pass {
			t.Fatalf("bytes that nobody signed got as far as %v: %v", d.Verdict, errors.Join(d.Err))
		}
	})
}

// FuzzSignedJob feeds content that an admin did sign: the rest of the gate has to stand it.
func FuzzSignedJob(f *testing.F) {
	w := newWorld(f)
	f.Add(w.job(f, nil)[64:])
	f.Fuzz(func(t *testing.T, message []byte) {
		d := w.gate.Judge(t.Context(), w.admin.Sign(identity.JobContext, message))
		if d.Verdict == Pass && (d.Job.Fleet != w.root.Anchor().ID() || now.After(d.Job.ExpiresAt())) {
			t.Fatalf("passed: %+v", d.Job)
		}
	})
}

// While another machine has this host's key nobody can say which of the two is meant: it looks, and changes nothing.
func TestAHostWithADuplicateKeyChangesNothing(t *testing.T) {
	w := newWorld(t)
	w.gate.DuplicateKey = func() string { return "10.0.0.9" }
	d := w.gate.Judge(t.Context(), w.job(t, nil))
	if d.Verdict != Refuse || d.Reason != job.ReasonPolicy || !strings.Contains(d.Message, "another machine uses this host's key (10.0.0.9)") || !strings.Contains(d.Message, "fleet node revoke web1") {
		t.Errorf("a change: %v %s %q", d.Verdict, d.Reason, d.Message)
	}
	if d := w.gate.Judge(t.Context(), w.job(t, func(j *job.Job) { j.Action = "status" })); d.Verdict != Pass {
		t.Errorf("a read: %v %q", d.Verdict, d.Message)
	}
}
