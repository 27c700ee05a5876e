package filter

import "strings"

// looksLikeVersion reports whether s begins with a digit, or v and a digit, and has only what versions have in them.
func looksLikeVersion(s string) bool {
	s = withoutV(s)
	if s == "" || !isDigit(s[0]) {
		return false
	}
	for i := range len(s) {
		if !isDigit(s[i]) && !isLetter(s[i]) && strings.IndexByte(".+~:_-", s[i]) < 0 {
			return false
		}
	}
	return true
}

// compareVersions orders a and b, which both look like versions, as deb-version(7) does: an epoch first, then runs of
// other characters and runs of digits in turn, digits as numbers. A hyphen counts as the lowest character above the
// end wherever it stands (Debian gives only the last one a meaning), so that no revision has to be told apart.
func compareVersions(a, b string) int {
	epochA, a := cutEpoch(withoutV(a))
	epochB, b := cutEpoch(withoutV(b))
	if c := compareDigits(epochA, epochB); c != 0 {
		return c
	}
	for a != "" || b != "" {
		for a != "" && !isDigit(a[0]) || b != "" && !isDigit(b[0]) {
			ra, rb := rank(a), rank(b)
			if ra != rb {
				return sign(ra - rb)
			}
			a, b = a[1:], b[1:] // equal ranks that are no digits: the same character on both sides
		}
		na, nb := countDigits(a), countDigits(b)
		if c := compareDigits(a[:na], b[:nb]); c != 0 {
			return c
		}
		a, b = a[na:], b[nb:]
	}
	return 0
}

// rank orders the next character of a run without digits: ~ before the end (or a digit), then the hyphen, then
// letters, then the rest.
func rank(s string) int {
	switch {
	case s == "" || isDigit(s[0]):
		return 0
	case s[0] == '~':
		return -1
	case s[0] == '-':
		return 1
	case isLetter(s[0]):
		return int(s[0])
	}
	return int(s[0]) + 256
}

// compareDigits orders two runs of digits of any length as numbers; no digits are 0.
func compareDigits(a, b string) int {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	if len(a) != len(b) {
		return sign(len(a) - len(b))
	}
	return strings.Compare(a, b)
}

func cutEpoch(s string) (epoch, rest string) {
	n := countDigits(s)
	if n > 0 && n < len(s) && s[n] == ':' {
		return s[:n], s[n+1:]
	}
	return "", s
}

func withoutV(s string) string {
	if len(s) > 1 && s[0] == 'v' && isDigit(s[1]) {
		return s[1:]
	}
	return s
}

func countDigits(s string) int {
	n := 0
	for n < len(s) && isDigit(s[n]) {
		n++
	}
	return n
}

func sign(n int) int {
	switch {
	case n < 0:
		return -1
	case n > 0:
		return 1
	}
	return 0
}

func isDigit(c byte) bool  { return c >= '0' && c <= '9' }
func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }
