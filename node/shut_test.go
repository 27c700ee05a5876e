package node_test

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"fleet/client"
	"fleet/identity"
	"fleet/internal/fleettest"
	"fleet/job"
	"fleet/node"
	"fleet/node/mesh"
)

// shutGossip has a host that does not run hear nobody by gossip, nor anybody it: to both sides another key is as a port that is shut.
func shutGossip(t *testing.T, h *fleettest.Host, docs ...[]byte) {
	t.Helper()
	d, err := node.OpenDataDir(h.Dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	m, err := d.Load()
	m.GossipKeys = [][]byte{make([]byte, 32)}
	rand.Read(m.GossipKeys[0])
	if err := errors.Join(err, d.Save(m, docs)); err != nil {
		t.Fatal(err)
	}
}

// counted is a log: how often it says what.
type counted struct {
	mu   sync.Mutex
	said map[string]int
}

func (c *counted) Enabled(context.Context, slog.Level) bool { return true }
func (c *counted) WithAttrs([]slog.Attr) slog.Handler       { return c }
func (c *counted) WithGroup(string) slog.Handler            { return c }
func (c *counted) Handle(_ context.Context, r slog.Record) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.said[r.Message]++
	return nil
}

func (c *counted) times(message string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.said[message]
}

// A peer whose gossip port is shut stays a client of the brokers that it knows, so everybody has its answer, and founds no fleet of its
// own. It runs a broker when it reaches none of them, and is back when one of them is.
func TestAPeerWhoseGossipPortIsShut(t *testing.T) {
	for name, knows := range map[string]bool{"since its first start": false, "after a restart": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := fleettest.New(t)
			f.First().Start()
			web2 := f.Join("web2", f.Token(identity.Record{Role: identity.Peer}))
			web3 := f.Join("web3", f.Token(identity.Record{Role: identity.Peer}))
			c := f.Client()
			f.Await(c, 3)
			web3.Stop()
			shutGossip(t, web3, f.Signed)
			if !knows {
				if err := os.Remove(filepath.Join(web3.Dir, mesh.MembersFile)); err != nil {
					t.Fatal(err)
				}
			}
			said := &counted{said: map[string]int{}}
			f.Config = func(c *node.Config) { c.Log = slog.New(said) }
			web3.Start()
			f.Config = nil
			f.Await(c, 3)
			status := func(name string) client.Outcome {
				t.Helper()
				run, err := c.Run(t.Context(), client.Request{Plugin: "node", Action: "status", Timeout: patience}, nil)
				if err != nil {
					t.Fatal(err)
				}
				i := slices.IndexFunc(run.Outcomes, func(o client.Outcome) bool { return o.Name == name })
				if i < 0 {
					t.Fatalf("%s is missing without a name: %+v", name, run.Outcomes)
				}
				return run.Outcomes[i]
			}
			for began := time.Now(); time.Since(began) < 3*time.Second; { // several times what settling takes
				if o := status("web3"); o.State != job.OK || o.Data["broker"] == true {
					t.Fatalf("%+v", o)
				}
			}

			// What changes reaches it, who runs a broker included.
			bob := identity.NewKey[identity.Admin]()
			if err := c.PutDocument(t.Context(), roster(t, f, f.Root, 2, with(bob))); err != nil {
				t.Fatal(err)
			}
			awaitAll(t, f, bob, 3)

			web2.Stop()
			f.First().Stop()
			until(t, "web3 runs a broker itself", func() bool { return said.times("started a broker") == 1 })
			f.First().Start()
			web2.Start()
			c = f.Client()
			if o := status("web3"); o.State != job.OK && o.State != job.Silent {
				t.Errorf("while it is on its own: %+v", o)
			}
			f.Await(c, 3)
			if o := status("web3"); o.State != job.OK || o.Data["broker"] == true {
				t.Errorf("it is back: %+v", o)
			}
		})
	}
}
