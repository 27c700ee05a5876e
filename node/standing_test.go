package node_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fleet/client"
	"fleet/identity"
	"fleet/internal/fleettest"
	"fleet/job"
	"fleet/plugins/answers"
)

// Three peers agree: each has a route to the two others, all have the roster, and see the same hosts.
func TestStanding(t *testing.T) {
	f, c := fleettest.Up(t, 4)
	ask := func(action string) client.Run {
		t.Helper()
		run, err := c.Run(t.Context(), client.Request{Plugin: "node", Action: action, Timeout: patience}, nil)
		if err != nil || len(run.Outcomes) < 4 {
			t.Fatalf("%+v %v", run, err)
		}
		return run
	}
	until(t, "agreement", func() bool {
		views, routes := map[any]int{}, 0
		for _, o := range ask("status").Outcomes {
			views[o.Data["view"]]++
			list, _ := o.Data["routes"].([]any)
			routes += len(list)
			if o.State != job.OK || o.Data["roster"] != int64(1) || o.Data["protocol"] != int64(job.Protocol) || o.Data["connected"] == "" {
				return false
			}
			if o.Clock.Within <= 0 || o.Clock.Off(patience) { // one machine has one clock
				t.Errorf("%s: %+v", o.Name, o.Clock)
			}
		}
		return len(views) == 1 && routes == 6
	})
	for _, o := range ask("view").Outcomes {
		list, _ := o.Data["members"].([]any)
		if len(list) != 4 || o.Message != "4 alive, 0 failed" {
			t.Errorf("%s: %s %v", o.Name, o.Message, list)
		}
	}
	s, err := answers.From[answers.Status](named(t, ask("status"), "web4").Data)
	want := []answers.Document{{Name: "root/root", Version: 1, Hash: identity.HashOf(f.Root.Raw()).Short()}, {Name: "roster/roster", Version: 1, Hash: identity.HashOf(f.Signed).Short()}}
	if err != nil || !slices.Equal(s.Documents, want) || s.DocumentsHash == "" {
		t.Errorf("documents %v, together %q, %v", s.Documents, s.DocumentsHash, err)
	}
}

// A file of facts that others could have written is left out, and the host says so itself.
func TestRefusedFactsAreTrouble(t *testing.T) {
	f, c := fleettest.Up(t, 1)
	dir := filepath.Join(f.First().Dir, "facts.d")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "role.txt")
	if err := os.WriteFile(file, []byte("role=db\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	trouble := func(mode os.FileMode) []string {
		t.Helper()
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
		var run client.Run
		for _, ask := range []client.Request{{Plugin: "rpcutil", Action: "refresh_facts"}, {Plugin: "node", Action: "status"}} {
			var err error
			ask.Timeout = patience
			if run, err = c.Run(t.Context(), ask, nil); err != nil || len(run.Outcomes) != 1 {
				t.Fatalf("%+v %v", run, err)
			}
		}
		s, err := answers.From[answers.Status](run.Outcomes[0].Data)
		if err != nil {
			t.Fatal(err)
		}
		return s.Trouble
	}
	named := func(line string) bool { return strings.HasPrefix(line, file+" is not read: ") }
	if list := trouble(0o666); !slices.ContainsFunc(list, named) {
		t.Errorf("%v does not name %s", list, file)
	}
	if list := trouble(0o644); slices.ContainsFunc(list, named) {
		t.Errorf("%v still names %s", list, file)
	}
}
