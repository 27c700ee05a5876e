package node_test

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fleet/identity"
	"fleet/internal/fleettest"
	"fleet/internal/identitytest"
	"fleet/node"
)

// refused verifies that nobody is let in, and that the error says why and what to do.
func refused(t *testing.T, f *fleettest.Fleet, name string, token identity.Token, parts ...string) {
	t.Helper()
	_, err := f.TryJoin(t.Context(), name, token)
	if err == nil {
		t.Fatal("was admitted")
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("the error lacks %q: %v", part, err)
		}
	}
	if strings.Contains(err.Error(), token.Secret.Secret()) {
		t.Error("the error shows the token's secret")
	}
}

func TestATokenOfAnotherFleetIsRefusedByTheHostItself(t *testing.T) {
	f, other := fleettest.New(t), fleettest.New(t)
	f.First().Start()
	other.First().Start()
	token := other.Token(identity.Record{Role: identity.Peer})
	token.Seeds = f.Token(identity.Record{Role: identity.Peer}).Seeds // leads to f's broker, pins other's root
	refused(t, f, "web2", token, "not a broker of the fleet", "check that the token is for this fleet")
}

func TestATokenThatNoAdminSignedIsRefused(t *testing.T) {
	f := fleettest.New(t)
	f.First().Start()
	good := f.Token(identity.Record{Role: identity.Peer})
	forged, err := identity.NewToken(f.Root.Anchor(), identity.NewKey[identity.Admin](),
		identity.Record{Role: identity.Peer, Created: time.Now(), Expires: time.Now().Add(time.Hour)}, good.Seeds)
	if err != nil {
		t.Fatal(err)
	}
	refused(t, f, "web2", forged, "the broker does not accept this token", "ask an admin for a new one")
}

func TestAnExpiredTokenIsRefused(t *testing.T) {
	f := fleettest.New(t)
	f.First().Start()
	old := f.Token(identity.Record{Role: identity.Peer, Created: time.Now().Add(-2 * time.Hour), Expires: time.Now().Add(-time.Hour)})
	refused(t, f, "web2", old, "token expired on", "ask an admin for a new one (fleet token create)", "set this host's clock")
}

// The host's own clock may be wrong, so the fleet decides as well.
func TestAnExpiredTokenIsRefusedByTheFleetToo(t *testing.T) {
	f := fleettest.New(t)
	f.First().Start()
	old := f.Token(identity.Record{Role: identity.Peer, Created: time.Now().Add(-2 * time.Hour), Expires: time.Now().Add(-time.Hour)})
	old.Record.Expires = time.Now().Add(time.Hour) // as a host whose clock is behind sees it; the signed record is as it was
	refused(t, f, "web2", old, "the fleet refused to admit this host", "it has expired or was revoked", "fleet token create")
}

func TestATokenForAnotherNetworkIsRefused(t *testing.T) {
	f := fleettest.New(t)
	f.First().Start()
	refused(t, f, "web2", f.Token(identity.Record{Role: identity.Peer, Networks: []string{"10.0.0.0/8"}}), "the broker does not accept this token", "network")
}

func TestTwoHostsCannotHaveOneName(t *testing.T) {
	f := fleettest.New(t)
	f.First().Start()
	f.Join("web2", f.Token(identity.Record{Role: identity.Member}))
	f.Await(f.Client(), 2)
	refused(t, f, "web2", f.Token(identity.Record{Role: identity.Member}), `the name "web2" belongs to another living host`, "--name")
	refused(t, f, "WEB2", f.Token(identity.Record{Role: identity.Member}), "belongs to another living host")
}

func TestANameIsFreeWhenItsHostIsGone(t *testing.T) {
	f := fleettest.New(t)
	f.First().Start()
	c := f.Client()
	gone := f.Join("web2", f.Token(identity.Record{Role: identity.Member}))
	f.Await(c, 2)
	gone.Stop()
	f.Await(c, 1)
	f.Join("web2", f.Token(identity.Record{Role: identity.Member}))
	f.Await(c, 2)
}

func TestASecondNodeOnOneDirectoryIsRefused(t *testing.T) {
	dir := t.TempDir()
	first, err := node.OpenDataDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	_, err = node.OpenDataDir(dir)
	if err == nil || !strings.Contains(err.Error(), "another node (process") || !strings.Contains(err.Error(), "--data") {
		t.Fatalf("got %v", err)
	}
}

func TestADirectoryThatIsDamagedIsNotUsed(t *testing.T) {
	f := fleettest.New(t)
	path := filepath.Join(f.First().Dir, "node.json")
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"empty": "", "cut short": string(good[:len(good)/2]), "of another release": `{"schema":"fleet.node/v9"}`,
		"another root": strings.Replace(string(good), f.Root.Anchor().String(), identitytest.Root().Anchor().String(), 1),
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			d, err := node.OpenDataDir(f.First().Dir)
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			if _, err := node.New(node.Config{Dir: d, Log: slog.New(slog.DiscardHandler)}); err == nil || errors.Is(err, node.ErrNotAdmitted) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestLabelsOfTheTokenStandInTheCertificate(t *testing.T) {
	f := fleettest.New(t)
	f.First().Start()
	h := f.Join("web2", f.Token(identity.Record{Role: identity.Ephemeral, Labels: map[string]string{"env": "prod"}}))
	h.Stop()
	d, err := node.OpenDataDir(h.Dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	m, err := d.Load()
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := identity.OpenChain(f.Root.Anchor(), m.Chain, time.Now())
	if id := certificate.Own(); err != nil || id.Labels["env"] != "prod" || id.Role != identity.Ephemeral {
		t.Errorf("%+v, %v", certificate, err)
	}
	if !m.Issuing.IsZero() {
		t.Error("a member holds the issuing key")
	}
}
