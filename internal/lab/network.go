package lab

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"net/netip"
	"os"
	"strings"
)

// Hosts have fixed addresses, so that a reboot or a cut changes none: webN has the network's address plus firstHost+N.
const firstHost = 10

// network returns the lab's subnet, making the network where it is missing.
func (l *Lab) network(ctx context.Context) (netip.Prefix, error) {
	if subnet, err := l.subnet(ctx); err == nil {
		return subnet, nil
	}
	routes, err := routes()
	if err != nil {
		return netip.Prefix{}, err
	}
	var last error
	for _, subnet := range candidates(l.name) {
		if overlaps(subnet, routes) {
			continue
		}
		_, last = docker(ctx, nil, "network", "create", "--internal", "--subnet", subnet.String(), "--label", l.label(), l.name)
		if last == nil {
			return subnet, nil
		}
		if !strings.Contains(last.Error(), "overlaps") { // another lab was quicker with this subnet: try the next
			break
		}
	}
	return netip.Prefix{}, fmt.Errorf("no private network for lab %s: %w", l.name, last)
}

func (l *Lab) subnet(ctx context.Context) (netip.Prefix, error) {
	out, err := docker(ctx, nil, "network", "inspect", "--format", `{{index .Labels "fleet.lab"}} {{range .IPAM.Config}}{{.Subnet}}{{end}}`, l.name)
	if err != nil {
		return netip.Prefix{}, err
	}
	name, subnet, _ := strings.Cut(out, " ")
	if name != l.name {
		return netip.Prefix{}, fmt.Errorf("the Docker network %s is not a lab's; choose another name for the lab", l.name)
	}
	return netip.ParsePrefix(subnet)
}

// candidates are the subnets a lab may take, from a point that depends on its name, so that labs seldom collide.
func candidates(name string) []netip.Prefix {
	hash := fnv.New32a()
	hash.Write([]byte(name))
	var list []netip.Prefix
	for _, base := range [][2]byte{{10, 213}, {172, 29}, {192, 168}} {
		for i := range 256 {
			third := byte(hash.Sum32() + uint32(i))
			list = append(list, netip.PrefixFrom(netip.AddrFrom4([4]byte{base[0], base[1], third, 0}), 24))
		}
	}
	return list
}

func overlaps(subnet netip.Prefix, taken []netip.Prefix) bool {
	for _, p := range taken {
		if p.Overlaps(subnet) {
			return true
		}
	}
	return false
}

// routes are the networks this machine reaches other than by its default route: a lab must not hide them.
func routes() ([]netip.Prefix, error) {
	text, err := os.ReadFile("/proc/net/route")
	if err != nil {
		return nil, fmt.Errorf("cannot see which networks are in use: %w", err)
	}
	return parseRoutes(string(text)), nil
}

// parseRoutes reads the kernel's table of IPv4 routes: after a head line, one route a line, the second field its
// destination and the eighth its mask, both hexadecimal in the byte order of a little-endian machine.
func parseRoutes(text string) []netip.Prefix {
	var list []netip.Prefix
	for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 8 {
			continue
		}
		dest, err1 := hex.DecodeString(fields[1])
		mask, err2 := hex.DecodeString(fields[7])
		if err1 != nil || err2 != nil || len(dest) != 4 || len(mask) != 4 {
			continue
		}
		ones := 0
		for m := binary.LittleEndian.Uint32(mask); m != 0; m <<= 1 {
			ones++
		}
		if ones > 0 {
			list = append(list, netip.PrefixFrom(netip.AddrFrom4([4]byte{dest[3], dest[2], dest[1], dest[0]}), ones))
		}
	}
	return list
}

// address is the host's fixed address in the lab's subnet.
func address(subnet netip.Prefix, number int) netip.Addr {
	a := subnet.Masked().Addr().As4()
	a[3] = byte(firstHost + number)
	return netip.AddrFrom4(a)
}
