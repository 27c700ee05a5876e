package node_test

import (
	"fmt"
	"strconv"
	"testing"

	"fleet/client"
	"fleet/identity"
	"fleet/internal/fleettest"
	"fleet/node"
)

// A peer that takes up the role leaves the broker it was connected to for its own, though that one is well: what it was
// connected to may be the next to hang, and its own never does without it.
func TestWhoTakesTheRoleMovesToItsOwnBroker(t *testing.T) {
	f := fleettest.New(t)
	f.Config = func(c *node.Config) { c.Pinned = c.BrokerPort != 0 } // web1, to whose broker the client is connected
	f.First().Start()
	c := f.Client()
	hosts := map[string]*fleettest.Host{}
	for i := 2; i <= 4; i++ {
		name := "web" + strconv.Itoa(i)
		hosts[name] = f.Join(name, f.Token(identity.Record{Role: identity.Peer}))
	}
	f.Await(c, 4)
	// look says to which broker each host is connected, and who carries one.
	look := func() (to map[string]any, carriers map[string]bool) {
		run, err := c.Run(t.Context(), client.Request{Plugin: "rpcutil", Action: "status", Timeout: patience}, nil)
		if err != nil {
			t.Log(err) // the brokers change
		}
		to, carriers = map[string]any{}, map[string]bool{}
		for _, o := range run.Outcomes {
			to[o.Name] = o.Data["connected"]
			if routes, _ := o.Data["routes"].([]any); len(routes) == 2 {
				carriers[o.Name] = true
			}
		}
		return to, carriers
	}
	var before map[string]any
	idle, ends := "", ""
	until(t, "three brokers", func() bool {
		to, carriers := look()
		if len(carriers) != 3 || len(to) != 4 {
			return false
		}
		before = to
		for name := range to {
			if !carriers[name] {
				idle = name
			}
		}
		for name := range carriers {
			if name != "web1" && to[name] != to[idle] { // the client is connected to web1
				ends = name
			}
		}
		return idle != ""
	})
	hosts[ends].Stop()
	until(t, fmt.Sprintf("%s at its own broker", idle), func() bool {
		to, carriers := look()
		return len(carriers) == 3 && carriers[idle] && to[idle] != before[idle]
	})
}
