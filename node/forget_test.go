package node_test

import (
	"testing"

	"fleet/client"
	"fleet/identity"
	"fleet/internal/fleettest"
	"fleet/job"
)

// A host that was killed is missed until it is forgotten, which one that is alive cannot be; when it comes back it is there
// as before.
func TestForget(t *testing.T) {
	f, c := fleettest.Up(t, 3)
	web4 := f.Join("web4", f.Token(identity.Record{Role: identity.Member}))
	web4.Stop()
	process := web4.StartProcess()
	f.Await(c, 4)
	dead := named(t, ping(t, c), "web4").Node
	forget := func() client.Run {
		t.Helper()
		r := client.Request{Plugin: "node", Action: "forget", Args: map[string]any{"node": string(dead)}, Timeout: patience}
		run, err := c.Run(t.Context(), planned(t, c, r), nil)
		if err != nil {
			t.Fatal(err)
		}
		return run
	}
	for _, o := range forget().Outcomes {
		wantOutcome(t, o, job.Failed, "web4 is alive")
	}
	process.Kill()
	until(t, "web4 missed and then forgotten", func() bool { // a node that has not noticed yet says that it is alive
		for _, o := range forget().Outcomes {
			if o.State == job.Failed {
				return false
			}
		}
		return len(ping(t, c).Outcomes) == 3
	})
	wantOutcome(t, named(t, forget(), "web1"), job.Unchanged, "not known here")
	web4.Start()
	f.Await(c, 4)
}
