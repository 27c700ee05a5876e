//go:build lab

package e2e

import (
	"strings"
	"testing"
	"time"

	"fleet/internal/lab"
)

// A host of which nobody has noticed yet that it is gone: it is named, and holds nobody up until gossip or a broker notice.
// How long the run took is logged: about two seconds, of which half a one is for hosts that are merely slow.
func TestSilence(t *testing.T) {
	a, token := found(t, lab.Config{Hosts: 5})
	a.join(token, "web2", "web3")
	a.join(a.l.Must("web1", "fleet", "token", "create"), "web4", "web5")
	everybody := func() { // several times in a row: each broker has a view of its own
		a.l.Must("web1", "sh", "-ec", "n=0; until [ $n = 4 ]; do if fleet ping -o name >/dev/null; then n=$((n+1)); else n=0; fi; done")
	}
	agent := func(host, signal string) {
		a.l.Must(host, "systemctl", "kill", "--kill-whom=main", "--signal="+signal, "fleet-node")
	}
	everybody()
	for _, trouble := range []struct {
		what, host  string
		begin, mend func()
	}{
		{"its agent hangs", "web5", func() { agent("web5", "STOP") }, func() { agent("web5", "CONT") }},
		{"the machine hangs", "web5", func() { a.l.Pause("web5") }, func() { a.l.Unpause("web5") }},
		{"it is cut off", "web5", func() { a.l.Cut("web5") }, func() { a.l.Heal("web5") }},
		{"a broker's host hangs", "web3", func() { a.l.Pause("web3") }, func() { a.l.Unpause("web3") }},
		{"it has just died", "web5", func() { a.l.Kill("web5") }, func() {}},
	} {
		t.Run(trouble.what, func(t *testing.T) {
			a := admin{t, a.l}
			trouble.begin()
			began := time.Now()
			out, stderr := a.fleet(5, "ping", "--timeout", patient)
			took := time.Since(began)
			a.want(out+stderr, trouble.host)
			if strings.Contains(out+stderr, "no answer within") {
				t.Errorf("it was waited for until the time limit")
			}
			t.Logf("%s: the run ended after %s", trouble.what, took.Round(10*time.Millisecond))
			for _, h := range []string{"web4", "web5"} {
				if h != trouble.host && strings.Contains(a.l.Must(h, "journalctl", "-u", "fleet-node"), "left a broker that does not answer") {
					t.Logf("%s has left a broker that does not answer", h)
				}
			}
			trouble.mend()
			if trouble.what != "it has just died" {
				everybody()
			}
		})
	}
}
