package client

import (
	"fmt"
	"slices"
	"strings"

	"fleet/identity"
	"fleet/job"
)

// DuplicateKey is a host whose key two machines use, as a broker says: a copied disk, or a stolen key. A signature cannot
// tell the two apart, so neither is trusted in silence: the admin is warned, and a change leaves the host out.
type DuplicateKey struct {
	Node  identity.ID
	Name  string
	Addrs []string // of the two machines
}

// Warning is a line for people: what is wrong, and what to do.
func (d DuplicateKey) Warning() string {
	return fmt.Sprintf("two machines use the key of %s, at %s, so an answer may come from either; remove the copied data directory, or revoke the key (fleet node revoke %s) and admit both hosts again",
		d.Name, strings.Join(d.Addrs, " and "), d.Name)
}

// duplicates are those that the newest list names, by name.
func (g *gathering) duplicates() []DuplicateKey {
	var list []DuplicateKey
	for id, m := range g.members {
		if len(m.Duplicate) > 0 && !g.revoked(id) {
			list = append(list, DuplicateKey{Node: id, Name: m.Name, Addrs: m.Duplicate})
		}
	}
	slices.SortFunc(list, func(a, b DuplicateKey) int {
		return strings.Compare(a.Name+" "+string(a.Node), b.Name+" "+string(b.Node))
	})
	return list
}

// leaveOut turns those with a duplicate key that would run the change into refused ones.
func leaveOut(duplicates []DuplicateKey, outcomes []Outcome) {
	for i, o := range outcomes {
		j := slices.IndexFunc(duplicates, func(d DuplicateKey) bool { return d.Node == o.Node })
		if j >= 0 && o.State == job.OK {
			outcomes[i].State, outcomes[i].Reason, outcomes[i].Message = job.Denied, job.ReasonPolicy, duplicates[j].Warning()
		}
	}
}
