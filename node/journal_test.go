package node_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"fleet/client"
	"fleet/internal/fleettest"
	"fleet/job"
	"fleet/plugins/answers"
	"fleet/plugins/plugin"
)

// A host whose journal is damaged, while it runs or before it starts: what ran does not run again, a change that was signed before
// is refused, the host is asked as ever, and names it in its status.
func TestALostJournal(t *testing.T) {
	for _, running := range []bool{true, false} {
		var ran atomic.Int64
		f := fleettest.New(t)
		f.Plugin = func(string) []plugin.Plugin { return []plugin.Plugin{counting{&ran}} }
		host := f.First()
		host.Start()
		c := f.Client()
		plan, err := c.Plan(t.Context(), client.Request{Plugin: "counting", Action: "up", Timeout: patience}, nil)
		if err != nil {
			t.Fatal(err)
		}
		p, err := c.Prepare(client.Request{Plugin: "counting", Action: "up", Targets: plan.Targets})
		if err != nil {
			t.Fatal(err)
		}
		if run, err := c.Submit(t.Context(), p, patience, nil); err != nil || run.Outcomes[0].State != job.OK {
			t.Fatalf("%+v, %v", run, err)
		}
		if !running {
			host.Stop()
		}
		if err := os.Truncate(filepath.Join(host.Dir, "journal.db"), 5000); err != nil {
			t.Fatal(err)
		}
		if !running {
			host.Start()
			c = f.Client()
			f.Await(c, 1)
		}
		run, err := c.Submit(t.Context(), p, patience, nil)
		if err != nil || run.Outcomes[0].Reason != job.ReasonJournal || ran.Load() != 1 {
			t.Errorf("running %t: it ran %d times: %+v, %v", running, ran.Load(), run, err)
		}
		status, err := c.Run(t.Context(), client.Request{Plugin: "node", Action: "status", Timeout: patience}, nil)
		if err != nil {
			t.Fatal(err)
		}
		s, err := answers.From[answers.Status](status.Outcomes[0].Data)
		if err != nil || !slices.ContainsFunc(s.Trouble, func(line string) bool {
			return strings.Contains(line, "it lost its journal at "+time.Now().UTC().Format("2006-"))
		}) {
			t.Errorf("running %t: %q, %v", running, s.Trouble, err)
		}
	}
}
