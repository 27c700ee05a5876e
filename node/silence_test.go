package node_test

import (
	"strings"
	"testing"

	"fleet/client"
	"fleet/gossip"
	"fleet/identity"
	"fleet/internal/fleettest"
	"fleet/job"
	"fleet/node"
)

// A process that is stopped answers nothing, and its connections stand: gossip notices in 2 to 10 s, a broker in a minute.
func TestAHostThatHangsIsNotWaitedFor(t *testing.T) {
	f := fleettest.New(t)
	f.Config = func(c *node.Config) { c.Profile = gossip.LAN }
	f.First().Start()
	c := f.Client()
	f.Join("web2", f.Token(identity.Record{Role: identity.Peer}))
	db := f.Join("db1", f.Token(identity.Record{Role: identity.Member})).StartProcess()
	f.Await(c, 3)
	db.Freeze()
	run, err := c.Run(t.Context(), client.Request{Plugin: "rpcutil", Action: "ping", Timeout: patience}, nil)
	if err != nil || len(run.Outcomes) != 3 {
		t.Fatalf("%+v, %v", run.Outcomes, err)
	}
	for _, o := range run.Outcomes {
		switch {
		case o.Name != "db1" && o.State != job.OK:
			t.Errorf("%s is %s: %s", o.Name, o.State, o.Message)
		case o.Name == "db1" && (o.State != job.Silent || strings.Contains(o.Message, "no answer within")):
			t.Errorf("the host that hangs is %s: %q", o.State, o.Message)
		}
	}
	t.Logf("took %s", run.Took)
}
