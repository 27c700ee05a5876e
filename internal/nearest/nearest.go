// Package nearest suggests existing names that are close to one that does not exist.
package nearest

import (
	"cmp"
	"slices"
	"strings"
)

// maxLength bounds the names that are compared, in bytes: the distance costs their product.
const maxLength = 128

// Names returns at most limit of the candidates that look like word, the likeliest first, each once. A candidate
// looks like word if a few slips of the keyboard (a third of word's length; two letters swapped are one slip) lead
// from one to the other, or if one begins with the other and that beginning has at least three letters.
func Names(word string, candidates []string, limit int) []string {
	type hit struct {
		name     string
		distance int
	}
	lower := strings.ToLower(word)
	var hits []hit
	for _, name := range candidates {
		if word == "" || len(word) > maxLength || len(name) > maxLength || name == word {
			continue
		}
		if d, ok := near(lower, strings.ToLower(name)); ok {
			hits = append(hits, hit{name, d})
		}
	}
	slices.SortFunc(hits, func(a, b hit) int {
		return cmp.Or(cmp.Compare(a.distance, b.distance), strings.Compare(a.name, b.name))
	})
	hits = slices.Compact(hits)
	names := make([]string, 0, min(limit, len(hits)))
	for _, h := range hits[:min(limit, len(hits))] {
		names = append(names, h.name)
	}
	return names
}

// Misspelt returns the candidate that a few slips lead to, "" if there is none; of equals the first in the alphabet. It is Names for
// candidates by the ten thousand, where many begin like word.
func Misspelt(word string, candidates []string) string {
	best, found := max(1, len(word)/3), ""
	for _, name := range candidates {
		if d, ok := within(best, word, name); ok && (found == "" || d < best || name < found) {
			best, found = d, name
		}
	}
	return found
}

// within is the distance if it is at most limit. It does not measure where the lengths tell.
func within(limit int, a, b string) (int, bool) {
	if len(a)-len(b) > limit || len(b)-len(a) > limit {
		return 0, false
	}
	d := distance(a, b)
	return d, d <= limit
}

// near says how far b is from a, and whether that is near. A shared beginning counts as one slip more than the
// farthest word still near, so that a slip beats a long name that happens to begin the same.
func near(a, b string) (int, bool) {
	slips := max(1, len(a)/3)
	if d, ok := within(slips, a, b); ok {
		return d, true
	}
	if shorter := min(len(a), len(b)); shorter >= 3 && (strings.HasPrefix(a, b) || strings.HasPrefix(b, a)) {
		return slips + 1, true
	}
	return 0, false
}

// distance is the optimal string alignment distance in bytes: Levenshtein's, with neighbours swapped as one edit.
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			replace := last[j-1]
			if a[i-1] != b[j-1] {
				replace++
			}
			row[j] = min(last[j]+1, row[j-1]+1, replace)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
