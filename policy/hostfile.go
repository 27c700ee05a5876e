package policy

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"

	"fleet/job/filter"
)

// MaxFile bounds a host's policy file in bytes; real ones have a screen or two.
const MaxFile = 256 << 10

// File is a host's own policy, read from a file that is good as a whole.
type File struct {
	name  string
	deny  bool // what no rule fits is denied; otherwise the roster decides
	rules []hostRule
}

// hostRule is one [[rule]]. All that it names must hold.
type hostRule struct {
	line    int
	allow   bool
	signers []string
	roles   []string
	actions []string
	args    map[string]string
	when    string // an -S expression over facts and labels
	second  uint8  // as in identity.Rule
}

// Parse reads a policy file. It names all faults, each with its line; a file with one fault is no policy.
//
//	default = "defer"                 # or "deny": what no rule fits
//
//	[[rule]]
//	decision = "deny"                 # or "allow"
//	signer = ["ann"]                  # names in the roster, exactly; left out: anybody
//	role = ["ops"]                    # left out: any
//	action = ["service.restart"]      # PLUGIN.ACTION, each side may be *
//	args = { service = "nginx" }      # * stands for any text
//	when = "hagroup=c and env=prod"   # facts and labels of this host
//	second_key = true                 # or a number: above so many percent of the fleet
func Parse(name string, data []byte) (File, error) {
	f := File{name: name}
	if len(data) > MaxFile {
		return f, fmt.Errorf("%s: %d bytes; the limit is %d", name, len(data), MaxFile)
	}
	values := map[string]toml.Primitive{}
	md, err := toml.Decode(string(data), &values)
	if err != nil {
		return f, placed(name, err)
	}
	var tables []map[string]any
	var faults []error
	for _, key := range sortedKeys(values) {
		if key == "rule" {
			err = md.PrimitiveDecode(values[key], &tables)
		} else {
			err = md.PrimitiveDecode(values[key], taking(func(v any) error { return f.take(key, v) }))
		}
		if err != nil {
			faults = append(faults, placed(name, err))
		}
	}
	at := ruleLines(string(data))
	for i, table := range tables {
		line := 0
		if i < len(at) {
			line = at[i]
		}
		rule, wrong := parseRule(table)
		for _, err := range wrong {
			faults = append(faults, fmt.Errorf("%s:%d: %w", name, line, err))
		}
		rule.line = line
		f.rules = append(f.rules, rule)
	}
	return f, errors.Join(faults...)
}

// take takes over a key at the top.
func (f *File) take(key string, v any) error {
	if key != "default" {
		return fmt.Errorf("unknown key %q", key)
	}
	if v != "defer" && v != "deny" {
		return errors.New(`default must be "defer" or "deny"`)
	}
	f.deny = v == "deny"
	return nil
}

// taking gets a value from the parser, which adds the line to the error: MetaData itself does not tell lines.
type taking func(v any) error

func (t taking) UnmarshalTOML(v any) error { return t(v) }

// placed is the parser's error, behind FILE:LINE where it knows the line.
func placed(file string, err error) error {
	if pe, ok := errors.AsType[toml.ParseError](err); ok {
		return fmt.Errorf("%s:%d: %s", file, max(1, pe.Position.Line), pe.Message)
	}
	return fmt.Errorf("%s: %w", file, err)
}

// parseRule names all that is wrong with a rule.
func parseRule(table map[string]any) (r hostRule, faults []error) {
	for _, key := range sortedKeys(table) {
		var err error
		switch v := table[key]; key {
		case "decision":
			r.allow = v == "allow"
			if v != "allow" && v != "deny" {
				err = errors.New("must be allow or deny")
			}
		case "signer":
			r.signers, err = texts(v)
		case "role":
			r.roles, err = texts(v)
		case "action":
			r.actions, err = texts(v)
			for _, a := range r.actions {
				if p, s, ok := strings.Cut(a, "."); !ok || p == "" || s == "" {
					err = fmt.Errorf("%q is not PLUGIN.ACTION", a)
				}
			}
		case "args":
			r.args, err = pairs(v)
		case "when":
			if r.when, err = oneText(v); err == nil {
				_, err = filter.Compile(filter.Filter{Selects: []string{r.when}})
			}
		case "second_key":
			r.second, err = secondKey(v)
		default:
			err = errors.New("unknown key; the keys are decision, signer, role, action, args, when, second_key")
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", key, err))
		}
	}
	if _, ok := table["decision"]; !ok {
		faults = append(faults, errors.New(`decision is missing: "allow" or "deny"`))
	}
	if _, ok := table["action"]; !ok {
		faults = append(faults, errors.New(`action is missing, such as ["service.*"]; ["*.*"] is every action`))
	}
	return r, faults
}

