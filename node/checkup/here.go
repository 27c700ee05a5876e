package checkup

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"fleet/identity"
	"fleet/node"
	"fleet/node/journal"
)

// The checks that need no network.

const doRoot = "run it as the node's user: sudo fleet doctor"

func (h *host) directory() {
	const check = "data directory"
	info, err := os.Stat(h.Data)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		h.add(check, Skipped, "", "%s does not exist yet; the node creates it when it is started with a token", h.Data)
		return
	case err != nil:
		h.add(check, Bad, doRoot, "%v", err)
		return
	case !info.IsDir():
		h.add(check, Bad, "use another directory for the node: --data DIR", "%s is not a directory", h.Data)
		return
	case info.Mode().Perm()&0o077 != 0:
		h.add(check, Bad, "chmod 700 "+h.Data, "other users can read %s (mode %04o)", h.Data, info.Mode().Perm())
	case syscall.Access(h.Data, 7) != nil: // read, write, enter
		h.add(check, Bad, doRoot, "this user cannot read and write %s", h.Data)
		return
	default:
		h.add(check, OK, "", "%s, mode %04o", h.Data, info.Mode().Perm())
	}
	h.openFiles()
	if h.running, err = node.Held(h.Data); err != nil {
		h.add("lock", Bad, doRoot, "%v", err)
	} else if h.running != "" {
		h.add("lock", OK, "", "a node is running here, process %s", h.running)
	} else {
		h.add("lock", OK, "to start it: systemctl start fleet-node, or: fleet node", "no node is running here")
	}
}

// openFiles names files in the directory that others may read.
func (h *host) openFiles() {
	entries, err := os.ReadDir(h.Data)
	if err != nil {
		h.add("files", Bad, doRoot, "%v", err)
		return
	}
	var open []string
	for _, e := range entries {
		info, err := e.Info()
		if err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 {
			open = append(open, e.Name())
		}
	}
	if len(open) > 0 {
		h.add("files", Bad, "chmod 600 them", "other users can read, in %s: %s", h.Data, strings.Join(open, ", "))
	}
}

// membership looks at who this node is, at its certificate, and whether the roster here shuts it out.
func (h *host) membership() {
	var err error
	h.me, err = node.ReadMembership(h.Data)
	switch {
	case errors.Is(err, node.ErrNotAdmitted):
		h.add("fleet", Skipped, "", "this host is not in a fleet yet")
		return
	case err != nil:
		h.add("fleet", Bad, "fix what the error names; if the directory cannot be repaired, remove it and admit the host again with a new token", "%v", err)
		return
	}
	h.in = true
	certificate, err := identity.OpenChain(h.me.Root, h.me.Chain, h.Now())
	h.self = certificate.Own()
	if err != nil {
		h.add("certificate", Bad, "compare this host's clock with another host's; if it is right, admit the host again: "+doToken, "%v", err)
		return
	}
	h.add("fleet", OK, "", "%s, a %s of the fleet %s, node %s", h.self.Name, h.self.Role, h.me.Root.ID(), h.self.ID)
	if h.Name != "" && h.Name != h.self.Name {
		h.add("name", OK, "", "its host name or config says %s, but it joined as %s, and that name counts; to change it: fleet node rename %s", h.Name, h.self.Name, h.Name)
	}
	left := h.self.NotAfter.Sub(h.Now()).Round(time.Minute)
	switch {
	case h.self.ID != h.me.Key.Public().ID():
		h.add("certificate", Bad, "admit the host again: "+doToken, "node.key does not belong to the certificate")
	case left < identity.NodeLife/6:
		h.add("certificate", Bad, "the broker checks below show why no peer renews it", "expires on %s, in %s; it should have been renewed at two thirds of its life", stamp(h.self.NotAfter), left)
	default:
		h.add("certificate", OK, "", "until %s; it is renewed from %s on", stamp(h.self.NotAfter), stamp(h.self.NotAfter.Add(-identity.NodeLife/3)))
	}
	h.roster, err = node.ReadRoster(h.Data, h.me.Authority)
	switch _, admitted := h.roster.Admit(certificate); {
	case err != nil:
		h.add("roster", Bad, "start the node: it fetches the roster from other hosts; if none has it, copy the file roster of an admin's home directory to the file named here", "%v", err)
	case h.roster.ShutsOut(h.self.ID, h.self.Token) != nil:
		h.add("roster", Bad, "if that was a mistake: remove "+h.Data+" and admit the host with a new token, under a new key", "this node is revoked")
	case admitted != nil:
		h.add("roster", Bad, doToken, "version %d: %v", h.roster.Version, admitted)
	default:
		h.add("roster", OK, "", "version %d on this host admits it", h.roster.Version)
	}
}

