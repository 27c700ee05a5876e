package cli

import (
	"encoding/json"
	"fmt"
	"strings"

	"fleet/cli/report"
	"fleet/identity"
	"fleet/policy"

	ucli "github.com/urfave/cli/v2"
)

// rosterReadFlags are for commands that show what is in the roster.
func rosterReadFlags() []ucli.Flag {
	return append([]ucli.Flag{
		text(whatToPrint, flagOutput, "o", "`FORMAT`: table or json"),
		toggle(whatToPrint, flagJSON, "j", "the same as -o json"),
		many(connecting, flagBroker, "", "`HOST:PORT`: a broker to use instead of the configured ones; repeat for several"),
		keyFlag(), passphraseFileFlag(),
	}, homeFlags()...)
}

// showRoster prints the fleet's newest roster, for people as table makes it.
func (e *env) showRoster(in *ucli.Context, table func(identity.Roster) string) error {
	asJSON, o, err := e.parseRosterRead(in)
	if err != nil {
		return err
	}
	r, err := e.fleetRoster(in.Context, o)
	if err != nil {
		return err
	}
	if asJSON {
		return e.printJSON(rosterJSON(r))
	}
	return e.print(sanitiseLines(table(r)))
}

func (e *env) parseRosterRead(in *ucli.Context) (asJSON bool, o connection, err error) {
	c, err := loadConfig(in.String(flagConfig), e.getenv)
	if err != nil {
		return false, o, err
	}
	p, err := e.parsePrinting(in, c)
	if err != nil {
		return false, o, err
	}
	if in.IsSet(flagOutput) && p.format != report.Table && p.format != report.JSON {
		return false, o, usagef("-o %s: this command supports only table and json", p.format)
	}
	o, err = parseConnection(in, c, e)
	return p.format == report.JSON, o, err
}

func (e *env) printJSON(v any) error {
	out, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return faultf("%w", err)
	}
	return e.print(string(report.EscapeJSON(out)) + "\n")
}

// sanitiseLines is report.Sanitise that leaves the ends of lines alone.
func sanitiseLines(text string) string {
	var b strings.Builder
	for l := range strings.Lines(text) {
		b.WriteString(report.Sanitise(strings.TrimSuffix(l, "\n")) + "\n")
	}
	return b.String()
}

func adminTable(r identity.Roster) string {
	names, roles := len("ADMIN"), len("ROLES")
	for _, a := range r.Admins {
		names, roles = max(names, len(a.Name)), max(roles, len(strings.Join(a.Roles, ",")))
	}
	var b strings.Builder
	row := func(name, role, key string) { fmt.Fprintf(&b, "%-*s  %-*s  %s\n", names, name, roles, role, key) }
	row("ADMIN", "ROLES", "KEY")
	for _, a := range r.Admins {
		row(a.Name, strings.Join(a.Roles, ","), a.Key.String())
	}
	return b.String()
}

func roleTable(r identity.Roster) string {
	var b strings.Builder
	for _, role := range r.Roles {
		who := strings.Join(whoHas(r, role.Name), ", ")
		if who == "" {
			who = "nobody"
		}
		fmt.Fprintf(&b, "%s (%s)\n", role.Name, who)
		rulesText(&b, role)
	}
	if r.Hosts > 0 || countsShares(r) {
		fmt.Fprintln(&b, sizeText(r))
	}
	return b.String()
}

func rulesText(b *strings.Builder, role identity.RoleEntry) {
	if len(role.Rules) == 0 {
		b.WriteString("   nothing\n")
	}
	for i, rule := range role.Rules {
		fmt.Fprintf(b, "%4d  %s\n", i+1, policy.Describe(rule))
	}
}

type roleDoc struct {
	Name  string   `json:"name"`
	Rules []string `json:"rules"`
}

type adminDoc struct {
	Name  string   `json:"name"`
	Key   string   `json:"key"`
	Roles []string `json:"roles"`
}

type rosterDoc struct {
	Schema  string     `json:"schema"`
	Fleet   string     `json:"fleet"`
	Version uint64     `json:"version"`
	Admins  []adminDoc `json:"admins"`
	Roles   []roleDoc  `json:"roles"`
	Hosts   uint32     `json:"hosts,omitempty"` // how many the roster says there are
}

func rosterJSON(r identity.Roster) rosterDoc {
	doc := rosterDoc{Schema: "fleet.roster/v1", Fleet: r.Fleet, Version: r.Version, Hosts: r.Hosts}
	for _, a := range r.Admins {
		doc.Admins = append(doc.Admins, adminDoc{Name: a.Name, Key: a.Key.String(), Roles: a.Roles})
	}
	doc.Roles = rolesJSON(r.Roles)
	return doc
}

func rolesJSON(roles []identity.RoleEntry) []roleDoc {
	list := []roleDoc{}
	for _, role := range roles {
		d := roleDoc{Name: role.Name, Rules: []string{}}
		for _, rule := range role.Rules {
			d.Rules = append(d.Rules, policy.Describe(rule))
		}
		list = append(list, d)
	}
	return list
}
