package cli

import (
	"context"
	"errors"
	"path/filepath"
	"regexp"
	"testing"

	"fleet/internal/fleettest"
	"fleet/plugins/plugin"
)

// aliased is the service plugin of a host where sshd is an alias of ssh.service, and nothing can tell what "lost" is.
type aliased struct{ pretend }

func (aliased) Names(_ context.Context, _, _, value string) (own, other []string, err error) {
	switch value {
	case "lost":
		return nil, nil, errors.New("systemd does not answer")
	case "ssh", "ssh.service", "sshd", "sshd.service":
		return []string{"ssh.service", "ssh"}, []string{"sshd.service", "sshd"}, nil
	}
	return []string{value}, nil, nil
}

// Bob may restart sshd, and so ssh.service by all its names, and nothing else. fleet can says the same as the host does.
func TestARuleMeansTheServiceAndNotItsName(t *testing.T) {
	f := fleettest.New(t)
	f.Plugin = func(string) []plugin.Plugin { return []plugin.Plugin{aliased{}} }
	f.First().Start()
	ann := person{t: t, home: homeOfFleet(t, f)}
	bob := person{t: t, home: filepath.Join(t.TempDir(), "bob")}
	ann.must(0, "role", "allow", "web", "--action", "service.restart", "--arg", "service=sshd")
	_, line, _ := bob.run("admin", "keygen", "bob", "--role", "web")
	bob.pasted(0, regexp.MustCompile(`fleet admin accept \S+`).FindString(ann.pasted(0, line)))
	bob.within(0, "service", "sshd", "restart", "-I", "web1")
	for _, name := range []string{"ssh", "ssh.service", "sshd.service"} {
		bob.must(0, "service", name, "restart", "-I", "web1")
		ann.must(0, "can", "bob", "service", "restart", "service="+name, "-I", "web1")
	}
	for name, why := range map[string]string{"nginx": "no role of bob allows service.restart", "sshx": "no role of bob allows service.restart", "lost": "this host cannot say what service=lost names: systemd does not answer"} {
		expect(t, bob.must(7, "service", name, "restart", "-I", "web1"), why)
		expect(t, ann.must(7, "can", "bob", "service", "restart", "service="+name, "-I", "web1"), why)
	}
}
