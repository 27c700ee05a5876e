package version

import "strings"

// compareRPMPart compares segments of only digits or only letters; all other characters only separate them, but for a
// tilde, which sorts before everything, and a caret, which sorts after the end and before everything else.
func compareRPMPart(a, b string) int {
	for {
		a, b = a[separators(a, "~^"):], b[separators(b, "~^"):]
		switch {
		case begins(a, '~') && begins(b, '~'), begins(a, '^') && begins(b, '^'):
			a, b = a[1:], b[1:]
		case begins(a, '~'):
			return -1
		case begins(b, '~'):
			return 1
		case a == "" || b == "":
			return len(a) - len(b) // what has something left is newer, a caret too
		case begins(a, '^'):
			return -1
		case begins(b, '^'):
			return 1
		default:
			order, n, m := compareSegments(a, b)
			if order != 0 {
				return order
			}
			a, b = a[n:], b[m:]
		}
	}
}

// comparePacmanPart compares segments as rpm once did. How many characters separate them counts too, and letters at the
// end are older than nothing: 1.0rc is before 1.0, and 1.0.1 after it.
func comparePacmanPart(a, b string) int {
	for a != "" && b != "" {
		na, nb := separators(a, ""), separators(b, "")
		if na == len(a) || nb == len(b) {
			a, b = a[na:], b[nb:]
			break
		}
		if na != nb {
			return na - nb
		}
		order, n, m := compareSegments(a[na:], b[nb:])
		if order != 0 {
			return order
		}
		a, b = a[na+n:], b[nb+m:]
	}
	switch {
	case a == "" && b == "":
		return 0
	case a != "" && isLetter(a[0]), a == "" && !isLetter(b[0]):
		return -1
	}
	return 1
}

// compareSegments compares the segments at the beginning of a and b, which both begin with a letter or a digit, and
// returns how long they are. Numbers are newer than letters.
func compareSegments(a, b string) (order, lengthA, lengthB int) {
	switch numberA, numberB := isDigit(a[0]), isDigit(b[0]); {
	case numberA && !numberB:
		return 1, 0, 0
	case numberB && !numberA:
		return -1, 0, 0
	case numberA:
		n, m := countDigits(a), countDigits(b)
		return compareDigits(a[:n], b[:m]), n, m
	}
	n, m := countLetters(a), countLetters(b)
	return strings.Compare(a[:n], b[:m]), n, m
}

// separators counts the characters before the next letter, digit or one of stop.
func separators(s, stop string) int {
	n := 0
	for n < len(s) && !isDigit(s[n]) && !isLetter(s[n]) && strings.IndexByte(stop, s[n]) < 0 {
		n++
	}
	return n
}

func countLetters(s string) int {
	n := 0
	for n < len(s) && isLetter(s[n]) {
		n++
	}
	return n
}

func begins(s string, c byte) bool { return s != "" && s[0] == c }

// withoutArch takes an rpm architecture off, as it stands behind kernel releases and package names.
func withoutArch(s string) string {
	dot := strings.LastIndexByte(s, '.')
	if dot < 0 {
		return s
	}
	switch s[dot+1:] {
	case "noarch", "x86_64", "x86_64_v2", "x86_64_v3", "i386", "i486", "i586", "i686", "aarch64", "armv6hl", "armv7hl", "armv7l",
		"ppc", "ppc64", "ppc64le", "s390", "s390x", "riscv64", "loongarch64", "ia64", "src":
		return s[:dot]
	}
	return s
}
