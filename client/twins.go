package client

import (
	"fmt"
	"slices"
	"strings"

	"fleet/identity"
	"fleet/job"
)

// Twin is a host whose key two machines use, by what a broker says: a copied disk, or a stolen key. A signature cannot tell
// the two apart, so none of them is trusted in silence: whoever asks is told, and a change leaves the host out.
type Twin struct {
	Node  identity.ID
	Name  string
	Addrs []string // of the two machines
}

// Warning is a line for people: what is wrong, and what to do.
func (t Twin) Warning() string {
	return fmt.Sprintf("two machines use the key of %s, at %s, so an answer may come from either; remove the copied data directory, or revoke the key (fleet node revoke %s) and admit both hosts again",
		t.Name, strings.Join(t.Addrs, " and "), t.Name)
}

// twins are those that the newest list names, by name.
func (g *gathering) twins() []Twin {
	var list []Twin
	for id, m := range g.members {
		if len(m.Twin) > 0 && !g.revoked(id) {
			list = append(list, Twin{Node: id, Name: m.Name, Addrs: m.Twin})
		}
	}
	slices.SortFunc(list, func(a, b Twin) int { return strings.Compare(a.Name+" "+string(a.Node), b.Name+" "+string(b.Node)) })
	return list
}

// leaveOut turns the willing among the twins into refused ones.
func leaveOut(twins []Twin, outcomes []Outcome) {
	for i, o := range outcomes {
		j := slices.IndexFunc(twins, func(t Twin) bool { return t.Node == o.Node })
		if j >= 0 && o.State == job.OK {
			outcomes[i].State, outcomes[i].Reason, outcomes[i].Message = job.Denied, job.ReasonPolicy, twins[j].Warning()
		}
	}
}
