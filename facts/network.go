package facts

import (
	"net"
	"net/netip"
	"strings"
)

// netInterface is one network interface as the kernel has it.
type netInterface struct {
	name  string
	mac   string // "" on those without, such as lo
	mtu   int
	addrs []netip.Prefix
}

func systemInterfaces() []netInterface {
	list, err := net.Interfaces()
	if err != nil {
		return nil
	}
	var out []netInterface
	for _, i := range list[:min(len(list), maxInterfaces)] {
		n := netInterface{name: i.Name, mac: i.HardwareAddr.String(), mtu: i.MTU}
		addrs, err := i.Addrs()
		if err != nil {
			continue // gone since
		}
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil {
				n.addrs = append(n.addrs, p)
			}
		}
		out = append(out, n)
	}
	return out
}

func (h host) networking(f Facts) {
	h.hostNames(f)
	all := map[string]any{}
	for _, i := range h.interfaces() {
		all[i.name] = describeInterface(i)
	}
	if len(all) == 0 {
		return
	}
	f.set("networking.interfaces", all)
	primary := h.primary(all)
	if primary == "" {
		return
	}
	f.set("networking.primary", primary)
	for name, v := range all[primary].(map[string]any) {
		if name != "bindings" && name != "bindings6" {
			f.set("networking."+name, v)
		}
	}
}

// hostNames finds hostname, domain and fqdn. The DNS is not asked: what the resolver would say first is in /etc/hosts, and
// the domain it would search is in resolv.conf.
func (h host) hostNames(f Facts) {
	full := h.word("proc/sys/kernel/hostname")
	name, domain, _ := strings.Cut(full, ".")
	if domain == "" {
		domain = h.domainFromHosts(full)
	}
	if domain == "" {
		domain = h.domainFromResolver()
	}
	f.set("networking.hostname", name)
	f.set("networking.domain", domain)
	if name != "" && domain != "" {
		name += "." + domain
	}
	f.set("networking.fqdn", name)
}

func (h host) domainFromHosts(name string) string {
	for line := range strings.Lines(h.read("etc/hosts")) {
		line, _, _ = strings.Cut(line, "#")
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		for _, alias := range fields[1:] {
			first, domain, ok := strings.Cut(fields[1], ".")
			if alias == name && ok && first == name {
				return strings.TrimSuffix(domain, ".")
			}
		}
	}
	return ""
}

func (h host) domainFromResolver() string {
	domain := ""
	for line := range strings.Lines(h.read("etc/resolv.conf")) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		switch name := strings.Trim(fields[1], "."); {
		case fields[0] == "domain":
			return name
		case fields[0] == "search" && domain == "":
			domain = name
		}
	}
	return domain
}

func describeInterface(i netInterface) map[string]any {
	f := Facts{"mtu": int64(i.mtu)}
	f.set("mac", i.mac)
	var v4, v6 []netip.Prefix
	for _, p := range i.addrs {
		if p.Addr().Is4() {
			v4 = append(v4, p)
		} else {
			v6 = append(v6, p)
		}
	}
	setBindings(f, "", v4)
	setBindings(f, "6", v6)
	return f
}

// setBindings lists the addresses of one family and picks one to stand for the interface: the first that others could
// reach, else the first.
func setBindings(f Facts, suffix string, prefixes []netip.Prefix) {
	var list []any
	var best map[string]any
	reachable := false
	for _, p := range prefixes {
		b := binding(p)
		list = append(list, b)
		global := !p.Addr().IsLoopback() && !p.Addr().IsLinkLocalUnicast()
		if best == nil || (global && !reachable) {
			best, reachable = b, global
		}
	}
	if best == nil {
		return
	}
	f.set("bindings"+suffix, list)
	f.set("ip"+suffix, best["address"])
	f.set("netmask"+suffix, best["netmask"])
	f.set("network"+suffix, best["network"])
	f.set("scope6", best["scope6"])
}

func binding(p netip.Prefix) map[string]any {
	b := map[string]any{
		"address": p.Addr().String(),
		"netmask": net.IP(net.CIDRMask(p.Bits(), p.Addr().BitLen())).String(),
		"network": p.Masked().Addr().String(),
	}
	if p.Addr().Is6() {
		b["scope6"] = scope(p.Addr())
	}
	return b
}

func scope(a netip.Addr) string {
	switch {
	case a.IsLoopback():
		return "host"
	case a.IsLinkLocalUnicast():
		return "link"
	}
	return "global"
}

// primary is the interface of the default route, IPv4's before IPv6's, else the first that has a reachable address.
func (h host) primary(all map[string]any) string {
	best, metric := "", int64(-1)
	for line := range strings.Lines(h.read("proc/net/route")) {
		// Iface Destination Gateway Flags RefCnt Use Metric Mask
		r := strings.Fields(line)
		if len(r) < 8 || r[1] != "00000000" || r[7] != "00000000" || all[r[0]] == nil {
			continue
		}
		if m := whole(r[6]); metric < 0 || m < metric {
			best, metric = r[0], m
		}
	}
	if best != "" {
		return best
	}
	zero := strings.Repeat("0", 32)
	for line := range strings.Lines(h.read("proc/net/ipv6_route")) {
		// destination length source length nexthop metric refcnt use flags device; unreachable defaults sit on lo
		r := strings.Fields(line)
		if len(r) == 10 && r[0] == zero && r[1] == "00" && r[9] != "lo" && all[r[9]] != nil {
			return r[9]
		}
	}
	for _, i := range h.interfaces() {
		for _, p := range i.addrs {
			if !p.Addr().IsLoopback() && !p.Addr().IsLinkLocalUnicast() {
				return i.name
			}
		}
	}
	return ""
}
