package broker

import (
	"slices"

	"github.com/nats-io/nats-server/v2/server"

	"fleet/identity"
)

// Neighbours are the nodes whose brokers this one has a route to, sorted. Like Clients and Routes it may be called from any
// goroutine, also after Stop.
func (b *Broker) Neighbours() []identity.ID {
	z, err := b.server.Routez(&server.RoutezOptions{})
	if err != nil {
		return nil
	}
	var ids []identity.ID
	for _, r := range z.Routes {
		if id := identity.ID(r.RemoteName); r.RemoteName != "" && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}
