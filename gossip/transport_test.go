package gossip

import (
	"bytes"
	"context"
	"io"
	"log"
	"net"
	"net/netip"
	"testing"
	"time"
)

const transportPatience = 10 * time.Second

func openTransport(t *testing.T, bind string) *transport {
	t.Helper()
	tr, err := newTransport(t.Context(), netip.MustParseAddrPort(bind), log.New(io.Discard, "", 0))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tr.Shutdown() })
	return tr
}

// Packets arrive whole, one by one, each in memory of its own, and name their sender; empty ones are nothing.
func TestTransportPackets(t *testing.T) {
	for _, tt := range []struct{ name, from, to, dial string }{
		{"one address", "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1"},
		{"every address", "0.0.0.0:0", "0.0.0.0:0", "127.0.0.1"},
		{"every address of both kinds", "[::]:0", "[::]:0", "127.0.0.1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			from, to := openTransport(t, tt.from), openTransport(t, tt.to)
			sizes := []int{1, 0, 1400, 60_000, 2}
			go func() {
				for i, n := range sizes {
					if _, err := from.WriteTo(bytes.Repeat([]byte{byte('a' + i)}, n), netip.AddrPortFrom(netip.MustParseAddr(tt.dial), to.port()).String()); err != nil {
						t.Error(err)
					}
				}
			}()
			var got [][]byte
			for i, n := range sizes {
				if n == 0 {
					continue
				}
				select {
				case p := <-to.PacketCh():
					if host, _, err := net.SplitHostPort(p.From.String()); err != nil || host != tt.dial {
						t.Errorf("it comes from %s", p.From)
					}
					got = append(got, p.Buf)
				case <-time.After(transportPatience):
					t.Fatalf("packet %d does not arrive", i)
				}
			}
			for i, want := range []struct {
				letter byte
				n      int
			}{{'a', 1}, {'c', 1400}, {'d', 60_000}, {'e', 2}} {
				if !bytes.Equal(got[i], bytes.Repeat([]byte{want.letter}, want.n)) {
					t.Errorf("packet %d has %d bytes, the first %q", i, len(got[i]), got[i][0])
				}
			}
		})
	}
}

// A transport that nobody listens to any more closes all the same, and leaves its port.
func TestTransportShutdown(t *testing.T) {
	tr := openTransport(t, "127.0.0.1:0")
	addr := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), tr.port())
	if _, err := tr.WriteTo([]byte("nobody takes this"), addr.String()); err != nil {
		t.Fatal(err)
	}
	c, err := tr.DialTimeout(addr.String(), transportPatience)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := tr.Shutdown(); err != nil {
		t.Fatal(err)
	}
	if _, err := tr.DialTimeout(addr.String(), transportPatience); err == nil {
		t.Error("it still takes connections")
	}
	again, err := newTransport(t.Context(), addr, log.New(io.Discard, "", 0))
	if err != nil {
		t.Fatalf("the port is not free: %v", err)
	}
	again.Shutdown()
}

// What it dials ends with the context, so that a node that stops waits for nobody.
func TestTransportDialsEndWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	here, there := openTransport(t, "127.0.0.1:0"), openTransport(t, "127.0.0.1:0")
	here.ctx = ctx
	c, err := here.DialTimeout(netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), there.port()).String(), transportPatience)
	if err != nil {
		t.Fatal(err)
	}
	(<-there.StreamCh()).SetDeadline(time.Now().Add(transportPatience))
	cancel()
	c.SetReadDeadline(time.Now().Add(transportPatience))
	if _, err := c.Read(make([]byte, 1)); err == nil || context.Cause(ctx) == nil {
		t.Error("the connection outlives its context")
	} else if ne, ok := err.(net.Error); ok && ne.Timeout() {
		t.Error("the connection was not closed")
	}
}
