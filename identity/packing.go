package identity

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Together returns the revocations for one document that adds some to those of r: these alone, or, once there are many documents,
// with what the small ones say, which nodes then drop. So the number of documents stays small however many revocations there
// are, and none is written again more than a few times. It fails where there are MaxRevoked.
func (r Roster) Together(now time.Time, added ...Revocation) ([]Revocation, error) {
	documents, next, count := map[Hash][]Revocation{}, time.Time{}, 0
	for _, o := range r.Revoked {
		if o.Over(now) {
			continue
		}
		documents[o.Document] = append(documents[o.Document], o)
		count++
		if !o.Until.IsZero() && (next.IsZero() || o.Until.Before(next)) {
			next = o.Until
		}
	}
	if count+len(added) > MaxRevoked {
		return nil, fmt.Errorf("the fleet has %d revocations, as many as it can have; the next one ends on %s, and hosts that came with one token need one revocation together (fleet token revoke ID --with-hosts)",
			count, next.UTC().Format(time.DateOnly))
	}
	small := slices.DeleteFunc(slices.Collect(maps.Values(documents)), func(list []Revocation) bool { return len(list) > maxPacked/2 })
	together := slices.Clone(added)
	if len(small) < packFrom {
		return together, nil
	}
	slices.SortFunc(small, func(a, b []Revocation) int { return cmp.Compare(len(a), len(b)) })
	for _, list := range small {
		if len(together)+len(list) <= maxPacked {
			together = append(together, list...)
		}
	}
	return together, nil
}

// Needed are those of genuine documents of revocations without which less would be revoked: not those that have ended, nor
// those all of whose revocations others have. One that is not genuine is left out.
func Needed(root Authority, raws [][]byte, now time.Time) (needed [][]byte) {
	type copied struct {
		Revocation
		among int // so many in its document
	}
	documents, best := map[Hash][]Revocation{}, map[ID]copied{}
	for _, raw := range raws {
		list, _ := openRevocations(root, raw)
		list = slices.DeleteFunc(list, func(r Revocation) bool { return r.Over(now) })
		documents[HashOf(raw)] = list
		for _, r := range list {
			old, known := best[r.ID]
			if !known || !old.includes(r) || r.includes(old.Revocation) && len(list) > old.among {
				best[r.ID] = copied{r, len(list)}
			}
		}
	}
	for _, raw := range raws {
		hash := HashOf(raw)
		if slices.ContainsFunc(documents[hash], func(r Revocation) bool { b := best[r.ID]; return b.Document == hash || !b.includes(r) }) {
			needed = append(needed, raw)
			delete(documents, hash) // the same one may be there twice
		}
	}
	return needed
}

// includes reports whether r shuts out all that o does, for as long.
func (r Revocation) includes(o Revocation) bool {
	return (r.Hosts || !o.Hosts) && (r.Until.IsZero() || !o.Until.IsZero() && !r.Until.Before(o.Until))
}
