package cli

import (
	"context"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"fleet/client"
	"fleet/facts"
	"fleet/gossip"
	"fleet/identity"
	"fleet/internal/fleettest"
	"fleet/job"
	"fleet/node"
	"fleet/plugins"
	"fleet/plugins/rpcutil"
)

// A whole rotation on a live fleet: hosts that are up stay, one that was down is out, is told so, and comes back with a new
// token as who it was.
func TestRotateReplacesTheKeysOfALiveFleet(t *testing.T) {
	f, c := fleettest.Up(t, 3)
	down := f.Join("web4", f.Token(identity.Record{Role: identity.Member}))
	f.Join("web5", f.Token(identity.Record{Role: identity.Member}))
	f.Await(c, 5)
	down.Stop()
	f.Await(c, 4)
	before := keysOf(t, f.First())
	oldDown := keysOf(t, down)
	home := homeOfFleet(t, f)

	if code, _, errs := typed(t, home, "rotate"); code != 2 || !strings.Contains(errs, "give new keys to these 4 hosts, including 3 peers") {
		t.Fatalf("off a terminal and without --yes: %d %s", code, errs)
	}
	for range 2 { // what was rotated rotates again
		code, _, errs := typed(t, home, "rotate", "-y")
		if code != 0 {
			t.Fatalf("%d %s", code, errs)
		}
		expect(t, errs, "4 hosts have the new keys", "4 hosts have new certificates", "4 hosts use only the new keys", "no longer accepted")
	}
	f.Await(c, 4)
	run, err := c.Run(t.Context(), client.Request{Plugin: "rpcutil", Action: "ping", Timeout: 20 * time.Second}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range run.Outcomes {
		if o.Name != "web4" && o.State != job.OK {
			t.Errorf("%s: %s %s", o.Name, o.State, o.Message)
		}
	}

	// The one that was down holds the old keys; neither its certificate nor what it could issue is worth anything.
	r, err := c.Roster(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	id, err := identity.OpenChain(f.Root.Anchor(), oldDown.Chain, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Admit(id); err == nil || !strings.Contains(err.Error(), "admit the host again with a new token") {
		t.Errorf("%v", err)
	}
	if r.Keys.Gossip == identity.GossipID(before.GossipKeys[0]) {
		t.Error("the gossip key is the old one")
	}
	d, err := node.OpenDataDir(down.Dir)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, refusedNode(t, d), "was down when the keys were replaced", "admit it again with a new token (fleet node --join @FILE)")
	again, err := node.Join(t.Context(), d, f.Token(identity.Record{Role: identity.Member}), "web4", slog.New(slog.DiscardHandler))
	d.Close()
	if err != nil {
		t.Fatal(err)
	}
	if !again.Key.Public().Equal(oldDown.Key.Public()) {
		t.Error("it made itself a new key")
	}
	down.Start()
	f.Await(c, 5)

	// All of it outlives a restart, the first host's broker and issuing key included.
	f.First().Stop()
	f.First().Start()
	f.Await(f.Client(), 5)
	f.Join("web6", f.Token(identity.Record{Role: identity.Peer}))
	f.Await(f.Client(), 6)
}

// refusedNode runs a node that is not of the fleet any more until it says why it reaches no broker.
func refusedNode(t *testing.T, d *node.DataDir) string {
	t.Helper()
	said := make(saying, 64)
	n, err := node.New(node.Config{
		Dir: d, Bind: netip.MustParseAddr("127.0.0.1"), Profile: gossip.Loopback, Version: "test", Log: slog.New(said),
		Facts: facts.Config{Dirs: []string{t.TempDir()}}, Plugins: func(h plugins.Host) (*plugins.Set, error) { return plugins.New(rpcutil.New(h, h)) },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	late := time.After(time.Minute)
	for {
		select {
		case line := <-said:
			if strings.HasPrefix(line, "no broker reached yet") {
				return line
			}
		case <-late:
			t.Fatal("it does not say that it reaches no broker")
		}
	}
}

// saying is a log that can be waited for.
type saying chan string

func (s saying) Enabled(context.Context, slog.Level) bool { return true }
func (s saying) WithAttrs([]slog.Attr) slog.Handler       { return s }
func (s saying) WithGroup(string) slog.Handler            { return s }
func (s saying) Handle(_ context.Context, r slog.Record) error {
	text := r.Message
	r.Attrs(func(a slog.Attr) bool { text += " " + a.String(); return true })
	select {
	case s <- text:
	default: // nobody waits for that much
	}
	return nil
}

// keysOf reads what a host has on disk. It must not run.
func keysOf(t *testing.T, h *fleettest.Host) node.Membership {
	t.Helper()
	m, err := h.Membership()
	if err != nil {
		t.Fatal(err)
	}
	return m
}
