package node_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"fleet/client"
	"fleet/identity"
	"fleet/internal/fleettest"
	"fleet/job"
	"fleet/node"
	"fleet/node/audit"
	"fleet/plugins/plugin"
)

// entries are the lines of a host's audit about jobs, admissions and drops, after its chain was verified.
func entries(t *testing.T, h *fleettest.Host) []audit.Entry {
	t.Helper()
	r, err := audit.Verify(filepath.Join(h.Dir, "audit"))
	if err != nil || r.Break != nil {
		t.Fatalf("the chain does not hold: %+v, %v", r.Break, err)
	}
	raw, err := os.ReadFile(filepath.Join(h.Dir, "audit", "audit.log"))
	if err != nil {
		t.Fatal(err)
	}
	var list []audit.Entry
	for line := range strings.Lines(string(raw)) {
		e, err := audit.DecodeLine([]byte(strings.TrimSuffix(line, "\n")))
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, e)
	}
	return list
}

func find(list []audit.Entry, fits func(audit.Entry) bool) (audit.Entry, bool) {
	for _, e := range list {
		if fits(e) {
			return e, true
		}
	}
	return audit.Entry{}, false
}

func TestEveryDecisionAndOutcomeIsAudited(t *testing.T) {
	f, c := one(t, &probe{})
	good := ask(t, c, "count")
	wantOutcome(t, only(t, good), job.OK, "done")
	refused, err := c.Run(t.Context(), client.Request{Plugin: "fstat", Action: "stat", Args: map[string]any{"path": "/"}, Timeout: patience}, nil)
	if err != nil {
		t.Fatal(err)
	}
	wantOutcome(t, only(t, refused), job.Denied, "no action")
	read := ask(t, c, "panic")
	forge(t, f)

	var list []audit.Entry
	for { // a dropped job is never answered, so there is nothing else to wait for
		var ok bool
		list = entries(t, f.First())
		if _, ok = find(list, func(e audit.Entry) bool { return e.Event == audit.Dropped }); ok || t.Context().Err() != nil {
			break
		}
		ask(t, c, "panic")
	}
	key := string(f.Admin.Public().ID())
	tests := []struct {
		name string
		fits func(audit.Entry) bool
	}{
		{"start", func(e audit.Entry) bool {
			return e.Event == audit.Start && e.Seq == 2 && strings.Contains(e.Message, "roster version 1")
		}},
		{"the decision of the change", func(e audit.Entry) bool {
			return e.Event == audit.Decided && e.Job == good.JobID && e.Decision == audit.Run && e.Signer == "ann" && e.Key == key &&
				e.Action == "count" && len(e.Hash) == 64 && strings.Contains(e.By, "role all")
		}},
		{"its outcome", func(e audit.Entry) bool {
			return e.Event == audit.Ended && e.Job == good.JobID && e.State == "ok" && e.Message == "done" && e.TookUS > 0
		}},
		{"the refusal", func(e audit.Entry) bool {
			return e.Event == audit.Decided && e.Job == refused.JobID && e.Decision == audit.Refuse && e.Reason == string(job.ReasonAction) && e.Signer == "ann"
		}},
		{"the read", func(e audit.Entry) bool {
			return e.Event == audit.Ended && e.Job == read.JobID && e.Decision == audit.Run && e.State == "failed" && strings.Contains(e.Message, "crashed")
		}},
		{"the forged job", func(e audit.Entry) bool {
			return e.Event == audit.Dropped && e.Job == "" && strings.Contains(e.Message, "not in roster")
		}},
	}
	for _, tt := range tests {
		if _, ok := find(list, tt.fits); !ok {
			t.Errorf("no line for %s in %+v", tt.name, list)
		}
	}
	f.First().Stop()
	list = entries(t, f.First())
	if last := list[len(list)-1]; last.Event != audit.Stop {
		t.Errorf("the last line is %+v", last)
	}
}

// forge sends a job that a stranger signed, over an admin's connection.
func forge(t *testing.T, f *fleettest.Fleet) {
	t.Helper()
	stranger := identity.NewKey[identity.Admin]()
	now := time.Now()
	signed, err := f.As(job.Job{
		ID: job.NewID(now), Fleet: f.Root.Anchor().ID(), Issued: now.UnixMilli(), Expires: now.Add(time.Minute).UnixMilli(),
		Mode: job.Run, SealTo: identity.NewSealKey().Public(),
	}, "probe", "count", nil).Sign(stranger)
	if err != nil {
		t.Fatal(err)
	}
	tls, err := identity.AdminTLS(f.Root.Anchor(), f.Admin, func() identity.Roster { return f.Roster })
	if err != nil {
		t.Fatal(err)
	}
	nc, err := nats.Connect("tls://"+f.Token(identity.Record{Role: identity.Member}).Seeds[0], nats.Secure(tls), nats.TLSHandshakeFirst())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if err := nc.Publish(job.AllSubject, signed); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
}

