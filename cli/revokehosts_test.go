package cli

import (
	"strings"
	"testing"

	"fleet/identity"
	"fleet/internal/fleettest"
)

func TestATokenIsRevokedWithItsHosts(t *testing.T) {
	f := fleettest.New(t)
	f.First().Start()
	ann := person{t: t, home: homeOfFleet(t, f)}
	stolen, other := f.Token(identity.Record{Role: identity.Member}), f.Token(identity.Record{Role: identity.Member})
	gone := []*fleettest.Host{f.Join("web2", stolen), f.Join("web3", stolen)}
	f.Join("web4", other)
	f.Await(f.Client(), 4)
	id := string(stolen.Record.ID())

	expect(t, ann.must(2, "token", "revoke", id, "--with-hosts"), "2 hosts of the 4 that were asked joined with token "+id+": web2 (", "), web3 (", "to confirm, add --yes")
	f.Await(f.Client(), 4)

	// Alone first, as somebody does who has not seen yet that hosts came with it.
	ann.must(0, "token", "revoke", id, "-y")
	f.Await(f.Client(), 4)
	said := ann.must(0, "token", "revoke", id, "--with-hosts", "-y")
	expect(t, said, "is revoked, and every host that joined with it", "delete its data directory", "each held the gossip key; replace it with fleet rotate")
	if strings.Contains(said, "warning") {
		t.Error(said)
	}
	expect(t, ann.must(2, "token", "revoke", id, "--with-hosts", "-y"), "already revoked with its hosts")
	expect(t, ann.must(2, "token", "revoke", id, "-y"), "already revoked")
	f.Await(f.Client(), 2) // nobody waits for them, though they gossip
	if out := ann.must(0, "ping"); strings.Contains(out, "web2") || strings.Contains(out, "web3") {
		t.Errorf("they are expected:\n%s", out)
	}
	if _, err := f.TryJoin(t.Context(), "web5", stolen); err == nil {
		t.Error("another host joins with it")
	}
	for _, h := range gone {
		h.Stop()
	}
}
