package filter

import (
	"fmt"
	"slices"
	"strings"
)

// Filter is a filter as it travels: the source text of each option, which Compile parses. -W is gone in it: Build makes
// facts and classes of its words. It is encoded with CBOR inside the signed job; a key's number never changes its
// meaning.
type Filter struct {
	Identities []string `cbor:"1,keyasint,omitempty" json:"identities,omitempty"` // -I, any of them
	Facts      []string `cbor:"2,keyasint,omitempty" json:"facts,omitempty"`      // -F, all of them
	Classes    []string `cbor:"3,keyasint,omitempty" json:"classes,omitempty"`    // -C, all of them
	Agents     []string `cbor:"4,keyasint,omitempty" json:"agents,omitempty"`     // -A, all of them
	Selects    []string `cbor:"5,keyasint,omitempty" json:"selects,omitempty"`    // -S, all of them
}

// IsZero reports whether the filter has nothing in it and so matches every host.
func (f Filter) IsZero() bool {
	return len(f.Identities)+len(f.Facts)+len(f.Classes)+len(f.Agents)+len(f.Selects) == 0
}

// Flags are the filter options as typed.
type Flags struct {
	Identity, With, Fact, Class, Agent, Select []string
}

// Build makes a Filter of what was typed. Nothing typed is the zero Filter; something typed that is blank, cannot be
// parsed or is out of bounds is an error that names the option and what was meant.
func Build(o Flags) (Filter, error) {
	var f Filter
	for _, s := range o.With {
		if err := f.with(s); err != nil {
			return Filter{}, fmt.Errorf("-W %q: %w", clip(s), err)
		}
	}
	for _, opt := range []struct {
		typed []string
		to    *[]string
	}{{o.Identity, &f.Identities}, {o.Fact, &f.Facts}, {o.Class, &f.Classes}, {o.Agent, &f.Agents}, {o.Select, &f.Selects}} {
		for _, s := range opt.typed {
			if s = strings.TrimSpace(s); !slices.Contains(*opt.to, s) {
				*opt.to = append(*opt.to, s)
			}
		}
	}
	if _, err := Compile(f); err != nil {
		return Filter{}, err
	}
	return f, nil
}

// with splits what -W takes. Its errors speak of the words typed, so each is parsed here and not only by Compile.
func (f *Filter) with(s string) error {
	if err := checkText(s, maxExpression); err != nil {
		return err
	}
	for word := range strings.FieldsFuncSeq(s, isSpace) {
		b, to := &budget{}, &f.Classes
		var err error
		if isComparison(word) {
			to = &f.Facts
			if _, err = b.fact(word); err != nil && word != s {
				err = fmt.Errorf("%q: %w", clip(word), err)
			}
		} else {
			_, err = b.pattern(word)
		}
		if err != nil {
			return err
		}
		if !slices.Contains(*to, word) {
			*to = append(*to, word)
		}
	}
	return nil
}

// isComparison tells a fact comparison from a class in -W.
func isComparison(word string) bool {
	i := strings.IndexAny(word, "=!<>")
	if i < 0 || word[0] == '/' {
		return false
	}
	_, _, ok := cutOperator(word[i:])
	return ok
}

// Compile parses and checks the whole filter. Nodes call it on foreign filters: what it does is bounded by limits.go.
func Compile(f Filter) (*Matcher, error) {
	if err := f.checkSize(); err != nil {
		return nil, err
	}
	m, b := &Matcher{}, &budget{}
	if len(f.Identities) > 0 {
		m.identities = &identities{}
	}
	err := each("-I", f.Identities, maxFilterBytes, func(s string) error { return m.identities.add(s, b) })
	if err == nil {
		err = each("-C", f.Classes, maxExpression, collect(&m.classes, b.pattern))
	}
	if err == nil {
		err = each("-A", f.Agents, maxExpression, collect(&m.agents, b.pattern))
	}
	if err == nil {
		err = each("-F", f.Facts, maxExpression, collect(&m.facts, b.fact))
	}
	if err == nil {
		parse := func(s string) (expr, error) { return parseSelect(s, b) }
		err = each("-S", f.Selects, maxExpression, collect(&m.selects, parse))
	}
	if err != nil {
		return nil, err
	}
	asked := map[[2]string]bool{}
	for _, e := range m.selects {
		questions(e, asked)
	}
	if len(asked) > maxQuestions {
		return nil, fmt.Errorf("-S asks %d data functions; the limit is %d", len(asked), maxQuestions)
	}
	for q := range asked {
		if !slices.Contains(m.functions, q[0]) {
			m.functions = append(m.functions, q[0])
		}
	}
	slices.Sort(m.functions)
	return m, nil
}

// checkSize bounds the filter as a whole before any of it is looked at.
func (f Filter) checkSize() error {
	size := 0
	for _, list := range [][]string{f.Identities, f.Facts, f.Classes, f.Agents, f.Selects} {
		if len(list) > MaxNames {
			return fmt.Errorf("the filter repeats an option %d times; the limit is %d", len(list), MaxNames)
		}
		for _, s := range list {
			size += len(s)
		}
	}
	if size > maxFilterBytes {
		return fmt.Errorf("the filter is %d bytes long; the limit is %d", size, maxFilterBytes)
	}
	return nil
}

// each checks and parses the values of one option and names it in errors.
func each(option string, values []string, limit int, parse func(string) error) error {
	for _, s := range values {
		err := checkText(s, limit)
		if err == nil {
			err = parse(s)
		}
		if err != nil {
			return fmt.Errorf("%s %q: %w", option, clip(s), err)
		}
	}
	return nil
}

func collect[T any](to *[]T, parse func(string) (T, error)) func(string) error {
	return func(s string) error {
		v, err := parse(s)
		*to = append(*to, v)
		return err
	}
}

// questions collects what e asks data functions: function and argument. fact and agent are not such.
func questions(e expr, asked map[[2]string]bool) {
	switch e := e.(type) {
	case allOf:
		for _, sub := range e {
			questions(sub, asked)
		}
	case anyOf:
		for _, sub := range e {
			questions(sub, asked)
		}
	case notExpr:
		questions(e.of, asked)
	case dataTerm:
		if e.function != agentFunction {
			asked[[2]string{e.function, e.argument}] = true
		}
	}
}

// Names returns the names, in the order typed and with node sets expanded, if the filter selects by exact names and by
// nothing else. Then these are all its hosts, and one that is not there can be named.
func (f Filter) Names() ([]string, bool) {
	m, err := Compile(f)
	if err != nil || m.identities == nil || !m.identities.exact() {
		return nil, false
	}
	if len(m.classes)+len(m.agents)+len(m.facts)+len(m.selects) > 0 {
		return nil, false
	}
	return m.identities.names, true
}

// String writes the filter as options that a shell takes and Build turns into the same filter again.
func (f Filter) String() string {
	var words []string
	for _, opt := range []struct {
		name   string
		values []string
	}{{"-I", f.Identities}, {"-F", f.Facts}, {"-C", f.Classes}, {"-A", f.Agents}, {"-S", f.Selects}} {
		for _, s := range opt.values {
			words = append(words, opt.name, shellQuote(s))
		}
	}
	return strings.Join(words, " ")
}

// shellQuote quotes s for a POSIX shell if it needs to be. It is for showing, never for running.
func shellQuote(s string) string {
	for _, r := range s {
		if !isHostRune(r) && !strings.ContainsRune("=:,/@%+", r) {
			return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
		}
	}
	return s
}

// quote writes s as a quoted value of -S.
func quote(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}
