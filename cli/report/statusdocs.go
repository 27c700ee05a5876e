package report

import (
	"cmp"
	"fmt"
	"slices"

	"fleet/identity"
	"fleet/plugins/answers"
)

const rosterName = identity.RosterKind + "/" + identity.RosterKind

// RosterStatus is a roster as a document. The zero roster is none.
func RosterStatus(r identity.Roster) answers.Document {
	if r.Version == 0 {
		return answers.Document{}
	}
	return answers.Document{Name: rosterName, Version: r.Version, Hash: r.Hash.Short()}
}

// document is a host's version of a document; the zero value if it did not name one.
func (h HostStatus) document(name string) answers.Document {
	i := slices.IndexFunc(h.Documents, func(d answers.Document) bool { return d.Name == name })
	if i < 0 {
		return answers.Document{}
	}
	return h.Documents[i]
}

// judgeDocuments names the hosts that have other documents than all should have: of each the version that beats the others.
func (s *Status) judgeDocuments() {
	best := map[string]answers.Document{}
	see := func(d answers.Document) {
		if d.Version > 0 && d.Beats(best[d.Name]) {
			best[d.Name] = d
		}
	}
	see(s.Roster)
	for _, h := range s.Hosts {
		for _, d := range h.Documents {
			see(d)
		}
	}
	s.Roster = best[rosterName]
	for _, h := range s.Hosts {
		for _, name := range sortedKeys(best) {
			has := h.document(name)
			switch {
			case has == best[name] || has.Version == 0 && h.DocumentCount > int64(len(h.Documents)): // not all are named
			case name == rosterName:
				s.fault(faultRoster, fmt.Sprintf("roster version %s instead of %s", has, best[name]), h.Name)
			default:
				s.fault(faultDocs, fmt.Sprintf("document %s: version %s instead of %s", name, has, best[name]), h.Name)
			}
		}
	}
	s.judgeUnnamed()
}

// judgeUnnamed compares the documents that are too many to be named one by one.
func (s *Status) judgeUnnamed() {
	count := countOf(s.Hosts, func(h HostStatus) string { return h.DocumentsHash })
	hashes := sortedKeys(count)
	slices.SortStableFunc(hashes, func(a, b string) int { return cmp.Compare(count[b], count[a]) })
	for _, h := range s.Hosts {
		if h.DocumentCount > int64(len(h.Documents)) && h.DocumentsHash != hashes[0] {
			s.fault(faultDocs, "not the same documents as most hosts have", h.Name)
		}
	}
}
