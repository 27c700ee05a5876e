package node

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"fleet/gossip"
	"fleet/identity"
	"fleet/job"
	"fleet/plugins/rpcutil"
)

// Standing answers `fleet status`: how this node stands in the mesh.
func (h host) Standing() rpcutil.Standing {
	n := h.n
	self := n.self.Load()
	s := rpcutil.Standing{
		Protocol: job.Protocol, Roster: n.roster.Load().Version, Expires: self.NotAfter, Renews: self.NotAfter.Add(-identity.NodeLife / 3),
		Trouble: n.trouble(), View: h.View(),
	}
	s.View.Members = nil
	s.Connected = n.mesh.Connected()
	t := n.mesh.Traffic()
	s.Clients = t.Clients
	for _, id := range t.Routes {
		s.Routes = append(s.Routes, string(id))
	}
	refs := n.docs.List()
	// The roster first: only the beginning is sent where there are many.
	slices.SortStableFunc(refs, func(a, b gossip.Ref) int { return cmp.Compare(kindOrder(a.Kind), kindOrder(b.Kind)) })
	for _, ref := range refs {
		s.Documents = append(s.Documents, fmt.Sprintf("%s/%s %d %s", ref.Kind, ref.Name, ref.Version, ref.Hash.Short()))
	}
	s.DocumentsHash = gossip.HashOf(n.docs.Digest()).Short()
	return s
}

// trouble is what is wrong with this node and what others cannot see, a line each.
func (n *Node) trouble() []string {
	var list []string
	if err := n.heartbeats.hung(); err != nil {
		list = append(list, err.Error())
	}
	self := n.self.Load()
	if late := self.NotAfter.Add(-identity.NodeLife / 6); time.Now().After(late) {
		list = append(list, fmt.Sprintf("its certificate runs out on %s and no peer renews it", self.NotAfter.UTC().Format(time.RFC3339)))
	}
	if n.outdated() {
		list = append(list, "its certificate is by an issuing key that was replaced")
	}
	list = append(list, n.documentTrouble()...)
	for _, c := range n.mesh.Conflicts() {
		list = append(list, fmt.Sprintf("the node id %s is claimed from two addresses", c.ID))
	}
	if lost := n.audit.Lost(); lost > 0 {
		list = append(list, fmt.Sprintf("its audit cannot be written; %d lines are lost so far", lost))
	}
	return list
}

// View is whom this node sees; without gossip it has none. Those that left are counted and not named: each node forgets them in its own time.
func (h host) View() rpcutil.View {
	var v rpcutil.View
	if !h.n.mesh.Gossips() {
		return v
	}
	for _, m := range h.n.mesh.Gossiping() {
		switch m.Presence {
		case job.Alive:
			v.Alive++
		case job.Left:
			v.Left++
			continue
		default:
			v.Failed++
		}
		v.Members = append(v.Members, rpcutil.Seen{ID: string(m.Node), Name: m.Name, Presence: string(m.Presence)})
	}
	slices.SortFunc(v.Members, func(a, b rpcutil.Seen) int { return cmp.Compare(a.ID, b.ID) })
	hash := sha256.New()
	for _, m := range v.Members {
		fmt.Fprintf(hash, "%s %s\n", m.ID, m.Presence)
	}
	v.Hash = hex.EncodeToString(hash.Sum(nil)[:8])
	return v
}
