package gossip

import (
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"
)

// network is a network in memory, for use in a synctest bubble. Packets to a host that is not there, or whose queue is
// full, are lost; a connection to it times out. Hosts can be cut off from each other.
type network struct {
	mu    sync.Mutex
	hosts map[string]*host
	cut   func(a, b string) bool // nil: nobody is cut off
	loss  int                    // percent of the packets that are lost
}

func newNetwork() *network { return &network{hosts: map[string]*host{}} }

// host is one transport in it.
type host struct {
	net     *network
	addr    netip.AddrPort
	packets chan *memberlist.Packet
	streams chan net.Conn
	open    []net.Conn // all that it dialled or was dialled by; also those that have ended
}

func (n *network) attach(addr string) *host {
	h := &host{net: n, addr: netip.MustParseAddrPort(addr), packets: make(chan *memberlist.Packet, 1024), streams: make(chan net.Conn, 64)}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hosts[addr] = h
	return h
}

// crash ends what a host says to others and hears from them in this moment: nobody reaches it, and its connections end.
func (n *network) crash(addr string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, conn := range n.hosts[addr].open {
		conn.Close()
	}
	delete(n.hosts, addr)
}

// split lets only those talk who are on the same side; side says which.
func (n *network) split(side func(addr string) int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cut = func(a, b string) bool { return side(a) != side(b) }
}

// lose makes that many percent of the packets get lost.
func (n *network) lose(percent int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.loss = percent
}

func (n *network) lost() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return rand.IntN(100) < n.loss
}

func (n *network) heal() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cut = nil
}

func (n *network) reach(from, to string) *host {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.reachLocked(from, to)
}

func (n *network) reachLocked(from, to string) *host {
	h := n.hosts[to]
	if h == nil || n.hosts[from] == nil || n.cut != nil && n.cut(from, to) {
		return nil
	}
	return h
}

func (h *host) FinalAdvertiseAddr(string, int) (net.IP, int, error) {
	return h.addr.Addr().AsSlice(), int(h.addr.Port()), nil
}

func (h *host) WriteTo(b []byte, addr string) (time.Time, error) {
	if to := h.net.reach(h.addr.String(), addr); to != nil && !h.net.lost() {
		p := &memberlist.Packet{Buf: append([]byte(nil), b...), From: net.UDPAddrFromAddrPort(h.addr), Timestamp: time.Now()}
		select {
		case to.packets <- p:
		default:
		}
	}
	return time.Now(), nil
}

func (h *host) DialTimeout(addr string, timeout time.Duration) (net.Conn, error) {
	if conn := h.net.dial(h.addr.String(), addr); conn != nil {
		return conn, nil
	}
	time.Sleep(timeout) // in the bubble's time
	return nil, errors.New("connection timed out")
}

// dial queues a connection at a host, or returns nil. It holds the lock so that Shutdown finds every queued connection:
// one that is neither accepted nor closed would block its writer for ever.
func (n *network) dial(from, to string) net.Conn {
	n.mu.Lock()
	defer n.mu.Unlock()
	h := n.reachLocked(from, to)
	if h == nil {
		return nil
	}
	ours, theirs := net.Pipe()
	select {
	case h.streams <- theirs:
		for _, end := range []*host{h, n.hosts[from]} {
			end.open = append(end.open, ours, theirs)
		}
		return ours
	default:
		return nil
	}
}

func (h *host) WriteToAddress(b []byte, a memberlist.Address) (time.Time, error) {
	return h.WriteTo(b, a.Addr)
}

func (h *host) DialAddressTimeout(a memberlist.Address, d time.Duration) (net.Conn, error) {
	return h.DialTimeout(a.Addr, d)
}
func (h *host) PacketCh() <-chan *memberlist.Packet { return h.packets }
func (h *host) StreamCh() <-chan net.Conn           { return h.streams }

func (h *host) Shutdown() error {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	if h.net.hosts[h.addr.String()] == h {
		delete(h.net.hosts, h.addr.String())
	}
	for {
		select {
		case conn := <-h.streams:
			conn.Close()
		default:
			return nil
		}
	}
}