// journal looks at what keeps a job from running twice. A node that runs says the rest in fleet status.
func (h *host) journal() {
	const check, begins = "journal", "the node goes on with a new one, and for 62 minutes refuses changes that were signed before"
	if !h.in {
		return
	}
	aside, held, err := journal.Look(h.Data)
	switch {
	case errors.Is(err, fs.ErrPermission):
		h.add(check, Bad, doRoot, "%v", err)
	case errors.Is(err, fs.ErrNotExist):
		h.add(check, Bad, "start the node: "+begins, "it is gone: %v", err)
	case err != nil:
		h.add(check, Bad, "check the disk (dmesg), then start the node: it keeps the file, and "+begins, "journal.db: %v", err)
	case len(aside) > 0:
		h.add(check, Bad, "check the disk (dmesg); fleet status says whether the host still refuses older changes; remove the files when you have no more use for them",
			"it was damaged and begun anew; kept of it: %s", strings.Join(baseNames(aside), ", "))
	case held:
		h.add(check, OK, "", "in use by the node running here")
	default:
		h.add(check, OK, "", "all jobs that were written are there")
	}
}

func baseNames(paths []string) []string {
	out := make([]string, len(paths))
	for i, p := range paths {
		out[i] = filepath.Base(p)
	}
	return out
}

func (h *host) disk() {
	var st syscall.Statfs_t
	at := h.Data
	for errors.Is(syscall.Statfs(at, &st), syscall.ENOENT) && at != filepath.Dir(at) {
		at = filepath.Dir(at) // it is made later
	}
	if err := syscall.Statfs(at, &st); err != nil {
		h.add("disk", Skipped, "", "%s: %v", at, err)
		return
	}
	free := uint64(st.Bavail) * uint64(st.Bsize)
	switch {
	case free < leastBytes:
		h.add("disk", Bad, "free some space: without it the journal and the audit log cannot be written and this host refuses changes", "%d MB are free for %s, less than %d", free>>20, h.Data, leastBytes>>20)
	case st.Files > 0 && uint64(st.Ffree) < leastInodes:
		h.add("disk", Bad, "remove files: the file system is out of inodes", "room for %d more files", st.Ffree)
	default:
		h.add("disk", OK, "", "%d MB are free for %s", free>>20, h.Data)
	}
}

// ports looks whether the node's own ports are free, or held by the node.
func (h *host) ports() {
	role := h.Token.Record.Role
	if h.in {
		role = h.self.Role
	}
	type port struct {
		name    string
		number  uint16
		network string
	}
	var list []port
	if !h.Outbound {
		list = append(list, port{"gossip", h.GossipPort, "tcp"}, port{"gossip", h.GossipPort, "udp"})
	}
	if role == identity.Peer {
		list = append(list, port{"broker", h.BrokerPort, "tcp"}, port{"route", h.RoutePort, "tcp"})
	}
	for _, p := range list {
		check := fmt.Sprintf("port %d/%s", p.number, p.network)
		if p.number == 0 {
			continue
		}
		err := tryListen(p.network, netip.AddrPortFrom(h.Bind, p.number))
		switch {
		case err == nil && h.running == "":
			h.add(check, OK, "", "free for %s", p.name)
		case err == nil && p.name == "gossip":
			h.add(check, Bad, "the node may use another port; check its flags and /etc/fleet/fleet.toml", "a node is running here, but nothing listens for gossip")
		case err == nil:
			h.add(check, OK, "", "free: this node runs no broker now")
		case errors.Is(err, syscall.EADDRINUSE) && h.running != "":
			h.add(check, OK, "", "in use for %s, apparently by the node running here", p.name)
			if p.name == "broker" {
				h.own = ownAddr(h.Bind, p.number)
			}
		case errors.Is(err, syscall.EADDRINUSE):
			h.add(check, Bad, "to see which: ss -lnp | grep :"+fmt.Sprint(p.number)+"; or use another port for fleet", "another program uses the port, so the node cannot (%s)", p.name)
		default:
			h.add(check, Bad, "is "+h.Bind.String()+" an address of this host? see --listen", "%v", err)
		}
	}
}

// ownAddr is how a host reaches what it listens on itself.
func ownAddr(bind netip.Addr, port uint16) string {
	if bind.IsUnspecified() {
		bind = netip.MustParseAddr("127.0.0.1")
	}
	return netip.AddrPortFrom(bind, port).String()
}

func tryListen(network string, at netip.AddrPort) error {
	if network == "udp" {
		c, err := net.ListenPacket("udp", at.String())
		if err == nil {
			c.Close()
		}
		return err
	}
	l, err := net.Listen("tcp", at.String())
	if err == nil {
		l.Close()
	}
	return err
}
