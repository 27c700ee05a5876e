//go:build lab

package e2e

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"fleet/internal/lab"
	"fleet/internal/lab/labtest"
)

// binary builds fleet as it is shipped: static, so that it runs on any of the hosts.
func binary(t *testing.T, more ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fleet")
	root, err := lab.Root()
	if err != nil {
		t.Fatal(err)
	}
	build := exec.Command("go", slices.Concat([]string{"build", "-trimpath", "-o", path}, more, []string{"."})...)
	build.Dir, build.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build fleet: %v\n%s", err, out)
	}
	return path
}

// admin is somebody at web1, the first host.
type admin struct {
	*testing.T
	l *labtest.Lab
}

// found brings up n hosts and founds the fleet on web1, which runs the agent as a service. It returns the first token.
func found(t *testing.T, cfg lab.Config) (admin, string) {
	t.Helper()
	if cfg.Binary == "" {
		cfg.Binary = binary(t)
	}
	a := admin{t, labtest.Up(t, cfg)}
	token := a.l.Must("web1", "fleet", "init", "acme")
	a.l.Must("web1", "fleet", "node", "install")
	return a, token
}

// join makes the hosts nodes, all at once.
func (a admin) join(token string, hosts ...string) {
	a.Helper()
	var all sync.WaitGroup
	for _, host := range hosts {
		a.l.Write(host, "/root/token", 0o600, token+"\n")
	}
	for _, host := range hosts {
		all.Go(func() {
			res, err := a.l.Lab.Exec(a.l.Context(), host, "fleet", "node", "install", "--join-file", "/root/token")
			if err != nil || res.Code != 0 {
				a.Errorf("%s does not join: %v, %d\n%s%s", host, err, res.Code, res.Stdout, res.Stderr)
			}
		})
	}
	all.Wait()
	if a.Failed() {
		a.FailNow()
	}
}

// fleet runs a command of the admin's, shows it in the test's log, and verifies its exit code.
func (a admin) fleet(code int, args ...string) (stdout, stderr string) {
	a.Helper()
	stdout, stderr, got := a.l.Exec("web1", append([]string{"fleet"}, args...)...)
	a.Logf("$ fleet %s\n%s%s(exit code %d)", strings.Join(args, " "), stdout, stderr, got)
	if got != code {
		a.Errorf("fleet %q ended with %d, want %d", args, got, code)
	}
	return stdout, stderr
}

func (a admin) want(text string, parts ...string) {
	a.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			a.Errorf("%q is not in:\n%s", part, text)
		}
	}
}

func hosts(from, to int) []string {
	var names []string
	for i := from; i <= to; i++ {
		names = append(names, "web"+strconv.Itoa(i))
	}
	return names
}

// nginxStarts says on each host when nginx was started; "" where there is none.
func (a admin) nginxStarts(names []string) map[string]string {
	a.Helper()
	starts := map[string]string{}
	for _, h := range names {
		starts[h] = a.l.Must(h, "systemctl", "show", "--property=ExecMainStartTimestampMonotonic,ExecMainPID", "nginx")
	}
	return starts
}

func TestNineHosts(t *testing.T) {
	a, token := found(t, lab.Config{Hosts: 9, WithoutNginx: []string{"web9"}})
	all := hosts(1, 9)
	a.join(token, all[1:]...)

	t.Run("every host answers the first ping", func(t *testing.T) {
		a := admin{t, a.l}
		out, _ := a.fleet(0, "ping")
		if lines := regexp.MustCompile(`(?m)^(web\d) +time=`).FindAllStringSubmatch(out, -1); len(lines) != 9 {
			t.Errorf("%d hosts answered", len(lines))
		}
		a.want(out, "9 replies")
	})
	t.Run("find by OS release", func(t *testing.T) {
		a := admin{t, a.l}
		release := a.l.Must("web1", "cat", "/etc/debian_version")
		out, _ := a.fleet(0, "find", "-W", "operatingsystem=Debian operatingsystemrelease="+release)
		if got := strings.Fields(out); !slices.Equal(got, all) {
			t.Errorf("found %v", got)
		}
		if out, _ := a.fleet(3, "find", "-W", "operatingsystem=Debian operatingsystemrelease=8.5"); out != "" {
			t.Errorf("found %q", out)
		}
	})
	t.Run("openssl: status, update, status", testOpenSSL(a))
	t.Run("nginx is restarted on hagroup c only", testRestart(a, all))
	t.Run("everywhere skipped is exit code 3", func(t *testing.T) {
		a := admin{t, a.l}
		_, stderr := a.fleet(3, "service", "restart", "ngnix", "-W", "hagroup=a")
		a.want(stderr, "nginx")
	})
	t.Run("a full disk refuses changes and answers questions", testFullDisk(a))
	t.Run("a new host with the binary and the token answers the next ping", func(t *testing.T) {
		a := admin{t, a.l}
		a.l.Add(lab.Host{Name: "web10", Binary: binary(t), NoNginx: true})
		a.join(token, "web10")
		out, _ := a.fleet(0, "ping")
		a.want(out, "web10", "10 replies")
		if _, err := a.l.Lab.Exec(a.l.Context(), "web10", "test", "!", "-e", "/root/token"); err != nil {
			t.Error(err)
		}
	})
	t.Run("a host that lost its power is named", func(t *testing.T) {
		a := admin{t, a.l}
		a.l.Kill("web4")
		out, stderr := a.fleet(5, "service", "nginx", "status", "-W", "hagroup=a")
		a.want(out+stderr, "web4", "silent")
		a.want(out, "web[1,7]")
	})
	t.Run("it is back after a reboot, without a hand", func(t *testing.T) {
		a := admin{t, a.l}
		a.l.Start("web4")
		a.l.Must("web4", "sh", "-c", "until systemctl is-active --quiet fleet-node; do sleep 0.2; done")
		out, _ := a.fleet(0, "ping")
		a.want(out, "web4", "10 replies")
	})
}

