package packages

// nearest returns the name most like want, by the number of letters to add, drop, change or swap with their
// neighbour; "" if none is near enough to be what was meant. Of equals it is the first in the alphabet.
func nearest(want string, names []string) string {
	best, found := max(1, len(want)/3)+1, ""
	for _, name := range names {
		if len(name)-len(want) > best || len(want)-len(name) > best { // then so is their distance
			continue
		}
		if d := distance(want, name); d < best || d == best && found != "" && name < found {
			best, found = d, name
		}
	}
	return found
}

// distance is the optimal string alignment distance over bytes.
func distance(a, b string) int {
	before, prev, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(prev[j]+1, row[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, prev, row = prev, row, before
	}
	return prev[len(b)]
}
