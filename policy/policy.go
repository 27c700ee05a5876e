package policy

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"fleet/identity"
	"fleet/job/filter"
)

// Question is what is to be decided.
type Question struct {
	Signer         identity.AdminEntry
	Plugin, Action string
	Change         bool
	Args           map[string]any // as checked, defaults filled in
	// Spellings says under which names the host knows what the argument input with this value names: its own, the one that the
	// plugin uses first, and others. nil: each value is its only name. Rules are compared by it, see fitsArgs.
	Spellings func(ctx context.Context, input, value string) (own, other []string, err error)
	Labels    map[string]string // the host's, attested
	Facts     filter.Host       // what the host reports of itself; only the host's own file may ask it
	Now       time.Time
	// Share is how much of the fleet the job is for, in percent, and how that was counted, for people; nil: all of it. It is asked at
	// most where a rule depends on it.
	Share    func() (percent float64, counted string)
	CoSigned bool // a second admin signed the job too
}

// Answer is the decision and the line that gave it.
type Answer struct {
	Allowed bool
	// Waits is set where the job would be allowed if a second admin signed it.
	Waits bool
	// UpTo is set where one key was enough only because the share is no larger than this, in percent.
	UpTo float64
	By   string // for people
}

// Roster decides by the roster alone.
func Roster(ctx context.Context, r identity.Roster, q Question) Answer {
	var waits, limited Answer
	var doubt error
	for _, role := range r.Roles {
		if !slices.Contains(q.Signer.Roles, role.Name) {
			continue
		}
		for i, rule := range role.Rules {
			by := fmt.Sprintf("role %s, rule %d: %s", role.Name, i+1, Describe(rule))
			fits, err := fits(ctx, rule, q)
			if err != nil {
				doubt = err
			}
			if !fits {
				continue
			}
			switch a := allowing(rule.Second, q, by); { // another rule may allow it as it is
			case a.Waits:
				waits = a
			case a.UpTo == 0:
				return a
			case a.UpTo > limited.UpTo:
				limited = a
			}
		}
	}
	switch {
	case limited.Allowed:
		return limited
	case waits.Waits:
		return waits
	}
	by := fmt.Sprintf("no role of %s allows %s.%s here with these arguments (roles: %s)", q.Signer.Name, q.Plugin, q.Action, strings.Join(q.Signer.Roles, ", "))
	if doubt != nil {
		by += fmt.Sprintf("; one might, but %v", doubt)
	}
	return Answer{By: by}
}

// needsSecond reports whether a second key is missing, and how the share of the fleet was counted where that decided.
func needsSecond(second uint8, q Question) (missing bool, counted string) {
	switch {
	case second == 0 || q.CoSigned:
		return false, ""
	case second == 1 || q.Share == nil:
		return true, ""
	}
	percent, counted := q.Share()
	return percent > float64(second-1), counted
}

// allowing is the answer of a rule that fits and allows.
func allowing(second uint8, q Question, by string) Answer {
	missing, counted := needsSecond(second, q)
	switch {
	case missing && counted != "":
		return Answer{Waits: true, By: by + "; " + counted}
	case missing:
		return Answer{Waits: true, By: by}
	case second > 1 && !q.CoSigned:
		return Answer{Allowed: true, UpTo: float64(second - 1), By: by}
	}
	return Answer{Allowed: true, By: by}
}

// fits reports whether all that a roster rule names holds. With an error it does not: roster rules only allow.
func fits(ctx context.Context, rule identity.Rule, q Question) (bool, error) {
	if q.Plugin == TokenPlugin && !coversToken(rule, q.Action) {
		return false, nil
	}
	if !fitsAction(rule.Action, q) || !fitsTime(rule, q) || !fitsLabels(ctx, rule, q) {
		return false, nil
	}
	return fitsArgs(ctx, rule.Args, q, false)
}

func fitsTime(rule identity.Rule, q Question) bool {
	now := q.Now.Unix()
	return now >= rule.From && (rule.Until == 0 || now < rule.Until)
}

func fitsLabels(ctx context.Context, rule identity.Rule, q Question) bool {
	return rule.Hosts == "" || holds(ctx, rule.Hosts, labelled{q.Labels}, false)
}

func fitsAction(pattern string, q Question) bool {
	p, a, ok := strings.Cut(pattern, ".")
	return ok && (p == "*" || p == q.Plugin) && (a == "*" || a == q.Action)
}

// glob matches text against a pattern in which "*" stands for any text.
func glob(pattern, text string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == text
	}
	if !strings.HasPrefix(text, parts[0]) {
		return false
	}
	text = text[len(parts[0]):]
	for _, part := range parts[1 : len(parts)-1] {
		i := strings.Index(text, part)
		if i < 0 {
			return false
		}
		text = text[i+len(part):]
	}
	return strings.HasSuffix(text, parts[len(parts)-1])
}

// holds evaluates an expression of job/filter on a host. undecided is the outcome where it cannot be evaluated: false for
// what allows, true for what denies, so that a doubt never lets anybody in.
func holds(ctx context.Context, expression string, h filter.Host, undecided bool) bool {
	m, err := filter.Compile(filter.Filter{Selects: []string{expression}})
	if err != nil {
		return undecided
	}
	ok, err := m.Match(ctx, h)
	if err != nil {
		return undecided
	}
	return ok
}

// labelled is a host of which only the attested labels are known.
type labelled struct{ labels map[string]string }

func (l labelled) Name() string { return "" }
func (l labelled) Fact(path string) (any, bool) {
	v, ok := l.labels[path]
	return v, ok
}
func (l labelled) Classes() []string   { return nil }
func (l labelled) Agents() []string    { return nil }
func (l labelled) HasData(string) bool { return false }
func (l labelled) Data(_ context.Context, function, _ string) (map[string]any, error) {
	return nil, fmt.Errorf("a rule cannot use %s()", function)
}

// CheckHosts says what is wrong with an expression over hosts that somebody wants to put into a rule of the roster.
func CheckHosts(expression string) error {
	if expression == "" {
		return nil
	}
	_, err := filter.Compile(filter.Filter{Selects: []string{expression}})
	return err
}

// Describe says a rule in one line.
func Describe(r identity.Rule) string {
	s := r.Action
	for _, name := range sortedKeys(r.Args) {
		s += " " + name + "=" + r.Args[name]
	}
	switch {
	case r.Hosts != "" && aboutTokens(r):
		s += " with labels " + r.Hosts
	case r.Hosts != "":
		s += " on hosts with " + r.Hosts
	}
	const day = "2006-01-02 15:04 UTC"
	if r.From != 0 {
		s += " from " + time.Unix(r.From, 0).UTC().Format(day)
	}
	if r.Until != 0 {
		s += " until " + time.Unix(r.Until, 0).UTC().Format(day)
	}
	switch {
	case r.Second == 1:
		s += ", with a second admin's signature"
	case r.Second > 1:
		s += fmt.Sprintf(", with a second admin's signature above %d %% of the fleet", r.Second-1)
	}
	return s
}
