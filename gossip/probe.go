package gossip

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/hashicorp/memberlist"
)

// Known is a member as a node's members file names it.
type Known struct {
	ID, Host string
	Addr     netip.AddrPort
	Peer     bool
	Alive    bool // when the file was written
}

// ReadMembers reads a node's members file, which a running node may be about to replace. An error wraps fs.ErrNotExist
// where there is none.
func ReadMembers(path string) ([]Known, error) {
	saved, err := readMembers(path)
	var list []Known
	for _, s := range saved {
		list = append(list, Known{ID: s.ID, Host: s.Host, Addr: s.Addr, Peer: s.Peer, Alive: s.State == Alive.String()})
	}
	return list, err
}

// ErrNoEcho says that nothing came back by UDP.
var ErrNoEcho = errors.New("no answer by UDP")

// Probe sends the member one encrypted packet by UDP and waits for its answer, at most wait. It joins nothing, and nobody
// hears of whoever asks. ErrNoEcho: a firewall is between, or the other one runs with another key, another id or not at all.
func Probe(ctx context.Context, key []byte, fleet string, to Known, wait time.Duration) (time.Duration, error) {
	if err := checkKeys([][]byte{key}); err != nil {
		return 0, err
	}
	var d net.Dialer
	c, err := d.DialContext(ctx, "udp", to.Addr.String()) // sends nothing; tells from which address this host would reach it
	if err != nil {
		return 0, fmt.Errorf("probe %s: %w", to.Addr, err)
	}
	here := c.LocalAddr().(*net.UDPAddr).AddrPort()
	c.Close()
	m := memberlist.DefaultLANConfig()
	m.Name, m.Label, m.SecretKey = "doctor", fleet, key
	m.BindAddr, m.AdvertiseAddr, m.BindPort = here.Addr().Unmap().String(), here.Addr().Unmap().String(), 0
	m.EnableCompression = false
	m.ProbeTimeout, m.ProbeInterval = wait, 2*wait // the answer is not waited for any longer than the interval
	m.Logger = newLogger(slog.New(slog.DiscardHandler), &gate{})
	list, err := memberlist.Create(m)
	if err != nil {
		return 0, fmt.Errorf("probe %s: %w", to.Addr, err)
	}
	defer list.Shutdown()
	start := time.Now()
	_, err = list.Ping(to.ID, net.UDPAddrFromAddrPort(to.Addr)) // its own time is taken after sending, and can be negative
	if errors.As(err, new(memberlist.NoPingResponseError)) {
		err = ErrNoEcho
	}
	if err != nil {
		return 0, fmt.Errorf("probe %s: %w", to.Addr, err)
	}
	return time.Since(start), nil
}
