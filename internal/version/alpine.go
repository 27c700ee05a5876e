package version

import (
	"cmp"
	"strings"
)

// alpineVersion is number{.number}...{letter}{_suffix{number}}...{~hash}{-r#}, taken apart.
type alpineVersion struct {
	numbers  []string // digits; at least one
	letter   string   // "" or one small letter
	suffixes []alpineSuffix
	hash     string
	release  string // the digits behind -r; "" if there is no release
}

type alpineSuffix struct {
	rank   int
	number string // "" if there is none
}

// suffixRank places a suffix: those below 0 come before the version without one, those above after it. 0 is unknown.
func suffixRank(word string) int {
	switch word {
	case "alpha":
		return -4
	case "beta":
		return -3
	case "pre":
		return -2
	case "rc":
		return -1
	case "cvs":
		return 1
	case "svn":
		return 2
	case "git":
		return 3
	case "hg":
		return 4
	case "p":
		return 5
	}
	return 0
}

// compareAlpine is apk's order. Two texts of which one is no version of apk compare in dpkg's order, part by part.
func compareAlpine(a, b string) int {
	va, okA := parseAlpine(a)
	vb, okB := parseAlpine(b)
	if !okA || !okB {
		return compareParts(a, b, compareDebianPart)
	}
	return cmp.Or(
		compareNumbers(va.numbers, vb.numbers),
		strings.Compare(va.letter, vb.letter),
		compareSuffixes(va.suffixes, vb.suffixes),
		compareHashes(va.hash, vb.hash),
		comparePresence(va.release, vb.release),
	)
}

func parseAlpine(s string) (v alpineVersion, ok bool) {
	for {
		n := countDigits(s)
		if n == 0 {
			return v, false
		}
		v.numbers, s = append(v.numbers, s[:n]), s[n:]
		if !begins(s, '.') {
			break
		}
		s = s[1:]
	}
	if s != "" && s[0] >= 'a' && s[0] <= 'z' {
		v.letter, s = s[:1], s[1:]
	}
	for begins(s, '_') {
		n := 1 + countLetters(s[1:])
		m := n + countDigits(s[n:])
		suffix := alpineSuffix{suffixRank(s[1:n]), s[n:m]}
		if suffix.rank == 0 {
			return v, false
		}
		v.suffixes, s = append(v.suffixes, suffix), s[m:]
	}
	if begins(s, '~') {
		end := len(s) - len(strings.TrimLeft(s[1:], "0123456789abcdef"))
		if v.hash, s = s[1:end], s[end:]; v.hash == "" {
			return v, false
		}
	}
	if release, found := strings.CutPrefix(s, "-r"); found {
		n := countDigits(release)
		v.release, s = release[:n], release[n:]
		if n == 0 {
			return v, false
		}
	}
	return v, s == ""
}

// compareNumbers compares the first numbers as numbers. Behind it a number with a leading zero is a fraction and
// compares as text, so that 1.02 is before 1.1; if all are equal, more numbers are newer.
func compareNumbers(a, b []string) int {
	for i := range min(len(a), len(b)) {
		order := compareDigits(a[i], b[i])
		if i > 0 && (a[i][0] == '0' || b[i][0] == '0') {
			order = strings.Compare(a[i], b[i])
		}
		if order != 0 {
			return order
		}
	}
	return len(a) - len(b)
}

// compareSuffixes compares suffix by suffix; a missing one has the rank 0, between _rc and _cvs.
func compareSuffixes(a, b []alpineSuffix) int {
	for i := range max(len(a), len(b)) {
		sa, sb := suffixAt(a, i), suffixAt(b, i)
		order := sa.rank - sb.rank
		switch {
		case order != 0:
		case sa.number == "" && suffixAt(a, i+1).rank > 0 && sb.number != "":
			order = 1 // _p_p is newer than _p1
		case sb.number == "" && suffixAt(b, i+1).rank > 0 && sa.number != "":
			order = -1
		default:
			order = comparePresence(sa.number, sb.number)
		}
		if order != 0 {
			return order
		}
	}
	return 0
}

func suffixAt(list []alpineSuffix, i int) alpineSuffix {
	if i < len(list) {
		return list[i]
	}
	return alpineSuffix{}
}

// compareHashes calls a version with a commit's hash newer than one without. Two hashes have no order of their own, but
// must not be equal.
func compareHashes(a, b string) int { return strings.Compare(a, b) }

// comparePresence compares numbers; none is less than 0.
func comparePresence(a, b string) int {
	return cmp.Or(compareDigits(a, b), min(len(a), 1)-min(len(b), 1))
}
