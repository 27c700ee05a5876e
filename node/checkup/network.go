package checkup

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"

	"fleet/gossip"
	"fleet/identity"
	"fleet/node"
	"fleet/node/mesh"
)

// brokers tries each broker that this host was told of, and the peers that it knows: the name, the port, the certificate, and
// whether it lets this host in. The role moves from peer to peer, so one that is not reached is bad only while no other is.
func (h *host) brokers(ctx context.Context) {
	var addrs []string
	if h.in {
		addrs = append(addrs, h.me.Brokers...)
		for _, k := range h.known() {
			if k.Peer && h.BrokerPort != 0 {
				addrs = append(addrs, netip.AddrPortFrom(k.Addr.Addr(), h.BrokerPort).String())
			}
		}
	}
	addrs = append(addrs, h.Token.Seeds...)
	if h.own != "" {
		addrs = append(addrs, h.own)
	}
	if len(addrs) == 0 {
		h.add("brokers", Skipped, "", "without an identity or a token no broker is known")
		return
	}
	slices.Sort(addrs)
	addrs = slices.Compact(addrs)
	first, reached, away := len(h.found), false, []int(nil)
	for _, addr := range addrs[:min(len(addrs), maxBrokers)] {
		check := "broker " + addr
		if ctx.Err() != nil {
			h.add(check, Skipped, "", "interrupted")
			continue
		}
		if says, do := Reach(ctx, addr, h.Wait); says != "" {
			away = append(away, len(h.found))
			h.add(check, Bad, do, "%s", says)
			continue
		}
		switch {
		case h.asNode():
			v, err := node.Probe(ctx, h.me, h.roster, addr)
			h.judge(check, h.me.Root, v, err)
		case !h.Token.Root.IsZero():
			v, err := node.ProbeWithToken(ctx, h.Token, addr)
			h.judge(check, h.Token.Root, v, err)
		default:
			h.add(check, Skipped, "", "reached; without a valid certificate or a token, nothing more can be checked")
		}
	}
	for _, f := range h.found[first:] {
		reached = reached || f.State == OK
	}
	for _, i := range away {
		if reached {
			h.found[i].State, h.found[i].Says, h.found[i].Do = Skipped, h.found[i].Says+"; another broker accepts this host, which is enough", ""
		}
	}
}

// asNode reports whether this host has a certificate to show; else it has at most a token.
func (h *host) asNode() bool { return h.in && h.self.ID != "" }

// judge says what came of a visit.
func (h *host) judge(check string, root identity.Anchor, v node.Visit, err error) {
	h.visits = append(h.visits, v)
	shown, told := "this node", "the host was revoked, or it was down when the keys were replaced; in that case: "+doToken
	if !h.asNode() {
		shown, told = "this token", "the token has expired or was revoked, was not signed by an admin of this fleet, or is not valid from this host's network: "+doToken
	}
	switch {
	case errors.Is(err, mesh.ErrRefused):
		h.add(check, Bad, told, "belongs to this fleet, but refuses %s", shown)
	case errors.Is(err, identity.ErrOtherFleet) && len(v.Chain.Leaf) > 0:
		if wrong := outOfTime(root, v.Chain, h.Now()); wrong != nil {
			h.clockErr = wrong
			h.add(check, Bad, "set this host's clock (NTP); if it is right, the broker's certificate was not renewed: run fleet doctor there", "belongs to this fleet, but by this host's clock (%s) %v", stamp(h.Now()), wrong)
			return
		}
		h.add(check, Bad, "the broker belongs to another fleet, or something intercepts the connection; compare the fleet id with an admin's (fleet status)", "does not present a certificate of this fleet (%s): %v", root.ID(), err)
	case errors.Is(err, identity.ErrOtherFleet):
		h.add(check, Bad, "check that this is a fleet broker; its default port is 7421", "does not present a fleet certificate: %v", err)
	case err != nil:
		h.add(check, Bad, "check that this is a fleet broker and that no proxy terminates TLS on the way", "%v", err)
	case v.Renewal != nil:
		h.add(check, Bad, "check the node on the broker's host: fleet status; its log has the reason", "accepts this node, but would not renew its certificate: %v", v.Renewal)
	case h.asNode():
		h.add(check, OK, "", "accepts this node, and a peer would renew its certificate; round trip %s", v.RTT.Round(10*time.Microsecond))
	default:
		h.add(check, OK, "", "belongs to the token's fleet and accepts the token; round trip %s", v.RTT.Round(10*time.Microsecond))
	}
}

// outOfTime reports how a chain fails at this time, if it holds at another: then only the clock, or its age, is wrong.
func outOfTime(root identity.Anchor, chain identity.Chain, now time.Time) error {
	leaf, err := x509.ParseCertificate(chain.Leaf)
	if err != nil {
		return nil
	}
	if _, err := identity.OpenChain(root, chain, leaf.NotAfter.Add(-time.Hour)); err != nil {
		return nil
	}
	_, err = identity.OpenChain(root, chain, now)
	return err
}