func testOpenSSL(a admin) func(*testing.T) {
	return func(t *testing.T) {
		a := admin{t, a.l}
		version := regexp.MustCompile(`Summary of Ensure:\n +(\S+) = 9\n`)
		before := version.FindStringSubmatch(first(a.fleet(0, "run", "package", "openssl", "status")))
		if before == nil {
			t.Fatal("the nine hosts do not have one version")
		}
		out, _ := a.fleet(0, "run", "package", "openssl", "update", "--all", "-y")
		a.want(out, before[1]+" -> ", "9 ok")
		after := version.FindStringSubmatch(first(a.fleet(0, "package", "status", "openssl")))
		if after == nil || after[1] == before[1] {
			t.Fatalf("versions before %v and after %v", before, after)
		}
		a.l.Must("web5", "dpkg", "--compare-versions", before[1], "lt", after[1])
		if real := a.l.Must("web5", "dpkg-query", "--show", "--showformat=${Version}", "openssl"); real != after[1] {
			t.Errorf("fleet says %s, dpkg on web5 says %s", after[1], real)
		}
		out, _ = a.fleet(0, "run", "package", "openssl", "update", "--all", "-y")
		a.want(out, "9 unchanged")
	}
}

func first(a, _ string) string { return a }

func testRestart(a admin, all []string) func(*testing.T) {
	return func(t *testing.T) {
		a := admin{t, a.l}
		before := a.nginxStarts(all)
		out, _ := a.fleet(0, "run", "service", "nginx", "restart", "-W", "hagroup=c", "-y")
		a.want(out, "web[3,6]", "web9", "skipped", "2 ok, 1 skipped")
		after := a.nginxStarts(all)
		for _, h := range slices.Sorted(maps.Keys(before)) {
			restarted, wanted := before[h] != after[h], h == "web3" || h == "web6"
			if restarted != wanted {
				t.Errorf("%s: restarted is %v (%s, then %s)", h, restarted, before[h], after[h])
			}
		}
	}
}

// testFullDisk fills the disk under web8's journal; its audit, which would refuse as well, has room elsewhere.
func testFullDisk(a admin) func(*testing.T) {
	return func(t *testing.T) {
		a := admin{t, a.l}
		sh := func(script string) { t.Helper(); a.l.Must("web8", "sh", "-ec", script) }
		sh(`systemctl stop fleet-node
			mkdir /mnt/small && mount -t tmpfs -o size=2m,mode=700 fleet-small /mnt/small
			cp -a /var/lib/fleet/. /mnt/small/ && mount --move /mnt/small /var/lib/fleet
			cp -a /var/lib/fleet/audit /var/spool/fleet-audit && mount --bind /var/spool/fleet-audit /var/lib/fleet/audit
			systemctl start fleet-node
			dd if=/dev/zero of=/var/lib/fleet/filler bs=4k 2>/dev/null || true`)
		out, _ := a.fleet(0, "ping", "-I", "web8")
		a.want(out, "web8")
		// The journal has some free pages left; each change that finds all as wanted takes a bit of them. What is full first, the
		// journal or what a process of its own is to read, refuses the change.
		for code := 0; code != 7; {
			_, stderr, got := a.l.Exec("web1", "fleet", "service", "nginx", "start", "-I", "web8")
			if code = got; code != 0 && code != 7 {
				t.Fatalf("ended with %d: %s", code, stderr)
			}
		}
		before := a.l.Must("web8", "systemctl", "show", "--property=ExecMainPID", "nginx")
		out, stderr := a.fleet(7, "service", "nginx", "restart", "-I", "web8", "-v")
		a.want(out+stderr, "web8", "no space left on device", "free some space")
		if after := a.l.Must("web8", "systemctl", "show", "--property=ExecMainPID", "nginx"); after != before {
			t.Error("nginx was restarted all the same")
		}
		a.fleet(0, "ping", "-I", "web8")
		sh("rm /var/lib/fleet/filler")
		a.fleet(0, "service", "nginx", "restart", "-I", "web8")
		sh("systemctl stop fleet-node; umount /var/lib/fleet/audit /var/lib/fleet; systemctl start fleet-node")
	}
}
