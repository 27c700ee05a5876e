//go:build lab

package e2e

import (
	"strings"
	"testing"
	"time"

	"fleet/internal/lab"
)

// Peers whose gossip port is shut from their first start on, one of them both ways and one for what others begin: no fleet of their own.
// Each ping has the answer of the first, and names the second, as long as it takes to settle several times over.
func TestAPeerWhoseGossipPortIsShut(t *testing.T) {
	a, token := found(t, lab.Config{Hosts: 5})
	a.join(token, "web2", "web3")
	const shut = "for p in udp tcp; do for chain in $1; do iptables -A $chain -p $p --dport 7420 -j DROP; done; done"
	a.l.Must("web4", "sh", "-ec", shut, "sh", "INPUT OUTPUT")
	a.l.Must("web5", "sh", "-ec", shut, "sh", "INPUT")
	a.join(token, "web4", "web5")
	answered, pings, began := 0, 0, time.Now()
	for time.Since(began) < 75*time.Second { // it is stranded after 15 s without a broker, and a role is taken after 20 s
		out, stderr, code := a.l.Exec("web1", "fleet", "ping", "--timeout", patient)
		pings++
		if !strings.Contains(out, "web4 ") || !strings.Contains(out+stderr, "web5") {
			t.Fatalf("ping %d ended with %d: it lacks a host\n%s%s", pings, code, out, stderr)
		}
		if strings.Contains(out, "web5 ") {
			answered++
		}
	}
	t.Logf("%d pings; the one that others cannot send to answered %d", pings, answered)
	if out := a.l.Must("web4", "journalctl", "-u", "fleet-node"); strings.Contains(out, "started a broker") {
		t.Errorf("it runs a broker:\n%s", out)
	}
	out, stderr, _ := a.l.Exec("web1", "fleet", "status")
	a.want(out+stderr, "gossip does not reach the hosts that run a broker")

	a.l.Heal("web4")
	a.l.Heal("web5")
	a.l.Must("web1", "sh", "-ec", "n=0; until [ $n = 4 ]; do if fleet ping -o name >/dev/null; then n=$((n+1)); else n=0; fi; done")
}