// Reach resolves the name of HOST:PORT and connects by TCP. It returns what is wrong and what to do, or nothing.
func Reach(ctx context.Context, addr string, wait time.Duration) (says, do string) {
	name, port, err := net.SplitHostPort(addr)
	if err != nil {
		return err.Error(), "write HOST:PORT"
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	if _, notAddress := netip.ParseAddr(name); notAddress != nil {
		if _, err := net.DefaultResolver.LookupNetIP(ctx, "ip", name); err != nil {
			return fmt.Sprintf("the name %s cannot be resolved: %v", name, err), "check /etc/resolv.conf and DNS, or use a token or broker list with IP addresses"
		}
	}
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	switch {
	case err == nil:
		c.Close()
		return "", ""
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing is listening there", "check that a peer is running there and that it runs a broker (fleet status); is " + port + " its port?"
	case errors.Is(err, context.DeadlineExceeded), isTimeout(err):
		return fmt.Sprintf("no answer by TCP within %s", wait), "a firewall blocks it, or the host is down; open " + port + "/tcp from this host to that one"
	}
	return err.Error(), "check this host's routes and firewall"
}

func isTimeout(err error) bool {
	n, ok := errors.AsType[net.Error](err)
	return ok && n.Timeout()
}

// gossip tries other hosts' gossip ports. UDP counts only with an answer, for which key and id have to be known.
func (h *host) gossip(ctx context.Context) {
	if h.Outbound {
		h.gossipless()
		return
	}
	if !h.in {
		h.add("gossip", Skipped, "", "this host gets the gossip key when it joins; port 7420 must be open between all hosts, TCP and UDP")
		return
	}
	defer h.add("gossip from others", Skipped, "", "whether other hosts can reach this one can be seen only from there: fleet status")
	known := h.known()
	seeds := append(slices.Clone(h.me.Seeds), h.Seeds...)
	if len(known) == 0 && len(seeds) == 0 {
		h.add("gossip", Skipped, "", "no other host is known: this is the first host, or the only one")
		return
	}
	for _, k := range known {
		addr := k.Addr.String()
		h.gossipTCP(ctx, addr)
		took, err := gossip.Probe(ctx, h.me.GossipKeys[0], string(h.me.Root.ID()), k, h.Wait)
		check := "gossip " + addr + "/udp"
		switch {
		case err == nil:
			h.add(check, OK, "", "%s answers, in %s", k.Host, took.Round(10*time.Microsecond))
		case errors.Is(err, gossip.ErrNoEcho):
			h.add(check, Bad, "open 7420/udp between the hosts in both directions; otherwise that host is down or the gossip key was replaced (fleet status)", "%s does not answer within %s", k.Host, h.Wait)
		default:
			h.add(check, Bad, "check this host's routes and firewall", "%v", err)
		}
	}
	if len(known) > 0 {
		return
	}
	for _, addr := range seeds[:min(len(seeds), maxGossip)] {
		h.gossipTCP(ctx, addr)
	}
	h.add("gossip by UDP", Skipped, "", "this host has not heard of another one yet, so there is none to check; 7420/udp must be open")
}

// gossipless is for a host that has gossip = false in its config. A peer cannot have that.
func (h *host) gossipless() {
	role := h.Token.Record.Role
	if h.in {
		role = h.self.Role
	}
	if role == identity.Peer {
		h.add("gossip", Bad, "remove gossip = false from /etc/fleet/fleet.toml, or admit this host as a member", "it is off in the config, but a peer must gossip: it may have to run a broker")
		return
	}
	h.add("gossip", Skipped, "", "it is off in the config: this host learns about brokers and documents from a broker's node")
}

func (h *host) gossipTCP(ctx context.Context, addr string) {
	check := "gossip " + addr + "/tcp"
	if says, do := Reach(ctx, addr, h.Wait); says != "" {
		h.add(check, Bad, strings.ReplaceAll(do, "check that a peer is running there and that it runs a broker (fleet status)", "check that a node is running there (fleet status)"), "%s", says)
		return
	}
	h.add(check, OK, "", "open")
}

// clock compares this host's clock with a peer's, as well as can be known, and says how it was known.
func (h *host) clock() {
	const check, do = "clock", "set the clock (NTP) on this host or on that one"
	for _, v := range h.visits {
		if v.Clock.IsZero() {
			continue
		}
		// The peer's clock is known to whole seconds, cut off.
		offset := h.Now().Add(-time.Since(v.Asked)).Sub(v.Clock.Add(500 * time.Millisecond))
		within := 500*time.Millisecond + v.RTT
		how := fmt.Sprintf("compared with the time in a certificate that a peer just issued; accurate to %s", within.Round(100*time.Millisecond))
		way := "ahead of"
		if offset < 0 {
			way = "behind"
		}
		switch off := offset.Abs(); {
		case off > clockLimit:
			h.add(check, Bad, do, "%s %s the peer's (%s); hosts refuse jobs when clocks differ by more than a minute", off.Round(time.Second), way, how)
		case off <= within:
			h.add(check, OK, "", "same same same as the peer's (%s)", how)
		default:
			h.add(check, OK, "", "%s %s the peer's (%s)", off.Round(100*time.Millisecond), way, how)
		}
		return
	}
	if h.clockErr != nil {
		h.add(check, Bad, do, "judged judged judged by the validity of a broker's certificate: %v", h.clockErr)
		return
	}
	for _, v := range h.visits {
		if len(v.Chain.Leaf) > 0 {
			h.add(check, Skipped, "", "a broker's certificate is valid by it, so it is right to within days; after joining it can be checked exactly")
			return
		}
	}
	h.add(check, Skipped, "", "no broker was reached to compare with; this host's clock says %s", stamp(h.Now()))
}
