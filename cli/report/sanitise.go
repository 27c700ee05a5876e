package report

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxMarks is how many combining marks may follow one character: no script needs more, and a pile of them covers the
// lines above.
const maxMarks = 3

// Sanitise makes s safe to print on one line of a terminal: line breaks, control and escape characters, characters that
// turn the direction of text or have no width, and bytes that are not UTF-8 come out as visible escapes such as \x1b
// and \u202e. Printable text, in any script, stays as it is.
func Sanitise(s string) string {
	if plain(s) {
		return s
	}
	var b strings.Builder
	marks := 0
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if unicode.Is(unicode.M, r) {
			marks++
		} else {
			marks = 0
		}
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\r':
			b.WriteString(`\r`)
		case visible(r) && marks <= maxMarks:
			b.WriteRune(r)
		case r < 0x80:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r <= 0xffff:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
		i += size
	}
	return b.String()
}

// plain reports whether s is printable ASCII, as nearly all is.
func plain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// visible reports whether r can be printed and shows. Control and format characters (bidirectional marks among them),
// surrogates, private characters and all spaces but the plain one are not; nor are the letters without a shape.
func visible(r rune) bool {
	switch r {
	case '\u115f', '\u1160', '\u3164', '\uffa0', '\u034f', '\u17b4', '\u17b5':
		return false
	}
	return unicode.IsPrint(r) && !unicode.Is(unicode.Variation_Selector, r)
}

// EscapeJSON escapes, in a finished JSON text, what a terminal could obey or what turns text around. Such characters can
// stand only inside strings there, where \u is the same character, so that the document stays the same document.
func EscapeJSON(doc []byte) []byte {
	if plain(string(doc)) {
		return doc
	}
	var b bytes.Buffer
	for _, r := range string(doc) {
		switch {
		case r == '\n' || r < 0x80 && r >= ' ' && r != 0x7f || r >= 0x80 && visible(r):
			b.WriteRune(r)
		case r > 0xffff:
			high, low := utf16Pair(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.Bytes()
}

func utf16Pair(r rune) (high, low rune) {
	r -= 0x10000
	return 0xd800 + r>>10, 0xdc00 + r&0x3ff
}

// clip shortens a line to at most limit characters and says how many are missing.
func clip(s string, limit int) string {
	n := utf8.RuneCountInString(s)
	if n <= limit {
		return s
	}
	runes := []rune(s)
	return fmt.Sprintf("%s… (%d more characters; -v shows them)", string(runes[:limit]), n-limit)
}
