package policy

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"fleet/internal/lazyregexp"
)

// Import turns a policy of MCollective's actionpolicy plugin into the text of a host file that decides the same. name is
// the file's, PLUGIN.policy, and says which plugin it is about.
//
//	policy default deny
//	allow	cert=admin	*	*	*
//	allow	cert=devs	enable disable status	customer=acme	acme::devserver
//
// Fields have tabs between them: allow or deny, the caller, actions, facts, classes (which may be left out). A line that
// cannot be said exactly in a host file is a fault, with file and line, and nothing is imported: MCollective skips what it
// does not understand, and so would quietly have let more or fewer people in than the file seems to say. Three things are
// meant to differ: a caller fits as a whole, not as a part of another name; denials can be seen; and an admin in
// the roster has to have signed, also where everybody is allowed.
//
// default.policy is there for every plugin that has no file of its own: its rules name every plugin, and its default becomes
// the file's. known has the actions of each plugin of fleet. A denial of an action that is not there is a fault, because what
// it was to keep away may have another name here; whatever else is not there is named in the text, and does nothing.
func Import(name string, data []byte, known map[string][]string) (string, error) {
	if len(data) > MaxFile {
		return "", fmt.Errorf("%s: %d bytes; the limit is %d", name, len(data), MaxFile)
	}
	plugin, ok := strings.CutSuffix(filepath.Base(name), ".policy")
	if !ok || !importedWord().MatchString(plugin) {
		return "", fmt.Errorf("%s: the name must be that of the plugin: PLUGIN.policy", name)
	}
	i := importing{plugin: plugin, known: known}
	if plugin == siteDefault {
		i.plugin = "*"
	}
	var faults []error
	number := 0
	for l := range strings.Lines(string(data)) {
		number++
		if err := i.line(strings.TrimSuffix(l, "\n"), number); err != nil {
			faults = append(faults, fmt.Errorf("%s:%d: %w", name, number, err))
		}
	}
	if i.fallback == "" {
		faults = append(faults, fmt.Errorf("%s:%d: no line says `policy default deny` or allow, so it would depend on MCollective's own configuration; add one", name, max(1, number)))
	}
	if err := errors.Join(faults...); err != nil {
		return "", err
	}
	text := i.text(filepath.Base(name))
	if _, err := Parse(name, []byte(text)); err != nil { // what goes out must be good; this would be our fault
		return "", fmt.Errorf("%s: cannot be said in a host file: %w", name, err)
	}
	return text, nil
}

// siteDefault is the name of MCollective's policy for plugins without one.
const siteDefault = "default"

// importing is a policy file as far as it was read.
type importing struct {
	plugin   string // "*": every plugin
	known    map[string][]string
	fallback string // allow or deny
	rules    []importedRule
}

type importedRule struct {
	line     int
	decision string
	signer   string   // "": anybody
	actions  []string // empty: fleet has none of them, and nothing is left of the rule
	lacking  []string // actions that fleet does not have
	when     string
}

var (
	importedWord  = lazyregexp.New(`\A[a-z][a-z0-9_]{0,63}\z`)
	importedName  = lazyregexp.New(`\A[A-Za-z0-9._@+-]{1,64}\z`)
	importedFact  = lazyregexp.New(`\A([A-Za-z_][A-Za-z0-9_.:-]*)(=~|==|!=|<=|>=|=|<|>)(.+)\z`)
	importedValue = lazyregexp.New(`\A[A-Za-z0-9_.:+@-]+\z`)
	importedClass = lazyregexp.New(`\A[A-Za-z_][A-Za-z0-9_.:-]*\z`)
	defaultLine   = lazyregexp.New(`\Apolicy[ \t]+default[ \t]+([A-Za-z0-9_]+)[ \t]*\z`)
)

func (i *importing) line(l string, number int) error {
	switch {
	case !utf8.ValidString(l) || strings.IndexFunc(l, func(r rune) bool { return r != '\t' && !unicode.IsPrint(r) }) >= 0:
		return errors.New("has a character that cannot be printed, such as the end of a line from Windows")
	case strings.TrimSpace(l) == "" || strings.HasPrefix(l, "#"):
		return nil
	}
	if m := defaultLine().FindStringSubmatch(l); m != nil {
		switch {
		case i.fallback != "":
			return errors.New("the default is said twice")
		case m[1] != "allow" && m[1] != "deny":
			return fmt.Errorf("the default %q is neither allow nor deny", m[1])
		}
		i.fallback = m[1]
		return nil
	}
	fields := strings.FieldsFunc(l, func(r rune) bool { return r == '\t' })
	if len(fields) < 4 || len(fields) > 5 || strings.HasPrefix(l, "\t") {
		return fmt.Errorf("%d fields instead of 4 or 5 with tabs between them: allow or deny, caller, actions, facts, classes", len(fields))
	}
	if strings.HasSuffix(l, "\t") || strings.HasSuffix(l, " ") {
		return errors.New("ends with white space, and MCollective takes that for part of the last field")
	}
	return i.rule(fields, number)
}

