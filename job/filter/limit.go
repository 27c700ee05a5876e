package filter

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Limit is a number of hosts, absolute or in percent, as --limit and --batch take it. The zero Limit is no limit.
type Limit struct {
	n       int
	percent bool
}

// ParseLimit reads N or N%: a whole number from 1, percent up to 100.
func ParseLimit(s string) (Limit, error) {
	digits, percent := strings.CutSuffix(strings.TrimSpace(s), "%")
	n, err := strconv.Atoi(digits)
	switch {
	case err != nil || len(digits) != countDigits(digits):
		return Limit{}, fmt.Errorf("%q is not a number of hosts; write one such as 5, or 20%%", clip(s))
	case n == 0:
		return Limit{}, fmt.Errorf("%q would select no host", clip(s))
	case percent && n > 100:
		return Limit{}, fmt.Errorf("%q is more than all hosts", clip(s))
	}
	return Limit{n, percent}, nil
}

// IsZero reports whether there is no limit.
func (l Limit) IsZero() bool { return l.n == 0 }

// Of returns how many of total hosts the limit allows. Percent rounds up; it is 0 only when total is.
func (l Limit) Of(total int) int {
	switch {
	case l.n == 0:
		return total
	case l.percent:
		return (total*l.n + 99) / 100
	}
	return min(l.n, total)
}

// String is what ParseLimit reads.
func (l Limit) String() string {
	switch {
	case l.n == 0:
		return ""
	case l.percent:
		return strconv.Itoa(l.n) + "%"
	}
	return strconv.Itoa(l.n)
}

// Pick chooses at random as many of the names as the limit allows, and returns them in the order given. The same seed
// chooses the same hosts whatever the order of the names, and a host that comes or goes changes little: each host draws
// a lot from the seed and its name, and the lowest win.
func (l Limit) Pick(names []string, seed int64) []string {
	type drawn struct {
		index int
		lot   [sha256.Size]byte
	}
	lots := make([]drawn, len(names))
	for i, name := range names {
		lots[i] = drawn{i, sha256.Sum256(append(binary.BigEndian.AppendUint64(nil, uint64(seed)), name...))}
	}
	slices.SortFunc(lots, func(a, b drawn) int { return slices.Compare(a.lot[:], b.lot[:]) })
	lots = lots[:l.Of(len(names))]
	slices.SortFunc(lots, func(a, b drawn) int { return cmp.Compare(a.index, b.index) })
	picked := make([]string, len(lots))
	for i, d := range lots {
		picked[i] = names[d.index]
	}
	return picked
}
