package node

import (
	"fmt"
	"time"

	"fleet/identity"
	"fleet/job"
)

// Forget drops a host that is gone from whom this node expects, as an admin wishes it who knows that it will not come back.
// known says whether this node knew it. It is an error for one that is alive, as this node sees it.
func (h host) Forget(id string) (known bool, err error) {
	n := h.n
	for _, m := range n.hosts() {
		if string(m.Node) != id {
			continue
		}
		if m.Presence == job.Alive {
			return true, fmt.Errorf("%s is alive, and is not forgotten; to shut it out: fleet node revoke %s", m.Name, m.Name)
		}
		known = true
	}
	if n.gossip != nil {
		if _, err := n.gossip.Forget(id); err != nil {
			return known, err
		}
	}
	if n.connected != nil {
		n.connected.Forget(time.Now(), identity.ID(id))
	}
	return known, nil
}
