package cli

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"fleet/identity"
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
		name: "role", group: groupBuild, brief: "manage roles: what admins may do", takes: "list|allow|remove",
		about: []string{"A role is a list of allow rules in the roster. Anything that no rule allows is denied. A host's own " + policyPath + " can allow more or less."},
		subverbs: []verb{
			{
				name: "list", brief: "list roles with their rules and the admins who have them",
				flags: rosterReadFlags(), endings: []ending{endFault},
				do: func(e *env, in *ucli.Context) error { return e.showRoster(in, roleTable) },
			},
			{
				name: "allow", brief: "add a rule to a role; creates the role if needed", takes: "NAME", atLeast: 1, atMost: 1,
				about: []string{
					"Needs the root key. A job fits the rule if the action, every argument, the hosts and the time all match. What you leave out matches anything.",
					"--hosts is an expression as for -S over the labels from a host's join token, which the host cannot change. Facts are not used.",
					"The actions token.member, token.ephemeral and token.peer are the rights to create join tokens of that role, looked at when a host joins. --hosts is then over the labels that the token gives; --arg and a second key do not apply. *.* includes them, but with --hosts not token.peer: the whole fleet trusts a peer, whatever its labels.",
					"A time is 2026-12-24, '2026-12-24 18:00' (in this machine's time zone), RFC 3339, or a duration from now such as 8h or 30d.",
				},
				examples: []example{
					{"fleet role allow ops --action service.*", "all service actions, on every host"},
					{"fleet role allow web --action service.restart --arg service=nginx --hosts env=prod", "only nginx, only on those hosts"},
					{"fleet role allow night --action package.update --until 8h", "for the next eight hours"},
					{"fleet role allow dev --action token.member --hosts env=dev", "join tokens for members with the label env=dev"},
					{"fleet role allow ops --action package.* --second-key-above 20", "jobs for more than 20 % of the fleet need a second signature"},
				},
				flags: append([]ucli.Flag{
					text(whatItAllows, flagAction, "", "`PLUGIN.ACTION`: either side may be *"),
					many(whatItAllows, flagArg, "", "`NAME=VALUE`: the argument must have this value, in which * matches any text; repeat to require several"),
					text(whatItAllows, flagHosts, "", "`EXPRESSION`: host labels that must match, such as 'env=prod and hagroup=c'"),
					text(whatItAllows, flagFrom, "", "`TIME`: the rule applies from this time on"),
					text(whatItAllows, flagUntil, "", "`TIME`: the rule applies until just before this time"),
					toggle(whatItAllows, flagSecondKey, "", "require a second admin's signature"),
					text(whatItAllows, flagSecondKeyAbove, "", "`PERCENT`: require a second admin's signature if the job targets more than this share of the fleet (of the size in fleet root size N)"),
				}, changeFlags()...),
				endings: []ending{endFault},
				do:      func(e *env, in *ucli.Context) error { return e.roleAllow(in) },
			},
			{
				name: "remove", brief: "remove one rule from a role, or the whole role", takes: "NAME [RULE-NUMBER]", atLeast: 1, atMost: 2,
				about: []string{"Needs the root key. RULE-NUMBER is as shown by fleet role list; later rules move up by one. A role that an admin still has cannot be removed."},
				flags: changeFlags(), endings: []ending{endFault},
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
	for _, doubt := range e.doubts(rule.Action, slices.Sorted(maps.Keys(rule.Args))) {
		e.note("warning: %s", doubt)
	}
	r, err := e.editRoster(in.Context, o, func(r *identity.Roster) error {
		i := slices.IndexFunc(r.Roles, func(role identity.RoleEntry) bool { return role.Name == name })
		if i < 0 {
			r.Roles = append(r.Roles, identity.RoleEntry{Name: name})
			i = len(r.Roles) - 1
		}
		for n, old := range r.Roles[i].Rules {
			if policy.Describe(old) == policy.Describe(rule) {
				return usagef("role %s already has this rule, as number %d", name, n+1)
			}
		}
		r.Roles[i].Rules = append(r.Roles[i].Rules, rule)
		return nil
	})
	if err != nil {
		return err
	}
	e.note("role %s now allows: %s", name, policy.Describe(rule))
	if rule.Second > 1 && r.Hosts == 0 {
		e.note("%s", sizeText(r))
	}
	if len(whoHas(r, name)) == 0 {
		e.note("no admin has the role %s yet; to assign it: fleet admin add NAME KEY --role %s", name, name)
	}
	return e.spread(in.Context, o, r)
}

func parseRule(in *ucli.Context, now time.Time) (r identity.Rule, err error) {
	if r.Action = in.String(flagAction); r.Action == "" {
		return r, usagef("no action given; add --action PLUGIN.ACTION (*.* is every action)")
	}
	for _, a := range in.StringSlice(flagArg) {
		k, v, ok := strings.Cut(a, "=")
		if _, twice := r.Args[k]; !ok || k == "" || v == "" || twice {
			return r, usagef("--arg: %q is not NAME=VALUE, or is given twice", a)
		}
		if r.Args == nil {
			r.Args = map[string]string{}
		}
		r.Args[k] = v
	}
	r.Hosts = in.String(flagHosts)
	if err := policy.CheckHosts(r.Hosts); err != nil {
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
		return r, usagef("--until: that time has passed")
	}
	switch {
	case in.Bool(flagSecondKey) && in.IsSet(flagSecondKeyAbove):
		return r, usagef("--second-key and --second-key-above exclude each other; use one of them")
	case in.Bool(flagSecondKey):
		r.Second = 1
	case in.IsSet(flagSecondKeyAbove):
		n, err := strconv.Atoi(strings.TrimSuffix(in.String(flagSecondKeyAbove), "%"))
		if err != nil || n < 0 || n > 99 {
			return r, usagef("--second-key-above: %q is not a percentage from 0 to 99", in.String(flagSecondKeyAbove))
		}
		r.Second = uint8(n) + 1
	}
	if err := policy.CheckTokenRule(r); err != nil {
		return r, usagef("%w", err)
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
	if d, err := parseDuration(s); err == nil && d > 0 {
		return now.Add(d), nil
	}
	return time.Time{}, fmt.Errorf("%q is not a time; write 2026-12-24, '2026-12-24 18:00', RFC 3339, or a duration from now such as 8h or 30d", s)
}

func (e *env) roleRemove(in *ucli.Context) error {
	name, number := in.Args().Get(0), 0
	if in.Args().Len() == 2 {
		var err error
		if number, err = strconv.Atoi(in.Args().Get(1)); err != nil || number < 1 {
			return usagef("%q is not a rule number", in.Args().Get(1)).with("to see the numbers: fleet role list")
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
			return usagef("there is no role %q", name).with("to see all roles: fleet role list")
		}
		before := *r
		before.Roles = slices.Clone(r.Roles)
		if number == 0 {
			if who := whoHas(*r, name); len(who) > 0 {
				return usagef("%s still has the role %s", strings.Join(who, ", "), name).with("first change their roles: fleet admin add NAME KEY --role R, or fleet admin remove NAME")
			}
			r.Roles = slices.Delete(slices.Clone(r.Roles), i, i+1)
			return nil
		}
		rules := r.Roles[i].Rules
		if number > len(rules) {
			return usagef("role %s has only %d rules, no number %d", name, len(rules), number)
		}
		done = fmt.Sprintf("role %s no longer allows: %s", name, policy.Describe(rules[number-1]))
		r.Roles[i].Rules = slices.Delete(slices.Clone(rules), number-1, number)
		if mayAll(before) && !mayAll(*r) {
			return e.sure(in.Context, in, "remove the last rule that allows an admin to do everything")
		}
		return nil
	})
	if err != nil {
		return err
	}
	e.note("%s", done)
	return e.spread(in.Context, o, r)
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
