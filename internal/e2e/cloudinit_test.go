//go:build lab

package e2e

import (
	"testing"

	"fleet/internal/lab"
	"fleet/internal/lab/labtest"
)

// A machine that boots with one of the samples is in the next ping without a hand, and again after a reboot.
func TestCloudInit(t *testing.T) {
	a, token := found(t, lab.Config{Hosts: 1})
	fleet := binary(t)
	for host, sample := range map[string]string{"web2": "user-data.yaml", "web3": "user-data.sh"} {
		a.l.Add(lab.Host{Name: host, Binary: fleet, UserData: labtest.UserData(t, sample, "FLEET_TOKEN", token)})
	}
	out, _ := a.fleet(0, "ping")
	a.want(out, "web2", "web3", "3 replies")
	for _, host := range []string{"web2", "web3"} {
		a.l.Must(host, "test", "!", "-e", "/etc/fleet/join")
		a.l.Restart(host)
		a.l.Must(host, "sh", "-c", "until systemctl is-active --quiet fleet-node; do sleep 0.2; done")
	}
	out, _ = a.fleet(0, "ping")
	a.want(out, "web2", "web3", "3 replies")
	a.l.Must("web2", "fleet", "node", "install", "--join-file", "/etc/fleet/join") // safe to run again
}
