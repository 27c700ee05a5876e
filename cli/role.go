package cli

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"fleet/identity"
	"fleet/plugins/plugin"
	"fleet/policy"

	ucli "github.com/urfave/cli/v2"
)

const (
	whatItAllows = "What it allows"

	flagAction         = "action"
	flagArg            = "arg"
	flagHosts          = "hosts"
	flagFrom           = "from"
	flagUntil          = "until"
	flagSecondKey      = "second-key"
	flagSecondKeyAbove = "second-key-above"
)

func roleVerb() verb {
	return verb{
		name: "role", group: groupBuild, brief: "what admins may do: list, allow and remove", takes: "list|allow|remove",
		about: []string{"A role is a list of rules in the roster, and allows what any of its rules allows. What none allows is denied. A host's own " + policyPath + " may allow it less or more."},
		subverbs: []verb{
			{
				name: "list", brief: "the roles in the roster, with their rules and who has them",
				flags: rosterReadFlags(), endings: []ending{endFault},
				do: func(e *env, in *ucli.Context) error { return e.showRoster(in, roleTable) },
			},
			{
				name: "allow", brief: "add a rule to a role, and make the role if there is none", takes: "NAME", atLeast: 1, atMost: 1,
				about: []string{
					"Needs the root key. All that is given must hold: the action, each argument, the hosts, the time. What is left out may be anything.",
					"--hosts is an expression as for -S, over the labels that hosts got with their token, because a host cannot change these; other facts are not looked at.",
					"Times are 2026-12-24, '2026-12-24 18:00' (this machine's time zone), RFC 3339, or a duration from now such as 8h.",
				},
				examples: []example{
					{"fleet role allow ops --action service.*", "services, everywhere"},
					{"fleet role allow web --action service.restart --arg service=nginx --hosts env=prod", "only nginx, only there"},
					{"fleet role allow night --action package.update --until 8h", "until eight hours from now"},
					{"fleet role allow ops --action package.* --second-key-above 20", "above 20 % of the fleet only with a second signature"},
				},
				flags: append([]ucli.Flag{
					text(whatItAllows, flagAction, "", "`PLUGIN.ACTION`: each side may be *"),
					many(whatItAllows, flagArg, "", "`NAME=VALUE`: the argument must be there and be this; * in it stands for any text; given again, all of them"),
					text(whatItAllows, flagHosts, "", "`EXPRESSION`: over the labels of hosts: 'env=prod and hagroup=c'"),
					text(whatItAllows, flagFrom, "", "`TIME`: not before"),
					text(whatItAllows, flagUntil, "", "`TIME`: not at or after"),
					toggle(whatItAllows, flagSecondKey, "", "only if a second admin signs too"),
					text(whatItAllows, flagSecondKeyAbove, "", "`PERCENT`: the same, if the job is for more of the fleet than that"),
				}, rosterFlags()...),
				endings: []ending{endFault},
				do:      func(e *env, in *ucli.Context) error { return e.roleAllow(in) },
			},
			{
				name: "remove", brief: "remove a rule of a role, or the whole role", takes: "NAME [RULE-NUMBER]", atLeast: 1, atMost: 2,
				about: []string{"Needs the root key. Rules have the numbers that fleet role list shows; those behind the removed one move up. A role that an admin has is not removed as a whole."},
				flags: rosterFlags(), endings: []ending{endFault},
				do: func(e *env, in *ucli.Context) error { return e.roleRemove(in) },
			},
		},
	}
}

func (e *env) roleAllow(in *ucli.Context) error {
	name := in.Args().First()
	if err := checkWord("name", name); err != nil {
		return err
	}
	rule, err := parseRule(in, time.Now())
	if err != nil {
		return err
	}
	o, err := e.parseRosterEdit(in)
	if err != nil {
		return err
	}
	e.doubt(rule)
	r, err := e.editRoster(in.Context, o, func(r *identity.Roster) error {
		i := slices.IndexFunc(r.Roles, func(role identity.RoleEntry) bool { return role.Name == name })
		if i < 0 {
			r.Roles = append(r.Roles, identity.RoleEntry{Name: name})
			i = len(r.Roles) - 1
		}
		for n, old := range r.Roles[i].Rules {
			if policy.Describe(old) == policy.Describe(rule) {
				return usagef("role %s has this rule already, as number %d", name, n+1)
			}
		}
		r.Roles[i].Rules = append(r.Roles[i].Rules, rule)
		return nil
	})
	if err != nil {
		return err
	}
	e.spread(r, "role %s allows: %s", name, policy.Describe(rule))
	if len(whoHas(r, name)) == 0 {
		e.note("no admin has the role %s yet; give it with: fleet admin add NAME KEY --role %s", name, name)
	}
	return nil
}

