package gossip

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/memberlist"
)

func itoa(i int) string { return strconv.Itoa(i) }

func node(id string, meta []byte) *memberlist.Node {
	return &memberlist.Node{Name: id, Addr: net.IPv4(10, 0, 0, 1), Port: 1, Meta: meta}
}

// onLoopback starts a node on real sockets, those of transport if it is given. changed gets a value after each change.
func onLoopback(t *testing.T, i int, key []byte, transport memberlist.NodeAwareTransport) (g *Gossip, changed chan struct{}, stop func()) {
	t.Helper()
	changed = make(chan struct{}, 1)
	g, err := New(Config{
		Self: Member{ID: idOf(i), Host: "web" + itoa(i), Started: time.Now(), Peer: true, Protocol: 1}, Fleet: "acme",
		Bind: netip.MustParseAddrPort("127.0.0.1:0"), Keys: [][]byte{key}, Profile: Loopback,
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)), OnChange: func() { notify(changed) }, transport: transport,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- g.Run(ctx) }()
	stop = func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
	return g, changed, stop
}

// until waits for the members of g to stand as want, event by event. The test's own limit ends it if they never do.
func until(t *testing.T, g *Gossip, changed <-chan struct{}, want string) {
	t.Helper()
	n := &testNode{Gossip: g}
	for n.states() != want {
		select {
		case <-changed:
		case <-time.After(time.Minute):
			t.Fatalf("%s sees %s, not %s", g.cfg.Self.ID, n.states(), want)
		}
	}
}

func TestOnRealSockets(t *testing.T) {
	g1, changed1, stop1 := onLoopback(t, 1, testKey, nil)
	sockets, err := memberlist.NewNetTransport(&memberlist.NetTransportConfig{BindAddrs: []string{"127.0.0.1"}, Logger: newLogger(slog.New(slog.DiscardHandler), &gate{})})
	if err != nil {
		t.Fatal(err)
	}
	g2, changed2, stop2 := onLoopback(t, 2, testKey, sockets)
	g3, _, stop3 := onLoopback(t, 3, testKey, nil)
	g4, _, stop4 := onLoopback(t, 4, []byte(strings.Repeat("x", 32)), nil)
	defer stop1()
	defer stop4()
	for _, g := range []*Gossip{g2, g3} {
		if _, err := g.Join(t.Context(), []string{net.JoinHostPort("localhost", itoa(int(g1.Addr().Port())))}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := g4.Join(t.Context(), []string{g1.Addr().String()}); err == nil || !strings.Contains(err.Error(), "gossip key") {
		t.Errorf("with another key: %v", err)
	}
	until(t, g1, changed1, "alive alive alive")
	until(t, g2, changed2, "alive alive alive")
	if err := g2.SetBroker(true, 4222, 6222); err != nil {
		t.Fatal(err)
	}
	for g1.Members()[1].BrokerPort != 4222 {
		<-changed1
	}
	stop3()
	until(t, g1, changed1, "alive alive left")
	sockets.Shutdown() // as a crash does
	until(t, g1, changed1, "alive failed left")
	stop2()
	if _, err := g2.Join(t.Context(), []string{g1.Addr().String()}); err == nil {
		t.Error("a stopped node joined")
	}
	if err := g2.Run(t.Context()); err == nil {
		t.Error("Run ran twice")
	}
	if got := g1.Members(); len(got) != 3 {
		t.Errorf("members: %v", got)
	}
}

func TestPortIsTaken(t *testing.T) {
	g, _, stop := onLoopback(t, 1, testKey, nil)
	defer stop()
	_, err := New(Config{Self: Member{ID: "n2", Host: "web2", Started: time.Now()}, Bind: g.Addr(), Keys: [][]byte{testKey}})
	if err == nil || !strings.Contains(err.Error(), "listen on "+g.Addr().String()) {
		t.Errorf("two nodes on one port: %v", err)
	}
}

func TestAdvertise(t *testing.T) {
	for _, tt := range []struct{ bind, advertise, want string }{
		{"127.0.0.1:0", "192.0.2.7:99", "192.0.2.7:99"},
		{"127.0.0.1:0", "192.0.2.7:0", "192.0.2.7:PORT"},
		{"0.0.0.0:0", "", ":PORT"},
	} {
		cfg := Config{Self: Member{ID: "n1", Host: "web1", Started: time.Now()}, Bind: netip.MustParseAddrPort(tt.bind), Keys: [][]byte{testKey}}
		if tt.advertise != "" {
			cfg.Advertise = netip.MustParseAddrPort(tt.advertise)
		}
		g, err := New(cfg)
		if err != nil {
			t.Errorf("%+v: %v", tt, err)
			continue
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if err := g.Run(ended); err != nil {
			t.Error(err)
		}
		want := strings.Replace(tt.want, "PORT", itoa(int(g.Addr().Port())), 1)
		if got := g.Addr(); !strings.HasSuffix(got.String(), want) || got.Addr().IsUnspecified() || got.Addr().IsLoopback() {
			t.Errorf("%+v announces %v", tt, got)
		}
	}
}
