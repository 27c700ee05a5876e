package cli

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"

	"fleet/identity"

	ucli "github.com/urfave/cli/v2"
)

// The ports where nothing else is said.
const (
	defaultGossipPort = 7420
	defaultBrokerPort = 7421
	defaultRoutePort  = 7422
)

// place is where a node lives: its directory, its name, its addresses.
type place struct {
	data, name                        string
	named                             bool // the name was given; else it is the machine's
	listen, advertise                 netip.Addr
	gossipPort, brokerPort, routePort uint16
}

const (
	foundFlags  = "The fleet"
	placeOfNode = "This host"

	flagAdmin      = "admin"
	flagExpires    = "expires"
	flagData       = "data"
	flagName       = "name"
	flagListen     = "listen"
	flagAdvertise  = "advertise"
	flagGossipPort = "gossip-port"
	flagBrokerPort = "broker-port"
	flagRoutePort  = "route-port"
)

func placeFlags() []ucli.Flag {
	return []ucli.Flag{
		text(placeOfNode, flagData, "", "`DIR`: the node's data directory (default /var/lib/fleet for root, else ~/.local/state/fleet)"),
		text(placeOfNode, flagName, "", "`HOST`: this host's name in the fleet (default: its host name)"),
		text(placeOfNode, flagListen, "", "`ADDRESS`: the address to listen on (default: all)"),
		text(placeOfNode, flagAdvertise, "", "`ADDRESS`: the address that other hosts connect to (default: detected)"),
		text(placeOfNode, flagGossipPort, "", fmt.Sprintf("`PORT`: for gossip, TCP and UDP (default %d; 0 picks a free one)", defaultGossipPort)),
		text(placeOfNode, flagBrokerPort, "", fmt.Sprintf("`PORT`: on which its broker accepts hosts and admins (default %d; 0 picks a free one)", defaultBrokerPort)),
		text(placeOfNode, flagRoutePort, "", fmt.Sprintf("`PORT`: on which its broker accepts other brokers (default %d; 0 picks a free one)", defaultRoutePort)),
	}
}

func parsePlace(in *ucli.Context, c Config, getenv func(string) string) (p place, err error) {
	p.data, p.name = pick(in, flagData, c.Node.Data), pick(in, flagName, c.Node.Name)
	if p.data == "" {
		if p.data, err = defaultData(getenv); err != nil {
			return p, err
		}
	}
	p.named = p.name != ""
	if !p.named {
		if p.name, err = os.Hostname(); err != nil {
			return p, faultf("this host has no name: %w", err).with("set one with --name HOST")
		}
	}
	if err := identity.CheckHostName(p.name); err != nil {
		return p, usagef("--name: %w", err)
	}
	p.listen = netip.IPv4Unspecified()
	if err := parseAddr(&p.listen, flagListen, pick(in, flagListen, c.Node.Listen)); err != nil {
		return p, err
	}
	if err := parseAddr(&p.advertise, flagAdvertise, pick(in, flagAdvertise, c.Node.Advertise)); err != nil {
		return p, err
	}
	for _, port := range []struct {
		to            *uint16
		flag          string
		config, usual int
	}{
		{&p.gossipPort, flagGossipPort, c.Node.GossipPort, defaultGossipPort},
		{&p.brokerPort, flagBrokerPort, c.Node.BrokerPort, defaultBrokerPort},
		{&p.routePort, flagRoutePort, c.Node.RoutePort, defaultRoutePort},
	} {
		n := port.usual
		if port.config > 0 {
			n = port.config
		}
		if in.IsSet(port.flag) {
			if n, err = strconv.Atoi(in.String(port.flag)); err != nil || n < 0 || n > 65535 {
				return p, usagef("--%s: %q is not a port", port.flag, in.String(port.flag))
			}
		}
		*port.to = uint16(n)
	}
	return p, nil
}

// nameNow is the name that the host would join with at this moment: the machine may get another one while the node runs.
func (p place) nameNow() string {
	if !p.named {
		if name, err := os.Hostname(); err == nil {
			return name
		}
	}
	return p.name
}

func parseAddr(to *netip.Addr, flag, s string) error {
	if s == "" {
		return nil
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return usagef("--%s: %q is not an IP address", flag, s)
	}
	*to = a
	return nil
}

// pick is the flag, or else the config's value.
func pick(in *ucli.Context, flag, config string) string {
	if in.IsSet(flag) {
		return in.String(flag)
	}
	return config
}

// advertised is the address that others are told: what was said, or the one this host reaches others from.
func (p place) advertised() netip.Addr {
	if p.advertise.IsValid() {
		return p.advertise
	}
	if !p.listen.IsUnspecified() {
		return p.listen
	}
	return ownAddress()
}

// broker is where others reach its broker.
func (p place) broker() string {
	return net.JoinHostPort(p.advertised().String(), strconv.Itoa(int(p.brokerPort)))
}

// ownAddress is the address of the interface that leads outside; nothing is sent to find out. Without a way outside it
// is the first address that is not loopback, and without one of those, loopback.
func ownAddress() netip.Addr {
	if c, err := net.Dial("udp", "192.0.2.1:9"); err == nil { // TEST-NET-1, RFC 5737
		defer c.Close()
		return c.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap()
	}
	addrs, _ := net.InterfaceAddrs()
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && n.IP.IsGlobalUnicast() {
			addr, _ := netip.AddrFromSlice(n.IP)
			return addr.Unmap()
		}
	}
	return netip.MustParseAddr("127.0.0.1")
}
