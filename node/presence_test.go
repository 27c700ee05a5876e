package node_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"fleet/client"
	"fleet/identity"
	"fleet/internal/fleettest"
	"fleet/job"
)

// A host that should have answered must be named, also by a broker that was restarted after the host failed.
func TestAHostThatFailedIsNamedAfterTheBrokerWasRestarted(t *testing.T) {
	for name, peers := range map[string]int{"the only broker": 1, "one of three": 3} {
		t.Run(name, func(t *testing.T) {
			f := fleettest.New(t)
			f.First().Start()
			c := f.Client()
			for i := 2; i <= peers; i++ {
				f.Join("web"+strconv.Itoa(i), f.Token(identity.Record{Role: identity.Peer}))
			}
			db := f.Join("db1", f.Token(identity.Record{Role: identity.Member})).StartProcess()
			f.Await(c, peers+1)
			db.Kill()
			awaitPresence(t, c, "db1", job.MemberFailed)
			f.First().Stop()
			f.First().Start()
			c = f.Client()
			f.Await(c, peers)
			run, err := c.Run(t.Context(), client.Request{Plugin: "rpcutil", Action: "ping", Timeout: patience}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if len(run.Outcomes) != peers+1 {
				t.Errorf("%+v", run.Outcomes)
			}
			for _, o := range run.Outcomes {
				want := job.OK
				if o.Name == "db1" {
					want = job.Silent
				}
				if o.State != want {
					t.Errorf("%s is %s: %s", o.Name, o.State, o.Message)
				}
				if o.Name == "db1" && !strings.HasPrefix(o.Message, "failed ") {
					t.Errorf("of db1 it says %q", o.Message)
				}
			}
		})
	}
}

func awaitPresence(t *testing.T, c *client.Client, name string, want job.Presence) {
	t.Helper()
	for t.Context().Err() == nil {
		members, err := c.Members(t.Context())
		if err == nil && slices.ContainsFunc(members, func(m job.Member) bool { return m.Name == name && m.Presence == want }) {
			return
		}
	}
	t.Fatalf("%s never became %s", name, want)
}
