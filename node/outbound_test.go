package node_test

import (
	"errors"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fleet/client"
	"fleet/identity"
	"fleet/internal/fleettest"
	"fleet/job"
	"fleet/node"
	"fleet/plugins"
	"fleet/plugins/rpcutil"
)

// A host that nobody can reach does not gossip, and counts as any other: it is in each answer, gets new rosters also when it
// was away, is named when it is lost, and not missed when it left.
func TestAHostWithoutGossip(t *testing.T) {
	f := fleettest.New(t)
	f.First().Start()
	c := f.Client()
	peers := f.Token(identity.Record{Role: identity.Peer})
	f.Join("web2", peers)
	f.Join("web3", peers)
	f.Config = func(c *node.Config) { c.Outbound = true }
	outside := f.Join("outside", f.Token(identity.Record{Role: identity.Member}))
	f.Await(c, 4)
	bob, eve := identity.NewKey[identity.Admin](), identity.NewKey[identity.Admin]()
	if err := c.PutDocument(t.Context(), roster(t, f, f.Root, 2, with(bob))); err != nil {
		t.Fatal(err)
	}
	awaitAll(t, f, bob, 4)
	status := func() client.Outcome {
		run, err := c.Run(t.Context(), client.Request{Plugin: "node", Action: "status", Timeout: patience}, nil)
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(run.Outcomes, func(o client.Outcome) bool { return o.Name == "outside" })
		if i < 0 {
			t.Fatalf("%+v", run.Outcomes)
		}
		return run.Outcomes[i]
	}
	if o := status(); o.State != job.OK || o.Data["view"] != "" || o.Data["connected"] == "" {
		t.Errorf("%+v", o)
	}
	kept := filepath.Join(outside.Dir, "brokers.json")
	until(t, "it knows three brokers", func() bool {
		raw, err := os.ReadFile(kept)
		return err == nil && strings.Count(string(raw), "127.0.0.1:") == 3
	})

	outside.Stop()
	f.Await(c, 3)
	run, err := c.Run(t.Context(), client.Request{Plugin: "rpcutil", Action: "ping", Timeout: patience}, nil)
	if err != nil || len(run.Outcomes) != 3 {
		t.Errorf("one that left is missed: %+v, %v", run.Outcomes, err)
	}
	if err := c.PutDocument(t.Context(), roster(t, f, f.Root, 3, with(eve))); err != nil {
		t.Fatal(err)
	}
	outside.Start()
	awaitAll(t, f, eve, 4)
}

// The brokers that it knew may all be gone when it comes back: those of its admission are left.
func TestAHostWithoutGossipWithOldBrokers(t *testing.T) {
	f := fleettest.New(t)
	f.First().Start()
	c := f.Client()
	f.Config = func(c *node.Config) { c.Outbound = true }
	outside := f.Join("outside", f.Token(identity.Record{Role: identity.Member}))
	f.Await(c, 2)
	outside.Stop()
	f.Await(c, 1)
	kept := filepath.Join(outside.Dir, "brokers.json")
	for _, text := range []string{`{"schema":"fleet.brokers/v1","brokers":["127.0.0.1:1"]}`, `{"schema":"fleet.brokers/v1","brokers":["nowhere"]}`, "x", ""} {
		if err := os.WriteFile(kept, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		outside.Start()
		f.Await(c, 2)
		until(t, "it knows the broker", func() bool {
			raw, err := os.ReadFile(kept)
			return err == nil && strings.Contains(string(raw), f.Broker())
		})
		outside.Stop()
		f.Await(c, 1)
	}
}

// A peer may have to run a broker, so it has to be reachable.
func TestAPeerHasToGossip(t *testing.T) {
	f := fleettest.New(t)
	d, err := node.OpenDataDir(f.First().Dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	_, err = node.New(node.Config{
		Dir: d, Bind: netip.MustParseAddr("127.0.0.1"), Outbound: true, Version: "test", Log: slog.New(slog.DiscardHandler),
		Plugins: func(h plugins.Host) (*plugins.Set, error) { return plugins.New(rpcutil.New(h, h)) },
	})
	if err == nil || !strings.Contains(err.Error(), "gossip = false") {
		t.Errorf("%v", err)
	}
}

// A broker that has just come back must not say who is there before it knows who is on the other brokers: whoever is not
// named is not missed.
func TestARestartedBrokerNamesHostsWithoutGossip(t *testing.T) {
	f := fleettest.New(t)
	f.First().Start()
	c := f.Client()
	second := f.Join("web2", f.Token(identity.Record{Role: identity.Peer}))
	f.Config = func(c *node.Config) { c.Outbound = true }
	f.Join("outside", f.Token(identity.Record{Role: identity.Member}))
	f.Config = nil
	f.Await(c, 3)
	second.Stop()
	f.Await(c, 2)
	for range 3 {
		if err := os.Remove(filepath.Join(second.Dir, "presence.json")); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err) // it is as a crash may leave it: written every half minute
		}
		process := second.StartProcess()
		direct := connectTo(t, f, c, "web2")
		run, err := direct.Run(t.Context(), client.Request{Plugin: "rpcutil", Action: "ping", Timeout: patience}, nil)
		if err != nil || !slices.ContainsFunc(run.Outcomes, func(o client.Outcome) bool { return o.Name == "outside" && o.State == job.OK }) {
			t.Errorf("the first answer of a broker that was restarted: %+v, %v", run.Outcomes, err)
		}
		direct.Close()
		process.Kill()
	}
}

// The same of the founding host, which no token told where others are: it knows that from its own file alone.
func TestTheRestartedFirstBrokerNamesHostsWithoutGossip(t *testing.T) {
	f := fleettest.New(t)
	f.First().Start()
	c := f.Client()
	f.Join("web2", f.Token(identity.Record{Role: identity.Peer}))
	f.Config = func(c *node.Config) { c.Outbound = true }
	f.Join("outside", f.Token(identity.Record{Role: identity.Member}))
	f.Config = nil
	f.Await(c, 3)
	for range 5 {
		f.First().Stop()
		if err := os.Remove(filepath.Join(f.First().Dir, "presence.json")); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		f.First().Start()
		direct := f.Client()
		run, err := direct.Run(t.Context(), client.Request{Plugin: "rpcutil", Action: "ping", Timeout: patience}, nil)
		if err != nil || !slices.ContainsFunc(run.Outcomes, func(o client.Outcome) bool { return o.Name == "outside" && o.State == job.OK }) {
			t.Errorf("the first answer of the founding host's broker after its restart: %+v, %v", run.Outcomes, err)
		}
		direct.Close()
	}
}

// connectTo connects to the broker of that host alone, as soon as it runs one.
func connectTo(t *testing.T, f *fleettest.Fleet, c *client.Client, host string) *client.Client {
	t.Helper()
	var direct *client.Client
	until(t, host+" runs a broker", func() bool {
		members, err := c.Members(t.Context())
		i := slices.IndexFunc(members, func(m job.Member) bool { return m.Name == host && m.Presence == job.Alive && m.Broker != "" })
		if err != nil || i < 0 {
			return false
		}
		direct, err = client.Connect(t.Context(), client.Config{Root: f.Root.Anchor(), Key: f.Admin, Brokers: []string{members[i].Broker}, Log: slog.New(slog.DiscardHandler), Declared: f.Declared})
		return err == nil
	})
	return direct
}
