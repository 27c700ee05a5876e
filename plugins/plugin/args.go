package plugin

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Args are an action's arguments as Go values, by input name.
type Args map[string]any

// String returns the string argument, or "" where it was left out.
func (a Args) String(name string) string { s, _ := a[name].(string); return s }

// Bool returns the boolean argument, or false where it was left out.
func (a Args) Bool(name string) bool { b, _ := a[name].(bool); return b }

// Int returns the integer argument, or 0 where it was left out.
func (a Args) Int(name string) int64 { n, _ := a[name].(int64); return n }

// Parse turns words typed by a person into arguments: each is cast to its declared type, then Check decides.
func (a Action) Parse(words map[string]string) (Args, error) {
	args := Args{}
	for name, word := range words {
		in, ok := a.input(name)
		if !ok {
			return nil, a.unknown(name)
		}
		v, err := in.cast(word)
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", a.Name, name, err)
		}
		args[name] = v
	}
	return a.Check(args)
}

// Check verifies that args are just what the declaration asks for, fills in defaults and returns the result.
// It is run by the asker before anything is sent and by the host again before anything is run.
func (a Action) Check(args Args) (Args, error) {
	out := Args{}
	for name, v := range args {
		in, ok := a.input(name)
		if !ok {
			return nil, a.unknown(name)
		}
		if err := in.check(v); err != nil {
			return nil, fmt.Errorf("%s %s: %w", a.Name, name, err)
		}
		out[name] = v
	}
	for _, in := range a.Inputs {
		if _, given := out[in.Name]; given {
			continue
		}
		switch {
		case in.Default != nil:
			out[in.Name] = in.Default
		case !in.Optional:
			return nil, fmt.Errorf("%s needs %s (%s)", a.Name, in.Name, in.Prompt)
		}
	}
	return out, nil
}

// IsSecret reports whether the action has a secret input of that name.
func (a Action) IsSecret(name string) bool {
	in, ok := a.input(name)
	return ok && in.Secret
}

// Public returns args without the secret ones: what may be shown, logged and audited.
func (a Action) Public(args Args) Args {
	out := Args{}
	for name, v := range args {
		if !a.IsSecret(name) {
			out[name] = v
		}
	}
	return out
}

// Secrets returns the secret ones of args: what must be sealed.
func (a Action) Secrets(args Args) Args {
	out := Args{}
	for name, v := range args {
		if a.IsSecret(name) {
			out[name] = v
		}
	}
	return out
}

// WithoutSecrets returns the action as one that has no secret inputs.
func (a Action) WithoutSecrets() Action {
	a.Inputs = slices.DeleteFunc(slices.Clone(a.Inputs), func(in Input) bool { return in.Secret })
	return a
}

func (a Action) input(name string) (Input, bool) {
	for _, in := range a.Inputs {
		if in.Name == name {
			return in, true
		}
	}
	return Input{}, false
}

func (a Action) unknown(name string) error {
	if len(a.Inputs) == 0 {
		return fmt.Errorf("%s takes no arguments, not %q", a.Name, name)
	}
	names := make([]string, len(a.Inputs))
	for i, in := range a.Inputs {
		names[i] = in.Name
	}
	return fmt.Errorf("%s has no argument %q; it takes %s", a.Name, name, strings.Join(names, ", "))
}

func (in Input) cast(word string) (any, error) {
	switch in.Type {
	case Boolean:
		switch strings.ToLower(word) {
		case "true", "yes", "1":
			return true, nil
		case "false", "no", "0":
			return false, nil
		}
		return nil, fmt.Errorf("%q is not true or false", word)
	case Integer:
		n, err := strconv.ParseInt(word, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%q is not a whole number", word)
		}
		return n, nil
	case Float:
		f, err := strconv.ParseFloat(word, 64)
		if err != nil {
			return nil, fmt.Errorf("%q is not a number", word)
		}
		return f, nil
	}
	return word, nil
}

func (in Input) check(v any) error {
	switch in.Type {
	case String:
		s, ok := v.(string)
		if !ok {
			return fmt.Errorf("must be a string, not %T", v)
		}
		return in.checkString(s)
	case List:
		s, ok := v.(string)
		if !ok || !slices.Contains(in.Choices, s) {
			return fmt.Errorf("must be one of %s", strings.Join(in.Choices, ", "))
		}
	case Boolean:
		if _, ok := v.(bool); !ok {
			return fmt.Errorf("must be true or false, not %T", v)
		}
	case Integer:
		if _, ok := v.(int64); !ok {
			return fmt.Errorf("must be a whole number, not %T", v)
		}
	case Float:
		f, ok := v.(float64)
		if !ok || math.IsNaN(f) || math.IsInf(f, 0) {
			return fmt.Errorf("must be a finite number")
		}
	default:
		return fmt.Errorf("has the unknown type %q in the plugin's declaration", in.Type)
	}
	return nil
}

// checkString refuses what could change its meaning on the way into an argv, a log line or a terminal.
func (in Input) checkString(s string) error {
	limit := in.MaxLength
	if limit == 0 {
		limit = DefaultMaxLength
	}
	switch {
	case s == "":
		return fmt.Errorf("is empty")
	case len(s) > limit:
		return fmt.Errorf("is %d bytes long, at most %d are allowed", len(s), limit)
	case !utf8.ValidString(s):
		return fmt.Errorf("is not valid UTF-8")
	case strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) >= 0:
		return fmt.Errorf("has a character that cannot be printed")
	case in.Pattern == "":
		return nil
	}
	re, err := regexp.Compile(`\A(?:` + in.Pattern + `)\z`)
	if err != nil {
		return fmt.Errorf("has a broken pattern in the plugin's declaration: %w", err)
	}
	if !re.MatchString(s) {
		if in.Secret {
			return fmt.Errorf("does not match %s", in.Pattern)
		}
		return fmt.Errorf("%q does not match %s", s, in.Pattern)
	}
	return nil
}

// Shown returns those of args that the action declares, without the secret ones: what may be logged and audited also of a job that
// does not fit the declaration. What is not declared may be a secret under a mistyped name.
func (a Action) Shown(args Args) Args {
	out := Args{}
	for _, in := range a.Inputs {
		if v, given := args[in.Name]; given && !in.Secret {
			out[in.Name] = v
		}
	}
	return out
}
