package node_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fleet/client"
	"fleet/identity"
	"fleet/internal/fleettest"
	"fleet/job"
	"fleet/job/filter"
	"fleet/plugins/plugin"
)

// A change is planned with a match and run on the plan's hosts; one that matches no more by then is skipped.
func TestAPlanAndItsRun(t *testing.T) {
	dir := t.TempDir()
	f := fleettest.New(t)
	f.Plugin = func(name string) []plugin.Plugin { return []plugin.Plugin{&probe{name: name, dir: dir}} }
	group := func(h *fleettest.Host, g string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Join(h.Dir, "facts.d"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(h.Dir, "facts.d", "group.txt"), []byte("hagroup="+g+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	group(f.First(), "a")
	f.First().Start()
	c := f.Client()
	for _, name := range []string{"web2", "web3"} {
		h := f.Join(name, f.Token(identity.Record{Role: identity.Member}))
		h.Stop()
		group(h, "c")
		h.Start()
	}
	f.Await(c, 3)

	inC, err := filter.Build(filter.Flags{Fact: []string{"hagroup=c"}})
	if err != nil {
		t.Fatal(err)
	}
	r := client.Request{Plugin: "probe", Action: "count", Filter: inC, Timeout: patience}
	plan, err := c.Plan(t.Context(), r, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(plan.Targets) != 2 || plan.Targets[0].Name != "web2" || plan.Targets[1].Name != "web3" || plan.Fleet != 3 || len(plan.Silent)+len(plan.Refused) != 0 {
		t.Fatalf("%+v", plan)
	}
	if runs(t, dir, "web2") != 0 {
		t.Error("a plan ran something")
	}

	group(f.Hosts()[2], "b")
	if _, err := c.Run(t.Context(), client.Request{Plugin: "rpcutil", Action: "refresh_facts", Timeout: patience}, nil); err != nil {
		t.Fatal(err)
	}
	r.Targets = plan.Targets
	run, err := c.Run(t.Context(), r, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(run.Outcomes) != 2 || run.Expected != 2 || run.NoMatch != 0 {
		t.Errorf("%+v", run)
	}
	wantOutcome(t, named(t, run, "web2"), job.OK, "done")
	wantOutcome(t, named(t, run, "web3"), job.Skipped, "no longer matches the filter")
	for name, want := range map[string]int{"web1": 0, "web2": 1, "web3": 0} {
		if n := runs(t, dir, name); n != want {
			t.Errorf("%s ran it %d times", name, n)
		}
	}

	// A read goes to whoever matches, without a plan: those that do not are counted.
	r.Targets, r.Action = nil, "tell"
	if run, err = c.Run(t.Context(), r, nil); err != nil || len(run.Outcomes) != 1 || run.NoMatch != 2 || run.Expected != 3 {
		t.Errorf("%+v, %v", run, err)
	}
}

// A host knows the portion that came to it by the id of its plan, and when the plan is cancelled there, it stops that portion and refuses
// every other, whether it came yet or not.
func TestAPlanIsCancelled(t *testing.T) {
	p := &probe{began: make(chan struct{}, 1), release: make(chan struct{})}
	_, c := one(t, p)
	portion := func(id, action string, part uint32) <-chan client.Run {
		r := planned(t, c, client.Request{Plugin: "probe", Action: action, Timeout: patience})
		r.Plan = job.Plan{ID: id, Hash: job.HashOf([]byte("both")), Total: 2, Part: part, Parts: 2, Position: part}
		pending, err := c.Prepare(r)
		if err != nil {
			t.Fatal(err)
		}
		return sent(t, c, pending, nil)
	}
	plan := job.NewID(time.Now())
	first := portion(plan, "hold", 0)
	<-p.began
	if o := aboutJob(t, c, "show", plan); o.Data["state"] != "running" || o.Data["plan"] != plan || o.Data["parts"] != int64(2) || o.Data["total"] != int64(2) || o.Data["id"] == plan {
		t.Errorf("%+v", o.Data)
	}
	wantOutcome(t, aboutJob(t, c, "cancel", plan), job.OK, "told to stop")
	o := only(t, <-first)
	wantOutcome(t, o, job.Failed, "told to stop: stopped: context canceled")
	if o.Reason != job.ReasonCancelled {
		t.Errorf("why it ended: %q", o.Reason)
	}
	wantOutcome(t, only(t, <-portion(plan, "count", 1)), job.Denied, "was cancelled before it came here")
	if n := runs(t, p.dir, "web1"); n != 1 {
		t.Errorf("%d portions ran", n)
	}
	if o := aboutJob(t, c, "show", plan); o.Data["state"] != "failed" {
		t.Errorf("%+v", o.Data)
	}
	list, _ := aboutJob(t, c, "list", "").Data["jobs"].([]any)
	of := 0
	for _, j := range list {
		if told, _ := j.(map[string]any); told["plan"] == plan || told["id"] == plan {
			of++
		}
	}
	if of != 1 {
		t.Errorf("%d lines of the plan in %v", of, list)
	}
	run, err := c.Run(t.Context(), client.Request{Plugin: "node", Action: "audit", Args: map[string]any{"job": plan}, Timeout: patience}, nil)
	if err != nil {
		t.Fatal(err)
	}
	lines, _ := only(t, run).Data["lines"].([]any)
	if text := fmt.Sprint(lines); !strings.Contains(text, `"plan":"`+plan+`"`) || !strings.Contains(text, `"decision":"run"`) {
		t.Errorf("the audit says of the plan: %v", lines)
	}

	early := job.NewID(time.Now())
	wantOutcome(t, aboutJob(t, c, "cancel", early), job.OK, "will not run")
	wantOutcome(t, only(t, <-portion(early, "count", 0)), job.Denied, "was cancelled before it came here")
	if n := runs(t, p.dir, "web1"); n != 1 {
		t.Errorf("%d portions ran", n)
	}
}
