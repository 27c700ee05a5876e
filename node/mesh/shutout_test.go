package mesh

import (
	"log/slog"
	"testing"
	"time"

	"fleet/identity"
	"fleet/node/presence"
)

// Nobody expects a host any more whose key was revoked, or whose token was with all its hosts, also where only its connection
// said that it is there.
func TestWhoIsShutOutIsNotExpected(t *testing.T) {
	id := func() identity.ID { return identity.NewKey[identity.Node]().Public().ID() }
	stolen, alone, good, node := id(), id(), id(), id()
	table := presence.New(id(), slog.New(slog.DiscardHandler))
	now := time.Now()
	table.Own(now, nil, []presence.Host{
		{Node: node, Name: "web1", Role: identity.Member, Token: good, Came: now},
		{Node: id(), Name: "web2", Role: identity.Member, Token: stolen, Came: now},
		{Node: id(), Name: "web3", Role: identity.Member, Token: alone, Came: now},
		{Node: id(), Name: "web4", Role: identity.Member, Token: good, Came: now},
	})
	roster := identity.Roster{}.Revoking([]identity.Revocation{
		identity.RevokeNode(node, now), identity.RevokeTokenHosts(stolen, now), identity.RevokeToken(alone, time.Time{}),
	})
	m := Members{connected: table, roster: func() identity.Roster { return roster }}
	names := map[string]bool{}
	for _, h := range m.Hosts() {
		names[h.Name] = true
	}
	if len(names) != 2 || !names["web3"] || !names["web4"] {
		t.Errorf("expected are %v", names)
	}
}