func TestAdmissionsAreAudited(t *testing.T) {
	f, _ := one(t, &probe{})
	f.Join("web2", f.Token(identity.Record{Role: identity.Member}))
	if _, err := f.TryJoin(t.Context(), "web1", f.Token(identity.Record{Role: identity.Member})); err == nil {
		t.Fatal("a taken name was given away")
	}
	list := entries(t, f.First())
	if _, ok := find(list, func(e audit.Entry) bool {
		return e.Event == audit.Admission && e.Decision == audit.Admit && e.Signer == "web2" && e.Key != ""
	}); !ok {
		t.Errorf("no line for web2 in %+v", list)
	}
	if _, ok := find(list, func(e audit.Entry) bool {
		return e.Event == audit.Admission && e.Decision == audit.Refuse && e.Signer == "web1" && strings.Contains(e.Message, "belongs to another")
	}); !ok {
		t.Errorf("no line for the second web1 in %+v", list)
	}
}

// full makes the host's audit a file that is always full.
func full(t *testing.T, h *fleettest.Host) {
	t.Helper()
	dir := filepath.Join(h.Dir, "audit")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(dir, "audit.log")
	if err := errors.Join(os.Remove(log), os.Symlink("/dev/full", log)); err != nil { // it has a line: who founded the fleet
		t.Fatal(err)
	}
}

func TestWithoutAuditNothingIsChanged(t *testing.T) {
	f, p := fleettest.New(t), &probe{name: "web1", dir: t.TempDir()}
	f.Plugin = func(string) []plugin.Plugin { return []plugin.Plugin{p} }
	full(t, f.First())
	f.First().Start()
	c := f.Client()
	o := only(t, ask(t, c, "count"))
	wantOutcome(t, o, job.Denied, "this host changes nothing")
	if o.Reason != job.ReasonAudit || runs(t, p.dir, "web1") != 0 {
		t.Errorf("reason %q, ran %d times", o.Reason, runs(t, p.dir, "web1"))
	}
	wantOutcome(t, only(t, ask(t, c, "panic")), job.Failed, "crashed") // a read is answered, whatever it says
}

func TestAuditCanBeOptional(t *testing.T) {
	f, p := fleettest.New(t), &probe{name: "web1", dir: t.TempDir()}
	f.Plugin = func(string) []plugin.Plugin { return []plugin.Plugin{p} }
	f.Config = func(c *node.Config) { c.AuditOptional = true }
	full(t, f.First())
	f.First().Start()
	wantOutcome(t, only(t, ask(t, f.Client(), "count")), job.OK, "done")
	if runs(t, p.dir, "web1") != 1 {
		t.Error("did not run")
	}
}

// vault is a plugin with an argument that nobody but it may see.
type vault struct{}

func (vault) Declaration() plugin.Declaration {
	return plugin.Declaration{Name: "vault", Description: "x", Timeout: patience, Actions: []plugin.Action{{
		Name: "put", Description: "x", Kind: plugin.Change, Inputs: []plugin.Input{
			{Name: "name", Prompt: "Name", Type: plugin.String},
			{Name: "word", Prompt: "Word", Type: plugin.String, Secret: true, Pattern: "[a-z]+[0-9]"},
		},
	}}}
}

func (vault) Run(context.Context, plugin.Call) plugin.Result {
	return plugin.Result{State: plugin.OK, Message: "kept"}
}

func TestSecretsAreNotAudited(t *testing.T) {
	f := fleettest.New(t)
	f.Plugin = func(string) []plugin.Plugin { return []plugin.Plugin{vault{}} }
	f.First().Start()
	c := f.Client()
	r := planned(t, c, client.Request{Plugin: "vault", Action: "put", Args: map[string]any{"name": "other"}, Timeout: patience})
	for _, args := range []map[string]any{
		{"name": "db", "word": "hunter2"},                     // taken
		{"name": "db", "word": "hunter2!"},                    // refused: does not fit
		{"name": "db", "wrod": "hunter2"},                     // refused: a slip of the fingers
		{"name": "db", "word": "hunter2", "other": "hunter2"}, // refused: one too many
	} {
		r.Args = args
		if _, err := c.Run(t.Context(), r, nil); err != nil {
			t.Fatal(err)
		}
	}
	shown := 0
	for _, e := range entries(t, f.First()) {
		if e.Args["name"] == "db" {
			shown++
		}
	}
	if shown != 4 {
		t.Errorf("%d decisions show the argument that is no secret, want 4", shown)
	}
	raw, err := os.ReadFile(filepath.Join(f.First().Dir, "audit", "audit.log"))
	if err != nil || strings.Contains(string(raw), "hunter") {
		t.Errorf("the secret stands in the audit: %s, %v", raw, err)
	}
}

func TestRostersAreAudited(t *testing.T) {
	f, c := one(t, &probe{})
	for _, tt := range []struct {
		version uint64
		event   audit.Event
		text    string
	}{{3, audit.Roster, ", 1 admins"}, {2, audit.Document, "newer version is already here"}} {
		r := f.Roster
		r.Version = tt.version
		signed, err := identity.SignRoster(f.Root, r, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		c.PutDocument(t.Context(), signed) // the older one is refused; its line tells
		for {
			e, ok := find(entries(t, f.First()), func(e audit.Entry) bool { return e.Event == tt.event })
			if ok && !strings.Contains(e.Message, tt.text) {
				t.Errorf("%+v", e)
			}
			if ok || t.Context().Err() != nil {
				break
			}
			ask(t, c, "panic") // the roster may come into force a moment after the answer
		}
	}
}
