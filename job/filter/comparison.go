package filter

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"

	"fleet/internal/version"
)

// operator is what a comparison asks, after all spellings are resolved.
type operator int

const (
	equal operator = iota
	notEqual
	less
	greater
	lessOrEqual
	greaterOrEqual
	matches
	matchesNot
)

// spellings of the operators, the longer first.
var spellings = [...]struct {
	text string
	op   operator
}{
	{"==", equal}, {"!=", notEqual}, {"=~", matches}, {"!~", matchesNot}, {"<=", lessOrEqual}, {">=", greaterOrEqual},
	{"=<", lessOrEqual}, {"=>", greaterOrEqual}, {"=", equal}, {"<", less}, {">", greater},
}

// cutOperator takes the operator at the beginning of s.
func cutOperator(s string) (op operator, rest string, ok bool) {
	for _, sp := range spellings {
		if rest, ok := strings.CutPrefix(s, sp.text); ok {
			return sp.op, rest, true
		}
	}
	return 0, s, false
}

// comparison is an operator and what the admin typed after it, prepared for comparing.
type comparison struct {
	op      operator
	text    string         // the typed value, or the regular expression without slashes
	re      *regexp.Regexp // for matches and matchesNot
	number  number         // the typed value as a number
	numeric bool           // whether it is one
	version bool           // whether it looks like a version
}

// literal is a value as typed: with quotes and slashes taken off and remembered.
type literal struct {
	text    string
	quoted  bool
	slashed bool
}

// comparison checks that op and the literal fit together and prepares them.
func (b *budget) comparison(op operator, v literal) (comparison, error) {
	if err := b.term(); err != nil {
		return comparison{}, err
	}
	if v.slashed {
		switch op {
		case equal, matches:
			op = matches
		case notEqual, matchesNot:
			op = matchesNot
		default:
			return comparison{}, fmt.Errorf("< and > cannot compare with a regular expression; put quotes around '/%s/' if it is text", v.text)
		}
	}
	if op != matches && op != matchesNot {
		c := comparison{op: op, text: v.text, version: version.Like(v.text)}
		c.number, c.numeric = parseNumber(v.text)
		return c, nil
	}
	if !v.slashed && !v.quoted && strings.HasPrefix(v.text, "/") {
		return comparison{}, fmt.Errorf("the regular expression %q does not end with a slash", v.text)
	}
	re, err := b.regexp(v.text)
	return comparison{op: op, text: v.text, re: re}, err
}

// factTerm compares a fact.
type factTerm struct {
	name string
	comparison
}

// fact parses what -F takes: FACT OP VALUE, where the value is all the rest.
func (b *budget) fact(s string) (factTerm, error) {
	s = strings.TrimSpace(s)
	i := strings.IndexAny(s, "=!<>")
	if i < 0 {
		return factTerm{}, errors.New("there is no operator; write FACT=VALUE, such as operatingsystem=Debian")
	}
	name := strings.TrimSpace(s[:i])
	op, rest, ok := cutOperator(s[i:])
	if !ok {
		return factTerm{}, errors.New("the ! is neither != nor !~; to negate more, write -S 'not ...'")
	}
	if err := checkFactName(name); err != nil {
		return factTerm{}, err
	}
	v, err := wholeLiteral(strings.TrimSpace(rest))
	if err != nil {
		return factTerm{}, err
	}
	c, err := b.comparison(op, v)
	return factTerm{name, c}, err
}

// wholeLiteral parses a value of which s is all.
func wholeLiteral(s string) (literal, error) {
	if s != "" && (s[0] == '\'' || s[0] == '"') {
		text, rest, err := unquote(s)
		if err == nil && rest != "" {
			err = fmt.Errorf("%q follows the closing quote", rest)
		}
		return literal{text: text, quoted: true}, err
	}
	if len(s) >= 2 && s[0] == '/' && s[len(s)-1] == '/' {
		return literal{text: s[1 : len(s)-1], slashed: true}, nil
	}
	return literal{text: s}, checkBare(s)
}

// checkBare verifies a value without quotes: what looks like a slip must be quoted.
func checkBare(s string) error {
	switch {
	case s == "":
		return errors.New("there is no value after the operator; write '' for an empty value")
	case strings.HasPrefix(s, "!"):
		return fmt.Errorf("the value begins with !; write FACT!=VALUE, or put quotes around %q", s)
	case strings.ContainsAny(s[:1], "=<>~"):
		return fmt.Errorf("the value begins like an operator; put quotes around %q if it is text", s)
	}
	return nil
}

// unquote reads the quoted text at the beginning of s, which begins with its quote, and returns what follows it.
func unquote(s string) (text, rest string, err error) {
	quote := s[0]
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s) && strings.IndexByte(`\'"`, s[i+1]) >= 0:
			i++
			b.WriteByte(s[i])
		case s[i] == quote:
			return b.String(), s[i+1:], nil
		default:
			b.WriteByte(s[i])
		}
	}
	return "", "", fmt.Errorf("the quote %c is not closed", quote)
}

// checkFactName verifies a fact's name as it stands before an operator. fact('NAME').value takes any other.
func checkFactName(s string) error {
	switch {
	case s == "":
		return errors.New("there is no fact before the operator; write FACT=VALUE without spaces in -W")
	case len(s) > maxFactName:
		return fmt.Errorf("the fact's name is %d bytes long, at most %d are allowed", len(s), maxFactName)
	case s[0] == '-' || s[0] == '/':
		return fmt.Errorf("%q is not the name of a fact", s)
	case isKeyword(s):
		return fmt.Errorf("%q is a word of -S and not the name of a fact", s)
	}
	for _, r := range s {
		if isSpace(r) || !unicode.IsPrint(r) || strings.ContainsRune(`~'"(),&|\`, r) {
			return fmt.Errorf("%q has %q in it, which the name of a fact cannot have; -S can ask fact('...').value", s, r)
		}
	}
	return nil
}