func parseRule(in *ucli.Context, now time.Time) (r identity.Rule, err error) {
	if r.Action = in.String(flagAction); r.Action == "" {
		return r, usagef("which action? give one with --action PLUGIN.ACTION; *.* is every one")
	}
	for _, a := range in.StringSlice(flagArg) {
		k, v, ok := strings.Cut(a, "=")
		if _, twice := r.Args[k]; !ok || k == "" || v == "" || twice {
			return r, usagef("--arg: %q is not NAME=VALUE, or stands twice", a)
		}
		if r.Args == nil {
			r.Args = map[string]string{}
		}
		r.Args[k] = v
	}
	r.Hosts = in.String(flagHosts)
	if err := policy.CheckRule(r); err != nil {
		return r, usagef("--hosts: %w", err).with(hintFilters)
	}
	for _, t := range []struct {
		flag string
		to   *int64
	}{{flagFrom, &r.From}, {flagUntil, &r.Until}} {
		if !in.IsSet(t.flag) {
			continue
		}
		at, err := parseWhen(in.String(t.flag), now)
		if err != nil {
			return r, usagef("--%s: %w", t.flag, err)
		}
		*t.to = at.Unix()
	}
	if r.Until != 0 && r.Until <= now.Unix() {
		return r, usagef("--until: that is over already")
	}
	switch {
	case in.Bool(flagSecondKey) && in.IsSet(flagSecondKeyAbove):
		return r, usagef("--second-key is always and --second-key-above is sometimes; give one of them")
	case in.Bool(flagSecondKey):
		r.Second = 1
	case in.IsSet(flagSecondKeyAbove):
		n, err := strconv.Atoi(strings.TrimSuffix(in.String(flagSecondKeyAbove), "%"))
		if err != nil || n < 0 || n > 99 {
			return r, usagef("--second-key-above: %q is not a number of percent from 0 to 99", in.String(flagSecondKeyAbove))
		}
		r.Second = uint8(n) + 1
	}
	return r, nil
}

// parseWhen reads a point in time, or a duration from now.
func parseWhen(s string, now time.Time) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, time.DateTime, "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, s, time.Local); err == nil {
			return t, nil
		}
	}
	if d, err := time.ParseDuration(s); err == nil && d > 0 {
		return now.Add(d), nil
	}
	return time.Time{}, fmt.Errorf("%q is no time; write 2026-12-24, '2026-12-24 18:00', RFC 3339, or a duration from now such as 8h", s)
}

// doubt warns of a rule that names what no plugin known here has. Hosts may have others, so it is only a warning.
func (e *env) doubt(r identity.Rule) {
	p, a, _ := strings.Cut(r.Action, ".")
	if p == "*" {
		return
	}
	i := slices.IndexFunc(e.declarations, func(d plugin.Declaration) bool { return d.Name == p })
	if i < 0 {
		e.note("warning: no plugin known here is called %q; the rule is right only if hosts have one", p)
		return
	}
	if a == "*" {
		return
	}
	action, ok := e.declarations[i].Action(a)
	if !ok {
		e.note("warning: the plugin %s has no action %q that is known here; the rule is right only if hosts have one", p, a)
		return
	}
	for name := range r.Args {
		if !slices.ContainsFunc(action.Inputs, func(i plugin.Input) bool { return i.Name == name }) {
			e.note("warning: %s has no argument %q, so the rule never fits", r.Action, name)
		}
	}
}

func (e *env) roleRemove(in *ucli.Context) error {
	name, number := in.Args().Get(0), 0
	if in.Args().Len() == 2 {
		var err error
		if number, err = strconv.Atoi(in.Args().Get(1)); err != nil || number < 1 {
			return usagef("%q is no number of a rule", in.Args().Get(1)).with("fleet role list shows the numbers")
		}
	}
	o, err := e.parseRosterEdit(in)
	if err != nil {
		return err
	}
	done := "role " + name + " is removed"
	r, err := e.editRoster(in.Context, o, func(r *identity.Roster) error {
		i := slices.IndexFunc(r.Roles, func(role identity.RoleEntry) bool { return role.Name == name })
		if i < 0 {
			return usagef("no role is called %q", name).with("fleet role list names them")
		}
		before := *r
		before.Roles = slices.Clone(r.Roles)
		if number == 0 {
			if who := whoHas(*r, name); len(who) > 0 {
				return usagef("%s still has the role %s", strings.Join(who, ", "), name).with("give them other roles first: fleet admin add NAME KEY --role R, or fleet admin remove NAME")
			}
			r.Roles = slices.Delete(slices.Clone(r.Roles), i, i+1)
			return nil
		}
		rules := r.Roles[i].Rules
		if number > len(rules) {
			return usagef("role %s has %d rules, and no number %d", name, len(rules), number)
		}
		done = fmt.Sprintf("role %s does not allow any more: %s", name, policy.Describe(rules[number-1]))
		r.Roles[i].Rules = slices.Delete(slices.Clone(rules), number-1, number)
		if mayAll(before) && !mayAll(*r) {
			return e.sure(in.Context, in, "remove the last rule by which an admin may do everything")
		}
		return nil
	})
	if err != nil {
		return err
	}
	e.spread(r, "%s", done)
	return nil
}

func whoHas(r identity.Roster, role string) []string {
	var names []string
	for _, a := range r.Admins {
		if slices.Contains(a.Roles, role) {
			names = append(names, a.Name)
		}
	}
	return names
}
