package gossip

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/memberlist"
)

const (
	// packetSize is the longest that UDP can bring; members send at most 1,400 bytes.
	packetSize = 64 << 10
	// receiveBuffer is what the kernel may hold of packets that wait, as memberlist's own transport asks for.
	receiveBuffer = 2 << 20
	// faultPause is between two attempts to take a packet or a connection, after one failed.
	faultPause = 50 * time.Millisecond
)

// transport is a UDP socket for packets and a TCP socket for exchanges of the whole state, on one port. memberlist's own
// makes a buffer of 64 KiB for each packet that comes, and so keeps an idle node busy with collecting them: a third of its
// CPU time with a hundred members. Connections that it opens end with ctx, so that stopping does not wait for a host that
// does not answer.
type transport struct {
	ctx     context.Context
	log     *log.Logger
	udp     *net.UDPConn
	tcp     *net.TCPListener
	packets chan *memberlist.Packet
	streams chan net.Conn
	closed  chan struct{}
	close   sync.Once
	loops   sync.WaitGroup
}

// newTransport opens both sockets; port 0 is any that is free for both.
func newTransport(ctx context.Context, bind netip.AddrPort, log *log.Logger) (*transport, error) {
	tcp, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(bind))
	if err != nil {
		return nil, err
	}
	port := tcp.Addr().(*net.TCPAddr).AddrPort().Port()
	udp, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(bind.Addr(), port)))
	if err != nil {
		tcp.Close()
		return nil, err
	}
	for size := receiveBuffer; udp.SetReadBuffer(size) != nil && size > packetSize; size /= 2 { // the system may allow less
	}
	t := &transport{
		ctx: ctx, log: log, udp: udp, tcp: tcp,
		packets: make(chan *memberlist.Packet), streams: make(chan net.Conn), closed: make(chan struct{}),
	}
	t.loops.Go(t.receive)
	t.loops.Go(t.accept)
	return t, nil
}

func (t *transport) port() uint16 { return t.tcp.Addr().(*net.TCPAddr).AddrPort().Port() }

// receive takes packets until the socket is closed.
func (t *transport) receive() {
	buffer := make([]byte, packetSize)
	for {
		n, from, err := t.udp.ReadFromUDPAddrPort(buffer)
		now := time.Now()
		switch {
		case t.isClosed():
			return
		case err != nil:
			t.log.Printf("[ERR] packet not read: %v", err)
			t.rest()
			continue
		case n == 0:
			continue
		}
		p := &memberlist.Packet{Buf: bytes.Clone(buffer[:n]), From: net.UDPAddrFromAddrPort(from), Timestamp: now}
		select {
		case t.packets <- p:
		case <-t.closed:
			return
		}
	}
}

// accept takes connections until the socket is closed.
func (t *transport) accept() {
	for {
		c, err := t.tcp.AcceptTCP()
		if err != nil {
			if t.isClosed() {
				return
			}
			t.log.Printf("[ERR] connection not taken: %v", err)
			t.rest() // as a rule there are no file descriptors left
			continue
		}
		select {
		case t.streams <- c:
		case <-t.closed:
			c.Close()
			return
		}
	}
}

// rest waits after a fault, so that one that stays does not take a whole core.
func (t *transport) rest() {
	select {
	case <-time.After(faultPause):
	case <-t.closed:
	}
}

func (t *transport) isClosed() bool {
	select {
	case <-t.closed:
		return true
	default:
		return false
	}
}

// Shutdown implements memberlist.Transport.
func (t *transport) Shutdown() error {
	t.close.Do(func() { close(t.closed) })
	err := errors.Join(t.udp.Close(), t.tcp.Close())
	t.loops.Wait()
	return err
}

// PacketCh implements memberlist.Transport.
func (t *transport) PacketCh() <-chan *memberlist.Packet { return t.packets }

// StreamCh implements memberlist.Transport.
func (t *transport) StreamCh() <-chan net.Conn { return t.streams }

// FinalAdvertiseAddr implements memberlist.Transport. listen has set both.
func (t *transport) FinalAdvertiseAddr(ip string, port int) (net.IP, int, error) {
	addr, err := netip.ParseAddr(ip)
	return addr.AsSlice(), port, err
}

// WriteTo implements memberlist.Transport.
func (t *transport) WriteTo(b []byte, addr string) (time.Time, error) {
	return t.WriteToAddress(b, memberlist.Address{Addr: addr})
}

// WriteToAddress implements memberlist.NodeAwareTransport.
func (t *transport) WriteToAddress(b []byte, a memberlist.Address) (time.Time, error) {
	to, err := netip.ParseAddrPort(a.Addr)
	if err != nil {
		return time.Time{}, err
	}
	_, err = t.udp.WriteToUDPAddrPort(b, netip.AddrPortFrom(to.Addr().Unmap(), to.Port()))
	return time.Now(), err
}

// DialTimeout implements memberlist.Transport.
func (t *transport) DialTimeout(addr string, timeout time.Duration) (net.Conn, error) {
	return t.DialAddressTimeout(memberlist.Address{Addr: addr}, timeout)
}

// DialAddressTimeout implements memberlist.NodeAwareTransport.
func (t *transport) DialAddressTimeout(a memberlist.Address, timeout time.Duration) (net.Conn, error) {
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
	var t *transport
	var err error
	// A free port of TCP may be taken for UDP; then another one is tried.
	for range 10 {
		t, err = newTransport(ctx, cfg.Bind, mc.Logger)
		if err == nil || cfg.Bind.Port() != 0 || !errors.Is(err, syscall.EADDRINUSE) {
			break
		}
	}
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", cfg.Bind, err)
	}
	addr, port := cfg.Advertise.Addr(), cfg.Advertise.Port()
	if port == 0 {
		port = t.port()
	}
	if !addr.IsValid() {
		addr = cfg.Bind.Addr()
	}
	if addr.IsUnspecified() {
		if addr, err = outwardAddr(); err != nil {
			return nil, errors.Join(fmt.Errorf("find an address to advertise: %w; set one that other hosts can reach (--advertise)", err), t.Shutdown())
		}
	}
	mc.BindAddr, mc.BindPort = cfg.Bind.Addr().String(), int(t.port())
	mc.AdvertiseAddr, mc.AdvertisePort = addr.Unmap().String(), int(port)
	return t, nil
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
