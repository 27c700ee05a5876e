package node_test

import (
	"os"
	"path/filepath"
	"testing"

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
