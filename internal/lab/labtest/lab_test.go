//go:build lab

package labtest

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"fleet/internal/lab"
)

// docker asks Docker itself, not the package under test.
func docker(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("docker", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("docker %q: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func reaches(l *Lab, from, to string) bool {
	_, _, code := l.Exec(from, "ping", "-c", "1", "-W", "1", to)
	return code == 0
}

// The lab leaves nothing behind, and leaves alone what it did not make.
func TestLabLeavesNothing(t *testing.T) {
	var name string
	t.Run("lab", func(t *testing.T) {
		l := Up(t, lab.Config{Hosts: 1})
		name = l.Name()
		other := Up(t, lab.Config{Hosts: 1}) // the same name again is the same lab
		if hosts, err := other.Status(t.Context()); err != nil || len(hosts) != 1 {
			t.Errorf("hosts = %v, %v; want one", hosts, err)
		}
		if volumes := docker(t, "inspect", "--format", `{{range .Mounts}}{{.Name}}{{end}}`, name+"-web1"); volumes != "" {
			t.Errorf("web1 has the volumes %s, which would outlive it", volumes)
		}
		l.Kill("web1") // also a dead host is cleared away
	})
	if name == "" {
		t.Skip("SKIPPED with the lab")
	}
	for _, args := range [][]string{{"ps", "--all"}, {"network", "ls"}} {
		if left := docker(t, append(args, "--quiet", "--filter", "label=fleet.lab="+name)...); left != "" {
			t.Errorf("docker %s: %s is left of lab %s", args[0], left, name)
		}
	}
}

func TestHosts(t *testing.T) {
	fleet := t.TempDir() + "/fleet"
	if err := os.WriteFile(fleet, []byte("#!/bin/sh\necho stand-in\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	l := Up(t, lab.Config{Hosts: 2, Binary: fleet, WithoutNginx: []string{"web2"}})

	t.Run("names and facts", func(t *testing.T) {
		for host, want := range map[string]string{"web1": "hagroup=a", "web2": "hagroup=b"} {
			if got := l.Must(host, "hostname"); got != host {
				t.Errorf("hostname = %q, want %q", got, host)
			}
			if got := l.Must(host, "cat", "/etc/fleet/facts.d/hagroup.txt"); got != want {
				t.Errorf("%s: %q, want %q", host, got, want)
			}
		}
		if a, b := l.Must("web1", "cat", "/etc/machine-id"), l.Must("web2", "cat", "/etc/machine-id"); a == b || len(a) != 32 {
			t.Errorf("machine ids %q and %q, want two different ones", a, b)
		}
		if got := l.Must("web1", "fleet"); got != "stand-in" {
			t.Errorf("fleet says %q", got)
		}
	})
	t.Run("nginx runs, and is missing where it should", func(t *testing.T) {
		if got := l.Must("web1", "systemctl", "is-active", "nginx"); got != "active" {
			t.Errorf("web1: nginx is %s", got)
		}
		if got := l.Must("web2", "systemctl", "list-unit-files", "--no-legend", "sshd.service", "nginx.service", "dbus.service"); !strings.HasPrefix(got, "dbus.service") || strings.Contains(got, "nginx") {
			t.Errorf("web2 has %q, want dbus only", got)
		}
	})
	t.Run("openssl has a newer version waiting", func(t *testing.T) {
		const installed = "${Version}"
		before := l.Must("web1", "dpkg-query", "--show", "--showformat="+installed, "openssl")
		l.Must("web1", "apt-get", "-q", "update")
		l.Must("web1", "apt-get", "-q", "-y", "install", "openssl")
		after := l.Must("web1", "dpkg-query", "--show", "--showformat="+installed, "openssl")
		l.Must("web1", "dpkg", "--compare-versions", before, "lt", after)
		t.Logf("openssl %s -> %s", before, after)
	})
	t.Run("cut and heal", func(t *testing.T) {
		steps := []struct {
			what string
			do   func()
			want bool
		}{
			{"at first", func() {}, true},
			{"cut off", func() { l.Cut("web2") }, false},
			{"healed", func() { l.Heal("web2") }, true},
			{"cut from each other", func() { l.Cut("web1", "web2") }, false},
			{"healed again", func() { l.Heal("web1") }, true},
		}
		for _, step := range steps {
			step.do()
			if there, back := reaches(l, "web1", "web2"), reaches(l, "web2", "web1"); there != step.want || back != step.want {
				t.Errorf("%s: reaches there %v and back %v, want %v", step.what, there, back, step.want)
			}
		}
	})
	t.Run("slow", func(t *testing.T) {
		binary, err := lab.BuildDelay(t.Context(), t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		quickest := regexp.MustCompile(`rtt min/avg/max/mdev = ([0-9]+)`)
		for i, want := range []bool{false, true, true, false} { // twice: it can be set again
			if i == 1 || i == 2 {
				if err := l.Delay(t.Context(), "web2", binary, 200*time.Millisecond); err != nil {
					t.Fatal(err)
				}
			}
			out := l.Must("web1", "ping", "-c", "3", "-i", "0.2", "web2")
			found := quickest.FindStringSubmatch(out)
			if found == nil {
				t.Fatalf("ping says %q", out)
			}
			if ms, _ := strconv.Atoi(found[1]); (ms >= 200) != want {
				t.Errorf("step %d: a round trip took %d ms; delayed by 200 ms is %v", i, ms, want)
			}
			if i == 1 || i == 2 {
				if err := l.Hurry(t.Context(), "web2"); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
	t.Run("lossy", func(t *testing.T) {
		l.Lose("web2", 50)
		out, _, _ := l.Exec("web1", "ping", "-q", "-c", "60", "-i", "0.01", "-W", "1", "web2")
		if strings.Contains(out, " 0 received") || strings.Contains(out, " 60 received") {
			t.Errorf("of 60 packets not about half are lost: %s", out)
		}
		l.Heal("web2")
		l.Must("web1", "ping", "-q", "-c", "10", "-i", "0.01", "web2")
	})
	t.Run("a disk outlives the power", func(t *testing.T) {
		addr := l.Must("web1", "hostname", "-I")
		l.Write("web1", "/var/lib/fleet/deep/note", 0o600, "kept")
		l.Write("web1", "/run/note", 0o644, "gone")
		if got := l.Must("web1", "cat", "/run/note"); got != "gone" {
			t.Errorf("/run/note = %q", got)
		}
		l.Kill("web1")
		if reaches(l, "web2", "web1") {
			t.Error("a dead host answers")
		}
		if got, err := l.Read(t.Context(), "web1", "/var/lib/fleet/deep/note"); err != nil || got != "kept" {
			t.Errorf("the disk of a dead host has %q, %v", got, err)
		}
		l.Start("web1")
		if got := l.Must("web1", "stat", "--format=%a %u", "/var/lib/fleet/deep/note"); got != "600 0" {
			t.Errorf("mode and owner = %q", got)
		}
		if _, _, code := l.Exec("web1", "cat", "/run/note"); code == 0 {
			t.Error("/run/note is still there")
		}
		if got := l.Must("web1", "hostname", "-I"); got != addr {
			t.Errorf("the address was %q and is now %q", addr, got)
		}
	})
	t.Run("exit codes and streams", func(t *testing.T) {
		stdout, stderr, code := l.ExecInput("web1", "in", "bash", "-c", "cat; echo err >&2; exit 7")
		if stdout != "in" || stderr != "err\n" || code != 7 {
			t.Errorf("got %q, %q, %d", stdout, stderr, code)
		}
		if _, err := l.Lab.Exec(t.Context(), "web9", "true"); err == nil {
			t.Error("a host that is not there ran something")
		}
	})
}

// standIn is a fleet that writes down how it was called and what the join file was like, and removes that file.
const standIn = `#!/bin/sh
set -e
echo "$* $(stat -c %a "$4") $(cat "$4")" >>/root/calls
rm "$4"
`

// Debian's own cloud-init runs the samples at the first boot, and only then. What the real fleet makes of the call is
// settled elsewhere.
func TestCloudInitRunsTheSamples(t *testing.T) {
	path := t.TempDir() + "/fleet"
	if err := os.WriteFile(path, []byte(standIn), 0o755); err != nil {
		t.Fatal(err)
	}
	l := Up(t, lab.Config{Hosts: 1})
	l.Write("web1", "/var/www/html/fleet", 0o644, standIn)
	l.Add(lab.Host{Name: "web2", Binary: path, UserData: UserData(t, "user-data.yaml", "FLEET_TOKEN", "fleet1.yaml")})
	l.Add(lab.Host{Name: "web3", UserData: UserData(t, "user-data.sh", "FLEET_TOKEN", "fleet1.sh",
		"FLEET_URL", "http://web1/fleet", "FLEET_SHA256", fmt.Sprintf("%x", sha256.Sum256([]byte(standIn))))})
	l.Add(lab.Host{Name: "web4", UserData: UserData(t, "user-data.yaml", "FLEET_TOKEN", "fleet1.other",
		"FLEET_URL", "http://web1/fleet", "FLEET_SHA256", strings.Repeat("0", 64)), MayFail: true})

	for host, token := range map[string]string{"web2": "fleet1.yaml", "web3": "fleet1.sh"} {
		l.Restart(host)
		if got, want := l.Must(host, "cat", "/root/calls"), "node install --join-file /etc/fleet/join 600 "+token; got != want {
			t.Errorf("%s: fleet was called with %q, want %q", host, got, want)
		}
		if got := l.Must(host, "hostname"); got != host {
			t.Errorf("%s is called %s", host, got)
		}
		if _, _, code := l.Exec(host, "test", "-e", "/etc/fleet/join"); code == 0 {
			t.Errorf("%s: the token is still there", host)
		}
	}
	if _, _, code := l.Exec("web4", "test", "-e", "/usr/local/bin/fleet"); code == 0 {
		t.Error("a download with another checksum was installed")
	}
	if !reaches(l, "web1", "web2") {
		t.Error("web1 does not reach web2")
	}
}
