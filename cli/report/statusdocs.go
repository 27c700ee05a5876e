package report

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"fleet/identity"
)

// DocumentStatus is one version of a signed document, as a host has it.
type DocumentStatus struct {
	Name    string `json:"name"` // KIND/NAME
	Version uint64 `json:"version"`
	Hash    string `json:"hash"` // the first four bytes, in hex
}

const rosterName = identity.RosterKind + "/" + identity.RosterKind

// RosterStatus is a roster as a document. The zero roster is none.
func RosterStatus(r identity.Roster) DocumentStatus {
	if r.Version == 0 {
		return DocumentStatus{}
	}
	return DocumentStatus{rosterName, r.Version, r.Hash.Short()}
}

func (d DocumentStatus) String() string {
	if d.Version == 0 {
		return "none"
	}
	return fmt.Sprintf("%d (%s)", d.Version, d.Hash)
}

// beats is the order by which all hosts keep the same version: the number, then the hash.
func (d DocumentStatus) beats(o DocumentStatus) bool {
	return cmp.Or(cmp.Compare(d.Version, o.Version), strings.Compare(d.Hash, o.Hash)) > 0
}

// documents reads the lines "KIND/NAME VERSION HASH" of a host's answer; others are left out.
func documents(v any) (list []DocumentStatus) {
	for _, line := range textList(v) {
		f := strings.Fields(line)
		if len(f) != 3 {
			continue
		}
		if version, err := strconv.ParseUint(f[1], 10, 64); err == nil {
			list = append(list, DocumentStatus{f[0], version, f[2]})
		}
	}
	return list
}

// document is a host's version of a document; the zero value if it did not name one.
func (h HostStatus) document(name string) DocumentStatus {
	i := slices.IndexFunc(h.Documents, func(d DocumentStatus) bool { return d.Name == name })
	if i < 0 {
		return DocumentStatus{}
	}
	return h.Documents[i]
}

// judgeDocuments names the hosts that have other documents than all should have: of each the version that beats the others.
func (s *Status) judgeDocuments() {
	best := map[string]DocumentStatus{}
	see := func(d DocumentStatus) {
		if d.Version > 0 && d.beats(best[d.Name]) {
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
			case has == best[name] || has.Version == 0 && h.Count > int64(len(h.Documents)): // not all are named
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
		if h.Count > int64(len(h.Documents)) && h.DocumentsHash != hashes[0] {
			s.fault(faultDocs, "not the same documents as most hosts have", h.Name)
		}
	}
}