func (i *importing) rule(fields []string, number int) (err error) {
	r := importedRule{line: number, decision: fields[0]}
	if r.decision != "allow" && r.decision != "deny" {
		return fmt.Errorf("%q is neither allow nor deny", r.decision)
	}
	if r.signer, err = importCaller(fields[1]); err != nil {
		return err
	}
	if r.actions, r.lacking, err = i.actions(fields[2]); err != nil {
		return err
	}
	if r.decision == "deny" && len(r.lacking) > 0 {
		return fmt.Errorf("it denies %s, which fleet does not have, but what it does may have another name here; write this rule by hand (fleet plugin doc %s)", strings.Join(r.lacking, " and "), i.plugin)
	}
	var terms []string
	if terms, err = importTerms("fact", fields[3], importFact); err != nil {
		return err
	}
	if len(fields) == 5 {
		classes, err := importTerms("class", fields[4], importClass)
		if err != nil {
			return err
		}
		terms = append(terms, classes...)
	}
	r.when = strings.Join(terms, " and ")
	i.rules = append(i.rules, r)
	return nil
}

// importCaller returns the signer's name, or "" for anybody.
func importCaller(field string) (string, error) {
	if field == "*" {
		return "", nil
	}
	kind, name, ok := strings.Cut(field, "=")
	if kind == "uid" && strings.Trim(name, "0123456789") == "" {
		return "", fmt.Errorf("the caller %q is the number of a user, and fleet knows admins by name; write the admin's name, as in fleet admin list", field)
	}
	if !ok || kind != "cert" && kind != "uid" || !importedName().MatchString(name) {
		return "", fmt.Errorf("the caller %q is not * and not one of cert=NAME or uid=NAME; write a rule for it by hand", field)
	}
	return name, nil
}

// actions returns those that fleet has, as PLUGIN.ACTION, and those that it lacks. Of a plugin that it does not have at all it
// takes any: another program may bring the plugin.
func (i *importing) actions(field string) (list, lacking []string, err error) {
	if field == "*" {
		return []string{i.plugin + ".*"}, nil, nil
	}
	for _, a := range strings.Fields(field) {
		name := i.plugin + "." + a
		switch {
		case !importedWord().MatchString(a):
			return nil, nil, fmt.Errorf("%q is not the name of an action", a)
		case i.has(a):
			list = append(list, name)
		default:
			lacking = append(lacking, name)
		}
	}
	if len(list)+len(lacking) == 0 {
		return nil, nil, errors.New("no action is named")
	}
	return list, lacking, nil
}

// has reports whether the plugin, or for every plugin any of them, has an action of this name.
func (i *importing) has(action string) bool {
	if actions, builtIn := i.known[i.plugin]; builtIn || i.plugin != "*" {
		return !builtIn || slices.Contains(actions, action)
	}
	for _, actions := range i.known {
		if slices.Contains(actions, action) {
			return true
		}
	}
	return false
}

// importTerms takes a field of words that must all hold.
func importTerms(what, field string, term func(string) error) ([]string, error) {
	if field == "*" {
		return nil, nil
	}
	words := strings.Fields(field)
	for _, w := range words {
		if w == "and" || w == "or" || w == "not" || strings.ContainsAny(w, "()") || strings.HasPrefix(w, "!") {
			return nil, fmt.Errorf("%q: and, or, not and parentheses bind in another way there; write this rule by hand, with when", field)
		}
		if err := term(w); err != nil {
			return nil, err
		}
	}
	if len(words) == 0 {
		return nil, fmt.Errorf("no %s is named", what)
	}
	return words, nil
}

func importFact(w string) error {
	m := importedFact().FindStringSubmatch(w)
	switch {
	case m == nil:
		return fmt.Errorf("%q is no fact=value", w)
	case m[2] != "=" && m[2] != "==":
		return fmt.Errorf("%q: MCollective compares with %s in another way than fleet; write this rule by hand, with when", w, m[2])
	case !importedValue().MatchString(m[3]):
		return fmt.Errorf("%q: the value is a pattern, or has characters that could mean something else here; write this rule by hand, with when", w)
	}
	return nil
}

func importClass(w string) error {
	if !importedClass().MatchString(w) {
		return fmt.Errorf("%q is no class's name; a pattern must be written by hand, with when", w)
	}
	return nil
}

// text writes the host file.
func (i *importing) text(name string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# imported from MCollective's %s; signers are names in the roster (fleet admin list)\n", name)
	everywhere, fallback := i.plugin == "*", "defer"
	switch _, builtIn := i.known[i.plugin]; {
	case everywhere:
		b.WriteString("# for every plugin without rules of its own: put those before these\n")
		if i.fallback == "deny" {
			fallback = "deny"
		}
	case !builtIn:
		fmt.Fprintf(&b, "# fleet has no built-in plugin %s: these rules have an effect only on hosts that have one\n", i.plugin)
	}
	fmt.Fprintf(&b, "default = %q # for all other plugins\n", fallback)
	for _, r := range i.rules {
		if len(r.lacking) > 0 {
			fmt.Fprintf(&b, "\n# line %d: left out %s, which fleet does not have\n", r.line, strings.Join(r.lacking, ", "))
		}
		if len(r.actions) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n[[rule]] # line %d\ndecision = %q\n", r.line, r.decision)
		if r.signer != "" {
			fmt.Fprintf(&b, "signer = [%q]\n", r.signer)
		}
		fmt.Fprintf(&b, "action = %s\n", quoted(r.actions))
		if r.when != "" {
			fmt.Fprintf(&b, "when = %q\n", r.when)
		}
	}
	if !everywhere || fallback == "defer" {
		fmt.Fprintf(&b, "\n[[rule]] # policy default\ndecision = %q\naction = %s\n", i.fallback, quoted([]string{i.plugin + ".*"}))
	}
	return b.String()
}

func quoted(words []string) string {
	list := slices.Clone(words)
	for n, w := range list {
		list[n] = fmt.Sprintf("%q", w)
	}
	return "[" + strings.Join(list, ", ") + "]"
}
