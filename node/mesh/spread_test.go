package mesh_test

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"fleet/client"
	"fleet/identity"
	"fleet/internal/fleettest"
	"fleet/node"
	"fleet/node/mesh"
)

// Whoever was there before a broker came moves to it, if it is the one that it prefers, also after the broker was away.
func TestNodesMoveToTheBrokerTheyPrefer(t *testing.T) {
	f := fleettest.New(t)
	f.Config = func(c *node.Config) { c.Pinned = c.BrokerPort != 0 } // web1, to whose broker the client is connected
	f.First().Start()
	c := f.Client()
	token := f.Token(identity.Record{Role: identity.Member})
	for i := 2; i <= 6; i++ {
		f.Join("web"+strconv.Itoa(i), token)
	}
	peers := f.Token(identity.Record{Role: identity.Peer})
	f.Join("web7", peers)
	web8 := f.Join("web8", peers)
	spread := func() (ok bool, why string) {
		members, err := c.Members(t.Context())
		if err != nil {
			return false, err.Error()
		}
		var urls []string
		runs := map[identity.ID]bool{}
		for _, m := range members {
			if m.Broker != "" {
				urls = append(urls, "tls://"+m.Broker) // as nodes write it
				runs[m.Node] = true
			}
		}
		run, err := c.Run(t.Context(), client.Request{Plugin: "node", Action: "status", Timeout: 30 * time.Second}, nil)
		if err != nil || len(urls) != 3 || len(run.Outcomes) != 8 {
			return false, fmt.Sprintf("%d of 8 hosts, brokers %v, %v", len(run.Outcomes), urls, err)
		}
		for _, o := range run.Outcomes {
			if want := mesh.Ranked(o.Node, urls)[0]; !runs[o.Node] && "tls://"+fmt.Sprint(o.Data["connected"]) != want {
				return false, fmt.Sprintf("%s is on %v and prefers %s", o.Name, o.Data["connected"], want)
			}
		}
		return true, ""
	}
	evenly := func(what string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		for last := ""; ; {
			ok, why := spread()
			if ok {
				return
			}
			if why != last {
				t.Log(why)
			}
			if last = why; ctx.Err() != nil {
				t.Fatalf("%s: not yet: %s", what, why)
			}
		}
	}
	evenly("the nodes where they want to be")
	web8.Stop()
	web8.Start()
	evenly("the nodes where they want to be again")
}
