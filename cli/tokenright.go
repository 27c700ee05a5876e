package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"fleet/cli/report"
	"fleet/client"
	"fleet/identity"
	"fleet/policy"

	ucli "github.com/urfave/cli/v2"
)

// mayCreate returns nil if the admin with this key has the right to such a token, as far as is known here. The roster that
// the home directory has may be old, so it says yes alone; before it is no, the fleet is asked.
func (e *env) mayCreate(ctx context.Context, o connection, c client.Config, record identity.Record) error {
	_, kept, err := c.Known.Open(c.Root)
	if err != nil {
		return faultf("%w", err)
	}
	id := c.Key.Public().ID()
	if kept.Version == 0 {
		return nil // nobody here knows; the fleet looks when a host joins
	}
	if me, ok := kept.Admin(id); ok && policy.Token(kept, me, record.Role, record.Labels, time.Now()).Allowed {
		return nil
	}
	roster, err := e.fleetRoster(ctx, o)
	if errors.Is(err, client.ErrStranger) {
		return stranger()
	}
	if err != nil {
		e.note("warning: no broker can be asked for the newest roster: %v", err)
		roster = kept
	}
	me, ok := roster.Admin(id)
	if !ok {
		return stranger()
	}
	if a := policy.Token(roster, me, record.Role, record.Labels, time.Now()); !a.Allowed {
		return (&problem{ending: endRefused, err: fmt.Errorf("no host could join with this token: %s", a.By)}).with(hintTokenRight(me, record.Role, record.Labels))
	}
	return nil
}

// hintTokenRight is the line that gives an admin the right to tokens with exactly these labels.
func hintTokenRight(admin identity.AdminEntry, role identity.Role, labels map[string]string) string {
	line := fmt.Sprintf("fleet role allow %s --action %s.%s", append(slices.Clone(admin.Roles), "ROLE")[0], policy.TokenPlugin, role)
	var same []string
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		same = append(same, name+"="+labelValue(labels[name]))
	}
	if len(same) > 0 {
		line += " --hosts " + shellWord(strings.Join(same, " and "))
	}
	return "ask an admin who has the root key to run: " + line
}

// labelValue is a label's value as -S reads it.
func labelValue(v string) string {
	if strings.Trim(v, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == "" {
		return v
	}
	return strconv.Quote(v)
}

// canCreate answers whether an admin may create join tokens. Hosts have no part in it: the roster decides by the token.
func (e *env) canCreate(in *ucli.Context, words []string) error {
	o, err := e.parseAsk(in, nodePlugin, actionCan, map[string]string{"admin": words[0], "plugin": words[1], "action": words[2]})
	if err != nil {
		return err
	}
	if o.print.format != report.Table && o.print.format != report.JSON {
		return usagef("-o %s: about tokens this command supports only table and json", o.print.format)
	}
	f, err := e.hosts(in.Context, o.hosts)
	if err != nil {
		return err
	}
	if !f.IsZero() {
		return usagef("rights to create tokens are the same on every host: leave out the host filter").with("the labels of a token follow as NAME=VALUE: fleet can alice token member env=dev")
	}
	role := identity.Role(words[2])
	if !role.Valid() {
		return usagef("%q is not a token's role; it is peer, member or ephemeral", words[2])
	}
	labels, err := parseLabels("", words[3:])
	if err != nil {
		return err
	}
	r, err := e.fleetRoster(in.Context, o.conn)
	if err != nil {
		return err
	}
	a := policy.Answer{By: fmt.Sprintf("no admin called %s in roster version %d", words[0], r.Version)}
	if i := slices.IndexFunc(r.Admins, func(a identity.AdminEntry) bool { return a.Name == words[0] }); i >= 0 {
		a = policy.Token(r, r.Admins[i], role, labels, time.Now())
	}
	answer, end := "no", endRefused
	if a.Allowed {
		answer, end = "yes", endFine
	}
	if o.print.format == report.JSON {
		return cmpEnding(e.printJSON(tokenRightDoc{"fleet.can.token/v1", a.Allowed, a.By}), end)
	}
	return cmpEnding(e.print(sanitiseLines(answer+": "+a.By+"\n")), end)
}

type tokenRightDoc struct {
	Schema  string `json:"schema"`
	Allowed bool   `json:"allowed"`
	By      string `json:"by"` // the rule, or why not
}

// parseLabels reads NAME=VALUE words. lead begins the error.
func parseLabels(lead string, words []string) (map[string]string, error) {
	labels := map[string]string{}
	for _, l := range words {
		name, value, ok := strings.Cut(l, "=")
		if _, twice := labels[name]; !ok || name == "" || value == "" || twice {
			return nil, usagef("%s%q is not NAME=VALUE, or is given twice", lead, l)
		}
		labels[name] = value
	}
	return labels, nil
}
