package version

// compareDebianPart compares runs of other characters and runs of digits in turn, digits as numbers.
func compareDebianPart(a, b string) int {
	for a != "" || b != "" {
		for a != "" && !isDigit(a[0]) || b != "" && !isDigit(b[0]) {
			if order := rank(a) - rank(b); order != 0 {
				return order
			}
			a, b = a[1:], b[1:] // equal ranks that are no digits: the same character on both sides
		}
		na, nb := countDigits(a), countDigits(b)
		if order := compareDigits(a[:na], b[:nb]); order != 0 {
			return order
		}
		a, b = a[na:], b[nb:]
	}
	return 0
}

// rank orders the next character of a run without digits: ~ before the end (or a digit), then letters, then the rest.
func rank(s string) int {
	switch {
	case s == "" || isDigit(s[0]):
		return 0
	case s[0] == '~':
		return -1
	case isLetter(s[0]):
		return int(s[0])
	}
	return int(s[0]) + 256
}
