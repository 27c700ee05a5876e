package filter

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// expr is a parsed -S or a part of one: allOf, anyOf, notExpr, classTerm, factTerm or dataTerm.
type expr interface {
	// holds evaluates; an error means that it cannot be decided, and then neither can what it is part of.
	holds(*evaluation) (bool, error)
	// explain writes English lines, indented by that many steps.
	explain(*explainer, int)
}

type (
	allOf     []expr
	anyOf     []expr
	notExpr   struct{ of expr }
	classTerm struct{ pattern }
	dataTerm  struct {
		function, argument, output string
		comparison
	}
)

// parseSelect parses one -S.
func parseSelect(s string, b *budget) (expr, error) {
	p := parser{src: s, budget: b}
	e, err := p.or()
	if err == nil {
		if p.space(); p.pos < len(p.src) {
			err = p.unexpected()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("at column %d: %w", utf8.RuneCountInString(p.src[:p.pos])+1, err)
	}
	return e, nil
}

// parser is a recursive descent over the text itself: where a word ends depends on what it is.
type parser struct {
	src    string
	pos    int
	depth  int
	budget *budget
}

func (p *parser) or() (expr, error) {
	var list anyOf
	for {
		e, err := p.and()
		if err != nil {
			return nil, err
		}
		list = append(list, e)
		if !p.keyword("or") {
			break
		}
	}
	if len(list) == 1 {
		return list[0], nil
	}
	return list, nil
}

func (p *parser) and() (expr, error) {
	var list allOf
	for {
		e, err := p.unary()
		if err != nil {
			return nil, err
		}
		list = append(list, e)
		if !p.keyword("and") {
			break
		}
	}
	if len(list) == 1 {
		return list[0], nil
	}
	return list, nil
}

func (p *parser) unary() (expr, error) {
	p.space()
	negate := p.keyword("not") || p.char('!')
	if !negate && !p.char('(') {
		return p.statement()
	}
	if p.depth++; p.depth > maxDepth {
		return nil, fmt.Errorf("parentheses and nots nest more than %d deep", maxDepth)
	}
	defer func() { p.depth-- }()
	if negate {
		e, err := p.unary()
		return notExpr{e}, err
	}
	e, err := p.or()
	if err != nil {
		return nil, err
	}
	if p.space(); !p.char(')') {
		if p.pos == len(p.src) {
			return nil, errors.New("a parenthesis is not closed")
		}
		return nil, p.unexpected()
	}
	return e, nil
}

// statement parses a class, a comparison of a fact or a data function.
func (p *parser) statement() (expr, error) {
	start := p.pos
	if p.pos < len(p.src) && p.src[p.pos] == '/' {
		if _, err := p.regexp(); err != nil {
			return nil, err
		}
		c, err := p.budget.pattern(p.src[start:p.pos])
		return classTerm{c}, err
	}
	name := p.takeUntil(" \t\r\n()=!<>'\"")
	if name == "" || isKeyword(name) && strings.HasPrefix(p.src[p.pos:], "(") {
		p.pos = start
		return nil, p.missing()
	}
	if p.char('(') {
		return p.data(name)
	}
	end := p.pos
	p.space()
	op, ok := p.operator()
	if !ok {
		p.pos = end
		if isKeyword(name) {
			p.pos = start
			return nil, p.missing()
		}
		c, err := p.budget.pattern(name)
		return classTerm{c}, err
	}
	if err := checkFactName(name); err != nil {
		p.pos = start
		return nil, err
	}
	c, err := p.comparison(op)
	return factTerm{name, c}, err
}

// data parses a data function from after its opening parenthesis.
func (p *parser) data(function string) (expr, error) {
	if err := checkIdentifier("a data function", function); err != nil {
		return nil, err
	}
	p.space()
	argument := ""
	if p.pos < len(p.src) && (p.src[p.pos] == '\'' || p.src[p.pos] == '"') {
		var rest string
		var err error
		if argument, rest, err = unquote(p.src[p.pos:]); err != nil {
			return nil, err
		}
		p.pos = len(p.src) - len(rest)
	}
	if len(argument) > maxArgument {
		return nil, fmt.Errorf("the argument of %s() is longer than %d bytes", function, maxArgument)
	}
	if p.space(); !p.char(')') {
		return nil, fmt.Errorf("%s() takes one argument in quotes: %s('...')", function, function)
	}
	if !p.char('.') {
		return nil, fmt.Errorf("%s('...') needs an output and a comparison: %s('...').output=value", function, function)
	}
	output := p.takeUntil(" \t\r\n()=!<>~'\"")
	if err := checkIdentifier("an output", output); err != nil {
		return nil, err
	}
	p.space()
	op, ok := p.operator()
	if !ok {
		return nil, fmt.Errorf("%s('...').%s must be compared with something, such as =true", function, output)
	}
	c, err := p.comparison(op)
	if err != nil {
		return nil, err
	}
	switch {
	case function == factFunction && output != "value":
		return nil, fmt.Errorf("fact('...') has the output value and no other, not %s", output)
	case function == agentFunction && output != "present":
		return nil, fmt.Errorf("agent('...') has the output present and no other, not %s", output)
	case function == factFunction || function == agentFunction:
		if argument == "" {
			return nil, fmt.Errorf("%s('...') needs a name in the quotes", function)
		}
	}
	if function == factFunction {
		return factTerm{argument, c}, nil
	}
	return dataTerm{function, argument, output, c}, nil
}

// The data functions that every host has: they only look at what the Host says of itself.
const (
	factFunction  = "fact"
	agentFunction = "agent"
)

// comparison parses the value after an operator.
func (p *parser) comparison(op operator) (comparison, error) {
	p.space()
	start := p.pos
	v, err := p.literal()
	if err != nil {
		return comparison{}, err
	}
	c, err := p.budget.comparison(op, v)
	if err != nil {
		p.pos = start
	}
	return c, err
}

func (p *parser) literal() (literal, error) {
	if p.pos < len(p.src) {
		switch p.src[p.pos] {
		case '\'', '"':
			text, err := p.quoted()
			return literal{text: text, quoted: true}, err
		case '/':
			text, err := p.regexp()
			return literal{text: text, slashed: true}, err
		}
	}
	start := p.pos
	text := p.takeUntil(" \t\r\n()'\"")
	err := checkBare(text)
	switch {
	case err == nil && isKeyword(text):
		err = fmt.Errorf("expected a value, found %q; put quotes around it if it is the value", text)
	case err == nil:
		err = p.boundary("a value that has spaces, quotes or parentheses in it must be in quotes")
	}
	if err != nil {
		p.pos = start
	}
	return literal{text: text}, err
}

// quoted reads the quoted text at pos.
func (p *parser) quoted() (string, error) {
	text, rest, err := unquote(p.src[p.pos:])
	if err != nil {
		return "", err
	}
	p.pos = len(p.src) - len(rest)
	return text, p.boundary("there is text right after the closing quote")
}

// regexp reads /.../ at pos and returns what is between the slashes, \/ as it is written.
func (p *parser) regexp() (string, error) {
	for i := p.pos + 1; i < len(p.src); i++ {
		switch p.src[i] {
		case '\\':
			i++
		case '/':
			text := p.src[p.pos+1 : i]
			p.pos = i + 1
			return text, p.boundary(`a regular expression ends at its second slash; write \/ inside one, and quotes around a path`)
		}
	}
	return "", errors.New("the regular expression does not end with a slash; put quotes around a path")
}

// boundary fails with the hint unless a word may end here.
func (p *parser) boundary(hint string) error {
	if p.pos == len(p.src) || strings.IndexByte(" \t\r\n)", p.src[p.pos]) >= 0 {
		return nil
	}
	return errors.New(hint)
}

// keyword takes word if it stands here as a word of its own.
func (p *parser) keyword(word string) bool {
	p.space()
	rest, ok := strings.CutPrefix(p.src[p.pos:], word)
	if !ok || rest != "" && strings.IndexByte(" \t\r\n()!", rest[0]) < 0 {
		return false
	}
	if strings.HasPrefix(rest, "!=") || strings.HasPrefix(rest, "!~") {
		return false // not!=x compares a fact with an unlucky name, and is refused as that
	}
	p.pos += len(word)
	return true
}

func (p *parser) char(c byte) bool {
	if p.pos < len(p.src) && p.src[p.pos] == c {
		p.pos++
		return true
	}
	return false
}

func (p *parser) operator() (operator, bool) {
	op, rest, ok := cutOperator(p.src[p.pos:])
	p.pos = len(p.src) - len(rest)
	return op, ok
}

func (p *parser) space() {
	for p.pos < len(p.src) && isSpace(rune(p.src[p.pos])) {
		p.pos++
	}
}

// takeUntil takes all up to one of the bytes in stop.
func (p *parser) takeUntil(stop string) string {
	rest := p.src[p.pos:]
	n := strings.IndexAny(rest, stop)
	if n < 0 {
		n = len(rest)
	}
	p.pos += n
	return rest[:n]
}

// missing says that a statement expected here.
func (p *parser) missing() error {
	const want = "a class, a comparison such as os=Debian, or a data function is missing"
	if p.pos == len(p.src) {
		return errors.New(want + " at the end")
	}
	return fmt.Errorf(want+" before %q", clip(p.src[p.pos:]))
}

// unexpected says what is wrong with the text after a complete expression.
func (p *parser) unexpected() error {
	if p.src[p.pos] == ')' {
		return errors.New("a parenthesis closes that was not opened")
	}
	return fmt.Errorf("the word and or the word or is missing before %q", clip(p.src[p.pos:]))
}

func checkIdentifier(what, s string) error {
	if s == "" || len(s) > maxFunctionName || !isLetter(s[0]) {
		return fmt.Errorf("%q is not the name of %s", clip(s), what)
	}
	for i := range len(s) {
		if !isLetter(s[i]) && !isDigit(s[i]) && s[i] != '_' {
			return fmt.Errorf("%q is not the name of %s", clip(s), what)
		}
	}
	return nil
}
