package filter

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode"
	"unicode/utf8"
)

// budget counts what a whole filter may spend; see limits.go.
type budget struct {
	terms, regexpCost, names int
}

func (b *budget) term() error {
	if b.terms++; b.terms > maxTerms {
		return fmt.Errorf("the filter has more than %d comparisons, classes and patterns", maxTerms)
	}
	return nil
}

// regexp compiles src if it is within bounds.
func (b *budget) regexp(src string) (*regexp.Regexp, error) {
	switch {
	case src == "":
		return nil, errors.New("the regular expression is empty and would match everything; write /.*/ to match everything")
	case len(src) > maxRegexp:
		return nil, fmt.Errorf("the regular expression is %d bytes long, at most %d are allowed", len(src), maxRegexp)
	}
	tree, err := syntax.Parse(src, syntax.Perl)
	if err != nil {
		return nil, fmt.Errorf("/%s/ is not a regular expression (RE2 syntax): %w", src, err)
	}
	cost := regexpCost(tree)
	b.regexpCost += cost
	if cost > maxRegexpCost || b.regexpCost > maxRegexpTotal {
		return nil, fmt.Errorf("/%s/ is too complex: it repeats too much", src)
	}
	return regexp.Compile(src)
}

// regexpCost is about how many instructions a parsed regular expression compiles to.
func regexpCost(re *syntax.Regexp) int {
	cost := 1
	switch re.Op {
	case syntax.OpLiteral:
		cost = len(re.Rune)
	case syntax.OpCharClass:
		cost += len(re.Rune) / 16 // ranges: data, not instructions, but \pL has over a thousand
	}
	for _, sub := range re.Sub {
		cost += regexpCost(sub)
	}
	if re.Op == syntax.OpRepeat {
		cost *= max(re.Min, re.Max, 1)
	}
	return cost
}

// pattern is one word to equal, or a regular expression to find.
type pattern struct {
	text string // the word, or the expression without its slashes
	re   *regexp.Regexp
}

func (p pattern) fits(s string) bool {
	if p.re != nil {
		return p.re.MatchString(s)
	}
	return s == p.text
}

func (p pattern) fitsAny(list []string) bool {
	for _, s := range list {
		if p.fits(s) {
			return true
		}
	}
	return false
}

// pattern parses a class's or a plugin's name, or /regexp/.
func (b *budget) pattern(s string) (pattern, error) {
	if err := b.term(); err != nil {
		return pattern{}, err
	}
	if strings.HasPrefix(s, "/") {
		if len(s) < 2 || !strings.HasSuffix(s, "/") {
			return pattern{}, fmt.Errorf("%q begins with a slash like a regular expression but does not end with one", s)
		}
		re, err := b.regexp(s[1 : len(s)-1])
		return pattern{text: s[1 : len(s)-1], re: re}, err
	}
	return pattern{text: s}, checkWord(s)
}

// checkWord verifies that s can be the name of a class or a plugin, and if not, says what may have been meant.
func checkWord(s string) error {
	switch {
	case s == "":
		return errors.New("a name is missing")
	case isKeyword(s):
		return fmt.Errorf("%q is a word of -S; write -S '...' for and, or, not", s)
	case s[0] == '-':
		return fmt.Errorf("%q looks like an option, not like a name", s)
	case s[0] == '!':
		return fmt.Errorf("%q: only -S can negate; write -S 'not %s'", s, strings.TrimLeft(s, "! "))
	case strings.ContainsAny(s, "=<>!"):
		return fmt.Errorf("%q looks like a comparison of a fact, which is for -F, -W and -S", s)
	case strings.ContainsAny(s, "*?"):
		return fmt.Errorf("%q: globs are for host names (-I); write /%s/", s, strings.NewReplacer("*", ".*", "?", ".").Replace(s))
	case strings.ContainsAny(s, "&|"):
		return fmt.Errorf("%q: write the words and, or in -S", s)
	case strings.HasSuffix(s, "/"):
		return fmt.Errorf("%q ends like a regular expression but does not begin like one; it cannot have spaces here", s)
	}
	for _, r := range s {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("_:./@+-", r) {
			return fmt.Errorf("%q has %q in it, which no name has", s, r)
		}
	}
	return nil
}

// checkHostName verifies that s can be a host's name: letters, digits, dot, hyphen and underscore.
func checkHostName(s string) error {
	switch {
	case s == "":
		return errors.New("a host name is missing")
	case len(s) > maxHostName:
		return fmt.Errorf("a host name has at most %d bytes, this one has %d", maxHostName, len(s))
	case s[0] == '-':
		return fmt.Errorf("%q looks like an option, not like a host name", s)
	case strings.ContainsAny(s, "=<>"):
		return fmt.Errorf("%q is not a host name; a comparison of a fact is for -F, -W and -S", s)
	}
	for _, r := range s {
		if !isHostRune(r) {
			return fmt.Errorf("%q has %q in it, which no host name has", s, r)
		}
	}
	return nil
}

func isHostRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '-' || r == '_'
}

// checkText verifies what holds for every expression: not blank, bounded, printable.
func checkText(s string, limit int) error {
	switch {
	case strings.TrimSpace(s) == "":
		return errors.New("is empty; an empty filter does not mean every host")
	case len(s) > limit:
		return fmt.Errorf("is %d bytes long, at most %d are allowed", len(s), limit)
	case !utf8.ValidString(s):
		return errors.New("is not valid UTF-8")
	}
	for _, r := range s {
		if !unicode.IsPrint(r) && !isSpace(r) {
			return fmt.Errorf("has a character that cannot be printed (%U)", r)
		}
	}
	return nil
}

// isSpace reports the white space that separates words. Other white space is not printable and refused by checkText.
func isSpace(r rune) bool { return r == ' ' || r == '\t' || r == '\n' || r == '\r' }

func isKeyword(s string) bool { return s == "and" || s == "or" || s == "not" }

func isDigit(c byte) bool  { return c >= '0' && c <= '9' }
func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

// countDigits counts the digits at the beginning of s.
func countDigits(s string) int {
	n := 0
	for n < len(s) && isDigit(s[n]) {
		n++
	}
	return n
}
