//go:build lab

package e2e

import (
	"strings"
	"testing"

	"fleet/internal/lab"
)

// A host that nobody can reach works as any other, once its config says that it does not gossip.
func TestOutboundOnly(t *testing.T) {
	a, token := found(t, lab.Config{Hosts: 3})
	a.join(token, "web2")
	a.l.Shield("web3")
	a.l.Write("web3", "/etc/fleet/fleet.toml", 0o644, "[node]\ngossip = false\n")
	a.join(a.l.Must("web1", "fleet", "token", "create"), "web3")

	a.l.Must("web1", "sh", "-ec", "until fleet ping -o name | grep -q web3; do sleep 0.1; done") // known within a second
	out, _ := a.fleet(0, "ping")
	a.want(out, "web3", "3 replies")
	if open := a.l.Must("web3", "ss", "-Hlntup"); strings.Contains(open, "fleet") {
		t.Errorf("fleet listens on a host that does not gossip:\n%s", open)
	}
	a.want(a.l.Must("web3", "fleet", "doctor"), "does not gossip")
	out, _ = a.fleet(0, "service", "nginx", "restart", "--all")
	a.want(out, "3 ok")

	t.Run("it is named when it is gone, until it is forgotten", func(t *testing.T) {
		a := admin{t, a.l}
		a.l.Kill("web3")
		out, stderr := a.fleet(5, "ping", "--timeout", patient) // its broker may have noticed, or not yet
		a.want(out+stderr, "web3", "silent")
		a.l.Must("web1", "sh", "-ec", "until fleet ping 2>&1 | grep -q 'web3.*failed'; do sleep 1; done")
		a.fleet(0, "forget", "web3", "--yes")
		out, _ = a.fleet(0, "ping")
		a.want(out, "2 replies")
	})
	t.Run("it is back after its boot", func(t *testing.T) {
		a := admin{t, a.l}
		a.l.Start("web3")
		a.l.Must("web3", "sh", "-ec", "until fleet doctor >/dev/null; do sleep 0.2; done")
		a.l.Shield("web3")
		a.l.Must("web1", "sh", "-ec", "until fleet ping -o name | grep -q web3; do sleep 0.1; done") // known within a second
		out, _ := a.fleet(0, "ping")
		a.want(out, "web3", "3 replies")
	})
	t.Run("the broker that it is on dies", func(t *testing.T) {
		a := admin{t, a.l}
		for _, h := range []string{"web1", "web2"} {
			a.l.Must(h, "systemctl", "kill", "--kill-whom=main", "--signal=KILL", "fleet-node")
			a.l.Must(h, "sh", "-ec", "until fleet doctor >/dev/null; do sleep 0.2; done")
			a.l.Must("web1", "sh", "-ec", "until fleet ping -o name >/dev/null; do sleep 0.2; done")
			out, _ := a.fleet(0, "service", "nginx", "status", "--timeout", patient)
			a.want(out, "3 ok")
		}
	})
}
