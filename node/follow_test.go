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
	// look says to which broker each host is connected, and who runs one, nil while a broker lacks a route to another.
	look := func() (to map[string]any, running map[string]bool) {
		run, err := c.Run(t.Context(), client.Request{Plugin: "node", Action: "status", Timeout: patience}, nil)
		if err != nil {
			t.Log(err) // the brokers change
		}
		to, running = map[string]any{}, map[string]bool{}
		routes := 0
		for _, o := range run.Outcomes {
			to[o.Name] = o.Data["connected"]
			if o.Data["broker"] == true {
				running[o.Name] = true
				of, _ := o.Data["routes"].([]any)
				routes += len(of)
			}
		}
		if routes != len(running)*(len(running)-1) {
			return to, nil
		}
		return to, running
	}
	var before map[string]any
	idle, ends := "", ""
	until(t, "three brokers", func() bool {
		to, running := look()
		if len(running) != 3 || len(to) != 4 {
			return false
		}
		before = to
		for name := range to {
			if !running[name] {
				idle = name
			}
		}
		for name := range running {
			if name != "web1" && to[name] != to[idle] { // the client is connected to web1
				ends = name
			}
		}
		return idle != ""
	})
	hosts[ends].Stop()
	until(t, fmt.Sprintf("%s at its own broker", idle), func() bool {
		to, running := look()
		return len(running) == 3 && running[idle] && to[idle] != before[idle]
	})
}
