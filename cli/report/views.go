package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"fleet/identity"
	"fleet/plugins/answers"
)

// maxDifferences is how many hosts are named about which two views differ; the rest is counted.
const maxDifferences = 5

// findViews groups the hosts by whom they see, the view of most brokers first.
func (s *Status) findViews() {
	at := map[string]int{}
	for _, h := range s.Hosts {
		if h.ViewHash == "" {
			continue // a host that takes no part in gossip has none
		}
		i, ok := at[h.ViewHash]
		if !ok {
			i = len(s.Views)
			at[h.ViewHash] = i
			s.Views = append(s.Views, ViewStatus{Hash: h.ViewHash, Node: h.Node, Name: h.Name, Alive: h.Alive, Failed: h.Failed})
		}
		v := &s.Views[i]
		v.Hosts = append(v.Hosts, h.Name)
		if h.Broker {
			if v.Brokers == 0 {
				v.Node, v.Name = h.Node, h.Name
			}
			v.Brokers++
		}
	}
	slices.SortStableFunc(s.Views, func(a, b ViewStatus) int {
		return cmp.Or(cmp.Compare(b.Brokers, a.Brokers), cmp.Compare(len(b.Hosts), len(a.Hosts)), compareNames(a.Name, b.Name))
	})
}

// Compare names how the other views differ from the first, by what a host of each said when it was asked a moment later.
// Views that are the same by then have only been late.
func (s *Status) Compare(views map[identity.ID]map[string]answers.Seen) {
	first := s.Views[0]
	reference, known := views[first.Node]
	agreed := s.Views[:1]
	for _, v := range s.Views[1:] {
		text := fmt.Sprintf("sees %d alive and %d failed, where %s sees %d and %d", v.Alive, v.Failed, first.Name, first.Alive, first.Failed)
		if other, asked := views[v.Node]; asked && known {
			differences := differ(reference, other, first.Name)
			if len(differences) == 0 {
				agreed[0].Hosts = append(agreed[0].Hosts, v.Hosts...)
				agreed[0].Brokers += v.Brokers
				continue
			}
			text = told(differences)
		}
		agreed = append(agreed, v)
		s.fault(faultView, text, v.Hosts...)
	}
	s.Views = agreed
}

func told(differences []string) string {
	text := "sees " + strings.Join(differences[:min(len(differences), maxDifferences)], "; ")
	if more := len(differences) - maxDifferences; more > 0 {
		text += fmt.Sprintf("; and %d more differences", more)
	}
	return text
}

// differ says how the second view differs from the first one's.
func differ(first, second map[string]answers.Seen, whose string) []string {
	var list []string
	for _, id := range sortedKeys(second) {
		switch was, ok := first[id]; {
		case !ok:
			list = append(list, fmt.Sprintf("%s as %s, which %s does not know", second[id].Name, second[id].Presence, whose))
		case was.Presence != second[id].Presence:
			list = append(list, fmt.Sprintf("%s as %s where %s sees it %s", second[id].Name, second[id].Presence, whose, was.Presence))
		}
	}
	for _, id := range sortedKeys(first) {
		if _, ok := second[id]; !ok {
			list = append(list, fmt.Sprintf("nothing of %s, which %s sees as %s", first[id].Name, whose, first[id].Presence))
		}
	}
	return list
}
