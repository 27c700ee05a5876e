//go:build lab

package e2e

import (
	"strings"
	"testing"

	"fleet/internal/lab"
)

// slowUnit counts how often it was started, and takes its time.
const slowUnit = `[Service]
Type=oneshot
ExecStart=/bin/sh -c 'echo %i >>` + ranFile + `; exec sleep 5'
`

// buildRestarter makes a repository on the host with a package whose installation restarts the agent, as a package of fleet's own would.
const buildRestarter = `mkdir -p /srv/repo /tmp/p/DEBIAN && cd /tmp/p
printf 'Package: restarter\nVersion: 1.0\nArchitecture: all\nMaintainer: the lab <lab@example.com>\nDescription: restarts the agent\n' >DEBIAN/control
printf '#!/bin/sh\nset -e\necho restarter >>` + ranFile + `\nsystemctl restart fleet-node\necho the script has restarted it\nsleep 4\n' >DEBIAN/postinst
chmod 755 DEBIAN/postinst
dpkg-deb --build --root-owner-group . /srv/repo/restarter.deb >/dev/null
cd /srv/repo
{ cat /tmp/p/DEBIAN/control; echo "Filename: ./restarter.deb"; echo "Size: $(stat -c %s restarter.deb)"; echo "SHA256: $(sha256sum restarter.deb | cut -d' ' -f1)"; } >Packages
echo 'deb [trusted=yes] file:/srv/repo ./' >/etc/apt/sources.list.d/restarter.list`

// Changes run in units of their own: the end of the agent, however it comes, neither ends them nor loses their answer.
func TestChangesOutliveTheAgent(t *testing.T) {
	a, token := found(t, lab.Config{Hosts: 4})
	a.join(token, "web2", "web3")
	a.join(a.l.Must("web1", "fleet", "token", "create"), "web4")
	for _, h := range hosts(1, 4) {
		a.l.Write(h, "/etc/systemd/system/slow@.service", 0o644, slowUnit)
		a.l.Must(h, "sh", "-ec", "systemctl daemon-reload; touch "+ranFile)
	}
	ran := func(t *testing.T, host, what string, times int) {
		t.Helper()
		if n := strings.Count(a.l.Must(host, "cat", ranFile), what); n != times {
			t.Errorf("%s ran %d times on %s, want %d", what, n, host, times)
		}
	}
	t.Run("the agent restarts itself", func(t *testing.T) {
		a := admin{t, a.l}
		out, _ := a.fleet(0, "service", "fleet-node", "restart", "-I", "web4", "--timeout", patient)
		a.want(out, "restarted", "1 ok")
	})
	t.Run("every agent restarts itself", func(t *testing.T) {
		a := admin{t, a.l}
		out, _ := a.fleet(0, "service", "fleet-node", "restart", "--all", "--batch", "1", "--timeout", "60s")
		a.want(out, "4 ok")
	})
	t.Run("a package restarts the agent", func(t *testing.T) {
		a := admin{t, a.l}
		a.l.Must("web4", "sh", "-ec", buildRestarter)
		a.fleet(0, "package", "refresh", "-I", "web4", "--timeout", "60s")
		out, stderr := a.fleet(0, "package", "restarter", "install", "-I", "web4", "--timeout", "60s", "--follow")
		a.want(out, "1 ok")
		a.want(stderr, "web4: the script has restarted it")
		id := strings.Fields(a.l.Must("web1", "fleet", "job", "list", "-I", "web4", "-o", "name"))[0]
		printed, _ := a.fleet(0, "job", "output", id, "web4")
		a.want(printed, "Unpacking restarter (1.0)", "the script has restarted it")
		ran(t, "web4", "restarter", 1)
		a.want(a.l.Must("web4", "dpkg-query", "--show", "--showformat=${Status}", "restarter"), "install ok installed")
	})
	// in starts a slow change and does something in its middle; it returns what the admin saw.
	in := func(t *testing.T, tag string, code int, do func(unit string)) string {
		t.Helper()
		a := admin{t, a.l}
		done := make(chan struct{})
		go func() {
			defer close(done)
			a.l.Must("web4", "sh", "-ec", "until grep -q "+tag+" "+ranFile+"; do sleep 0.1; done")
			do(strings.Fields(a.l.Must("web4", "systemctl", "list-units", "--plain", "--no-legend", "fleet-job-*"))[0])
		}()
		out, stderr := a.fleet(code, "service", "slow@"+tag, "restart", "-I", "web4", "--timeout", "60s")
		<-done
		ran(t, "web4", tag, 1)
		return out + stderr
	}
	t.Run("kill -9 of the agent", func(t *testing.T) {
		out := in(t, "agent", 0, func(string) { a.l.Must("web4", "systemctl", "kill", "--kill-whom=main", "--signal=KILL", "fleet-node") })
		a.want(out, "1 ok")
	})
	t.Run("kill -9 of the action", func(t *testing.T) {
		out := in(t, "action", 5, func(unit string) { a.l.Must("web4", "systemctl", "kill", "--signal=KILL", unit) })
		a.want(out, "lost", "cut off")
	})
	t.Run("cancelled in its middle", func(t *testing.T) {
		out := in(t, "cancelled", 4, func(unit string) {
			id := strings.ToUpper(strings.TrimSuffix(strings.TrimPrefix(unit, "fleet-job-"), ".service"))
			a.want(a.l.Must("web1", "fleet", "job", "list"), id, "1 running")
			a.l.Must("web1", "fleet", "job", "cancel", id, "-y")
		})
		a.want(out, "told to stop", "1 failed")
	})
	t.Run("and all is well", func(t *testing.T) {
		a := admin{t, a.l}
		a.fleet(0, "ping")
		a.fleet(0, "service", "slow@well", "restart", "--all", "--timeout", "60s")
		if left := a.l.Must("web4", "sh", "-ec", "ls /var/lib/fleet/jobs/*/job 2>/dev/null || true; systemctl list-units --all --plain --no-legend 'fleet-job-*'"); left != "" {
			t.Errorf("left behind: %s", left)
		}
	})
}
