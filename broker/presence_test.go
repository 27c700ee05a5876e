package broker_test

import (
	"testing"

	"github.com/nats-io/nats.go"

	"fleet/broker"
	"fleet/identity"
)

// Who holds a connection is known as long as one stands, however it ends; admins and tokens are no hosts.
func TestChanges(t *testing.T) {
	w := newWorld(t)
	b, _ := w.start()
	member, peer := w.node(identity.Member), w.node(identity.Peer)
	w.connect(b, w.adminTLS(w.admin))
	w.connect(b, w.tokenTLS(w.token(identity.Record{})))
	first, second := w.connect(b, w.nodeTLS(member)), w.connect(b, w.nodeTLS(member))
	w.connect(b, w.nodeTLS(peer))

	id := member.Key.Public().ID()
	there := map[identity.ID]broker.Connected{}
	look := func() (events int) {
		went, came := b.Changes()
		for _, id := range went {
			delete(there, id)
		}
		for _, c := range came {
			there[c.Node] = c
		}
		return len(went) + len(came)
	}
	look()
	if c := there[id]; len(there) != 2 || c.Name != "host" || c.Role != identity.Member || c.Came.IsZero() {
		t.Fatalf("there are %+v", there)
	}
	if events := look(); events != 0 {
		t.Errorf("%d changes without one", events)
	}
	if err := b.Reload(); err != nil {
		t.Fatal(err)
	}
	if events := look(); events != 0 {
		t.Errorf("a reload made %d changes", events)
	}
	first.Close()
	until(t, "the older connection's end", func() bool { return look() > 0 })
	if _, still := there[id]; !still {
		t.Error("one of two connections ended, and the node is taken for gone")
	}
	second.Close()
	until(t, "the end of the last one", func() bool { look(); _, still := there[id]; return !still })

	w.connect(b, w.nodeTLS(member), nats.NoReconnect())
	until(t, "its return", func() bool { look(); _, back := there[id]; return back })
	revoked := w.roster.Load().Revoking([]identity.Revocation{{ID: id}})
	w.roster.Store(&revoked)
	if err := b.Reload(); err != nil {
		t.Fatal(err)
	}
	until(t, "the end of a revoked node's connection", func() bool { look(); _, still := there[id]; return !still })
	if len(there) != 1 || there[peer.Key.Public().ID()].Role != identity.Peer {
		t.Errorf("left are %+v", there)
	}
}
