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
	"fleet/plugins/answers"
)

// Status answers `fleet status`: how this node does in the mesh.
func (h host) Status() answers.Status {
	n := h.n
	self, traffic := n.self.Load(), n.mesh.Traffic()
	s := answers.Status{
		About: h.About(), Protocol: job.Protocol, Connected: n.mesh.Connected(), Clients: int64(traffic.Clients),
		Roster: n.roster.Load().Version, DocumentsHash: gossip.HashOf(n.docs.Digest()).Short(),
		Expires: answers.At(self.NotAfter), Renews: answers.At(self.NotAfter.Add(-identity.NodeLife / 3)), Trouble: n.trouble(), ViewSummary: h.View().ViewSummary,
	}
	for _, id := range traffic.Routes {
		s.Routes = append(s.Routes, string(id))
	}
	refs := n.docs.List()
	// The roster first: only the beginning is sent where there are many.
	slices.SortStableFunc(refs, func(a, b gossip.Ref) int { return cmp.Compare(kindOrder(a.Kind), kindOrder(b.Kind)) })
	for _, ref := range refs {
		s.Documents = append(s.Documents, answers.Document{Name: ref.Kind + "/" + ref.Name, Version: ref.Version, Hash: ref.Hash.Short()})
	}
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
	if n.mesh.Unheard() {
		list = append(list, "gossip does not reach the hosts that run a broker, so it is known by its connection alone and runs no broker")
	}
	list = append(list, n.documentTrouble()...)
	list = append(list, n.journal.Trouble()...)
	for _, p := range n.facts.Current().Problems {
		if p.Refused() {
			list = append(list, p.File+" "+p.Error)
		}
	}
	list = append(list, n.mesh.Claims()...)
	if lost := n.audit.Lost(); lost > 0 {
		list = append(list, fmt.Sprintf("its audit cannot be written; %d lines are lost so far", lost))
	}
	return list
}

// View is whom this node sees; without gossip it has none. Those that left are counted and not named: each node forgets
// them in its own time.
func (h host) View() answers.View {
	var v answers.View
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
		v.Members = append(v.Members, answers.Seen{ID: string(m.Node), Name: m.Name, Presence: string(m.Presence)})
	}
	slices.SortFunc(v.Members, func(a, b answers.Seen) int { return cmp.Compare(a.ID, b.ID) })
	hash := sha256.New()
	for _, m := range v.Members {
		fmt.Fprintf(hash, "%s %s\n", m.ID, m.Presence)
	}
	v.ViewHash = hex.EncodeToString(hash.Sum(nil)[:8])
	return v
}
