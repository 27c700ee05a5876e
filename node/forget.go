package node

import (
	"fmt"

	"fleet/identity"
	"fleet/job"
)

// Forget drops a host that is gone from whom this node expects, as an admin wishes it who knows that it will not come back.
// known says whether this node knew it. It is an error for one that is alive, as this node sees it.
func (h host) Forget(id string) (known bool, err error) {
	n := h.n
	for _, m := range n.mesh.Hosts() {
		if string(m.Node) != id {
			continue
		}
		if m.Presence == job.Alive {
			return true, fmt.Errorf("%s is alive, and is not forgotten; to shut it out: fleet node revoke %s", m.Name, m.Name)
		}
		known = true
	}
	return known, n.mesh.Forget(identity.ID(id))
}
