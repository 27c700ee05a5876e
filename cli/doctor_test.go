package cli

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fleet/identity"
	"fleet/internal/fleettest"
	"fleet/internal/identitytest"
	"fleet/node/checkup"
)

// A real fleet: status is well, and so are its host and its admin; then one thing after the other is not.
func TestStatusAndDoctorOfALiveFleet(t *testing.T) {
	f := fleettest.New(t)
	f.First().Start()
	f.Join("web2", f.Token(identity.Record{Role: identity.Member}))
	f.Await(f.Client(), 2)
	p := person{t: t, home: homeOfFleet(t, f)}
	if err := os.Chmod(p.home, 0o700); err != nil {
		t.Fatal(err)
	}
	out := p.within(0, "status") // two hosts that have just met may not agree at once
	expect(t, out, "test "+string(f.Root.Anchor().ID())+": 2 of 2 hosts answered", "2 alive, 0 failed", "1: web1 (", "fleet test on 2 hosts", "on 2 hosts", "roster version 1 (", "No problems found.")
	_, port, err := net.SplitHostPort(f.Broker())
	if err != nil {
		t.Fatal(err)
	}
	out = p.must(0, "doctor", "--data", f.First().Dir, "--gossip-port", "0", "--broker-port", port)
	expect(t, out, "a node is running here", "accepts this node, and a peer would renew", "accepts this admin", " 0 bad,")

	elsewhere := filepath.Join(t.TempDir(), "none")
	out = p.must(0, "doctor", "--data", elsewhere) // an admin's machine is no host
	if strings.Contains(out, "data directory") {
		t.Errorf("it looks at a node:\n%s", out)
	}
	expect(t, out, "is pinned", "the admin key "+string(f.Admin.Public().ID()), "accepts this admin")
	if strings.Contains(out, f.Admin.Secret()) {
		t.Error("a secret is shown")
	}
	out = p.must(4, "doctor", "--data", elsewhere, "--broker", "127.0.0.1:1")
	expect(t, out, "bad      broker 127.0.0.1:1  nothing is listening there", "\n         ")

	stranger := person{t: t, home: homeOfFleet(t, f)}
	if err := os.Remove(filepath.Join(stranger.home, keyFile)); err != nil {
		t.Fatal(err)
	}
	if err := identity.WriteKey(filepath.Join(stranger.home, keyFile), identity.NewKey[identity.Admin]()); err != nil {
		t.Fatal(err)
	}
	out = stranger.must(4, "doctor", "--data", elsewhere)
	expect(t, out, "its roster does not contain this admin's key")
	mixed := person{t: t, home: homeOfFleet(t, f)}
	if err := os.WriteFile(filepath.Join(mixed.home, rootFile), []byte(identitytest.Root().Anchor().String()), 0o600); err != nil {
		t.Fatal(err)
	}
	expect(t, mixed.must(4, "doctor", "--data", elsewhere), "what this home directory knows of the roster", "they are fetched again")
	if err := errors.Join(os.Remove(filepath.Join(mixed.home, rosterFile)), os.Remove(filepath.Join(mixed.home, recordsFile))); err != nil {
		t.Fatal(err)
	}
	out = mixed.must(4, "doctor", "--data", elsewhere, "--broker", f.Broker())
	expect(t, out, "does not present a certificate of the pinned fleet")

	token := filepath.Join(t.TempDir(), "token")
	made := f.Token(identity.Record{Role: identity.Member})
	if err := os.WriteFile(token, []byte(made.Text()), 0o644); err != nil {
		t.Fatal(err)
	}
	out = p.must(4, "doctor", "--data", elsewhere, "--gossip-port", "0", "--join", "@"+token)
	expect(t, out, "bad      token file", "chmod 600")
	if err := os.Chmod(token, 0o600); err != nil {
		t.Fatal(err)
	}
	out = p.must(0, "doctor", "--data", elsewhere, "--gossip-port", "0", "--join", "@"+token)
	expect(t, out, "accepts the token")
	if strings.Contains(out, made.Text()) || strings.Contains(out, made.Secret.Secret()) {
		t.Error("a secret is shown")
	}
}

func TestUnitFinding(t *testing.T) {
	for shown, want := range map[string]checkup.State{
		"LoadState=loaded\nActiveState=active\nSubState=running\nNRestarts=0\nStatusText=web1: 3 hosts alive, 0 failed\n": checkup.OK,
		"LoadState=loaded\nActiveState=activating\nSubState=auto-restart\nNRestarts=7\n":                                  checkup.Bad,
		"LoadState=loaded\nActiveState=failed\nSubState=failed\nNRestarts=0\n":                                            checkup.Bad,
		"LoadState=not-found\nActiveState=inactive\nSubState=dead\n":                                                      checkup.Skipped,
		"": checkup.Bad,
	} {
		if f := unitFinding(shown); f.State != want || f.State != checkup.OK && f.Do == "" {
			t.Errorf("%q: %+v, want %s", shown, f, want)
		}
	}
}
