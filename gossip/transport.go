package gossip

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/hashicorp/memberlist"
)

// transport is memberlist's own, except that connections it opens end with ctx, so that stopping does not wait for
// a host that does not answer.
type transport struct {
	*memberlist.NetTransport
	ctx context.Context
}

func (t transport) DialAddressTimeout(a memberlist.Address, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(t.ctx, timeout)
	defer cancel()
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", a.Addr)
	if err != nil {
		return nil, err
	}
	return &boundConn{c, context.AfterFunc(t.ctx, func() { c.Close() })}, nil
}

type boundConn struct {
	net.Conn
	release func() bool
}

func (c *boundConn) Close() error {
	c.release()
	return c.Conn.Close()
}

// listen opens the sockets and sets in mc what they are to be known by.
func listen(ctx context.Context, cfg *Config, mc *memberlist.Config) (memberlist.Transport, error) {
	var nt *memberlist.NetTransport
	var err error
	// A free port of TCP may be taken for UDP; then another one is tried.
	for range 10 {
		nt, err = memberlist.NewNetTransport(&memberlist.NetTransportConfig{
			BindAddrs: []string{cfg.Bind.Addr().String()}, BindPort: int(cfg.Bind.Port()), Logger: mc.Logger,
		})
		if err == nil || cfg.Bind.Port() != 0 || !strings.Contains(err.Error(), "address already in use") {
			break
		}
	}
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", cfg.Bind, err)
	}
	addr, port := cfg.Advertise.Addr(), int(cfg.Advertise.Port())
	if port == 0 {
		port = nt.GetAutoBindPort()
	}
	if !addr.IsValid() {
		addr = cfg.Bind.Addr()
	}
	if addr.IsUnspecified() {
		if addr, err = outwardAddr(); err != nil {
			nt.Shutdown()
			return nil, fmt.Errorf("find an address to announce: %w; set one that other hosts can reach", err)
		}
	}
	mc.BindAddr, mc.BindPort = cfg.Bind.Addr().String(), nt.GetAutoBindPort()
	mc.AdvertiseAddr, mc.AdvertisePort = addr.Unmap().String(), port
	return transport{nt, ctx}, nil
}

// outwardAddr is the address from which this host would reach the outside. Connecting UDP sends nothing; the target
// is from the ranges for documentation.
func outwardAddr() (netip.Addr, error) {
	c, err := net.Dial("udp", "192.0.2.1:9")
	if err != nil {
		if c, err = net.Dial("udp", "[2001:db8::1]:9"); err != nil {
			return netip.Addr{}, err
		}
	}
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap(), nil
}