// Named is an action that a rule of the file names, with the arguments that it asks for.
type Named struct {
	Line   int
	Action string // PLUGIN.ACTION, each side may be *
	Args   []string
}

// Names are the actions that the rules name, in the file's order.
func (f File) Names() []Named {
	var list []Named
	for _, r := range f.rules {
		for _, a := range r.actions {
			list = append(list, Named{Line: r.line, Action: a, Args: sortedKeys(r.args)})
		}
	}
	return list
}

// Rules is how many rules the file has.
func (f File) Rules() int { return len(f.rules) }

// Decide decides by the host's file and, where it defers, by the roster's answer.
func (f File) Decide(ctx context.Context, q Question, roster func() Answer) Answer {
	for _, r := range f.rules {
		fits, err := r.fits(ctx, q)
		by := fmt.Sprintf("%s:%d", f.name, r.line)
		if err != nil {
			return Answer{By: fmt.Sprintf("%s: %v", by, err)}
		}
		if !fits {
			continue
		}
		if r.allow {
			return allowing(r.second, q, by)
		}
		return Answer{By: by}
	}
	if f.deny {
		return Answer{By: f.name + ": no rule matches, and the default is deny"}
	}
	return roster()
}

// fits reports whether all that the rule names holds. With an error only the arguments are in doubt: then nothing is allowed, since a
// later rule may allow what this one would have kept away. A rule that asks for a second key does so under each name of the thing,
// and allows, once there is one, under its own.
func (r hostRule) fits(ctx context.Context, q Question) (bool, error) {
	if !r.concerns(q) {
		return false, nil
	}
	wide := !r.allow
	if r.allow {
		wide, _ = needsSecond(r.second, q)
	}
	fits, err := fitsArgs(ctx, r.args, q, wide)
	if (fits || err != nil) && r.when != "" && !holds(ctx, r.when, q.Facts, !r.allow) {
		return false, nil
	}
	return fits, err
}

// concerns reports whether the rule is about this signer and this action.
func (r hostRule) concerns(q Question) bool {
	if len(r.signers) > 0 && !slices.Contains(r.signers, q.Signer.Name) {
		return false
	}
	if len(r.roles) > 0 && !slices.ContainsFunc(r.roles, func(role string) bool { return slices.Contains(q.Signer.Roles, role) }) {
		return false
	}
	return slices.ContainsFunc(r.actions, func(a string) bool { return fitsAction(a, q) })
}

func texts(v any) ([]string, error) {
	list, ok := v.([]any)
	if !ok || len(list) == 0 {
		return nil, errors.New(`must be a list of texts, such as ["ann"]; leave it out for any`)
	}
	var out []string
	for _, e := range list {
		s, ok := e.(string)
		if !ok || s == "" {
			return nil, errors.New("must be a list of non-empty strings")
		}
		out = append(out, s)
	}
	return out, nil
}

func oneText(v any) (string, error) {
	s, ok := v.(string)
	if !ok || strings.TrimSpace(s) == "" {
		return "", errors.New("must be a non-empty string")
	}
	return s, nil
}

func pairs(v any) (map[string]string, error) {
	table, ok := v.(map[string]any)
	if !ok || len(table) == 0 {
		return nil, errors.New(`must be a table, such as { service = "nginx" }`)
	}
	out := map[string]string{}
	for k, e := range table {
		s, err := oneText(e)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", k, err)
		}
		out[k] = s
	}
	return out, nil
}

func secondKey(v any) (uint8, error) {
	switch v := v.(type) {
	case bool:
		if v {
			return 1, nil
		}
		return 0, nil
	case int64:
		if v >= 0 && v < 100 {
			return uint8(v) + 1, nil
		}
	}
	return 0, errors.New("must be true, or a percentage from 0 to 99")
}

// ruleLines finds the line of each [[rule]] header: the parser keeps one place for all of them.
func ruleLines(text string) []int {
	var lines []int
	number := 0
	for l := range strings.Lines(text) {
		number++
		l, _, _ = strings.Cut(l, "#")
		if strings.Join(strings.Fields(l), "") == "[[rule]]" {
			lines = append(lines, number)
		}
	}
	return lines
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
