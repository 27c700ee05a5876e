package cli

import (
	"fmt"
	"slices"
	"strconv"

	"fleet/identity"

	ucli "github.com/urfave/cli/v2"
)

func sizeVerb() verb {
	return verb{
		name: "size", brief: "state how many hosts the fleet has, for rules about a share of it", takes: "N", atLeast: 1, atMost: 1,
		about: []string{
			"Needs the root key. A rule that requires a second key above a share of the fleet (fleet role allow --second-key-above) counts by this number, or by the hosts that a host knows of, whichever is less: anyone with the gossip key can make hosts believe in more. Until it is stated such a rule requires a second key for every job.",
			"State it again when the fleet grows. 0 takes the statement back.",
		},
		examples: []example{{"fleet root size 40", "the fleet has about 40 hosts"}},
		flags:    changeFlags(), endings: []ending{endFault, endSilent},
		do: func(e *env, in *ucli.Context) error { return e.rootSize(in) },
	}
}

func (e *env) rootSize(in *ucli.Context) error {
	n, err := strconv.Atoi(in.Args().First())
	if err != nil || n < 0 || n > identity.MaxHosts {
		return usagef("%q is not a number of hosts from 0 to %d", in.Args().First(), identity.MaxHosts)
	}
	o, err := e.parseRosterEdit(in)
	if err != nil {
		return err
	}
	r, err := e.editRoster(in.Context, o, func(r *identity.Roster) error {
		if r.Hosts == uint32(n) {
			return usagef("the roster already says so: %s", sizeText(*r))
		}
		r.Hosts = uint32(n)
		return nil
	})
	if err != nil {
		return err
	}
	e.note("the roster says now: %s", sizeText(r))
	return e.spread(in.Context, o, r)
}

// sizeText says how large the fleet is by the roster.
func sizeText(r identity.Roster) string {
	if r.Hosts == 0 {
		return "the fleet's size is not stated; rules about a share of it require a second key for every job (fleet root size N)"
	}
	return fmt.Sprintf("the fleet has %s", hosts(int(r.Hosts)))
}

// countsShares reports whether a rule of the roster depends on a share of the fleet.
func countsShares(r identity.Roster) bool {
	return slices.ContainsFunc(r.Roles, func(role identity.RoleEntry) bool {
		return slices.ContainsFunc(role.Rules, func(rule identity.Rule) bool { return rule.Second > 1 })
	})
}
