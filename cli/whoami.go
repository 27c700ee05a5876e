package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"fleet/client"
	"fleet/identity"

	ucli "github.com/urfave/cli/v2"
)

func whoamiVerb() verb {
	return verb{
		name: "whoami", group: groupLearn, brief: "show your key and what the roster allows you",
		about: []string{"Gets the newest roster from a broker and looks up your key. If the key is not in the roster, it is printed anyway and the exit code is 7."},
		flags: rosterReadFlags(), endings: []ending{endFault, endRefused},
		do: func(e *env, in *ucli.Context) error { return e.whoami(in) },
	}
}

type whoamiDoc struct {
	Schema  string    `json:"schema"`
	Key     string    `json:"key"`
	Kept    string    `json:"kept"`
	Fleet   string    `json:"fleet,omitempty"`
	Version uint64    `json:"version,omitempty"`
	Name    string    `json:"name,omitempty"` // "": not in the roster
	Roles   []roleDoc `json:"roles,omitempty"`
}

func (e *env) whoami(in *ucli.Context) error {
	asJSON, o, err := e.parseRosterRead(in)
	if err != nil {
		return err
	}
	key, err := o.keys.admin(o.key)
	if err != nil {
		return err
	}
	doc := whoamiDoc{Schema: "fleet.whoami/v1", Key: key.Public().String(), Kept: o.key}
	r, me, failed := e.lookMeUp(in, o)
	var mine []identity.RoleEntry
	if failed == nil {
		doc.Fleet, doc.Version, doc.Name = r.Fleet, r.Version, me.Name
		for _, role := range r.Roles {
			if slices.Contains(me.Roles, role.Name) {
				mine = append(mine, role)
			}
		}
		doc.Roles = rolesJSON(mine)
	}
	if asJSON {
		return errors.Join(e.printJSON(doc), failed)
	}
	var b strings.Builder
	if failed == nil {
		fmt.Fprintf(&b, "%s in the fleet %s, roster version %d\n", me.Name, r.Fleet, r.Version)
	}
	fmt.Fprintf(&b, "key   %s\nkept  %s\n", doc.Key, doc.Kept)
	for _, role := range mine {
		fmt.Fprintf(&b, "role  %s\n", role.Name)
		rulesText(&b, role)
	}
	if err := e.print(sanitiseLines(b.String())); err != nil {
		return err
	}
	return failed
}

// lookMeUp finds this admin in the fleet's roster.
func (e *env) lookMeUp(in *ucli.Context, o connection) (identity.Roster, identity.AdminEntry, error) {
	var me identity.AdminEntry
	r, err := e.fleetRoster(in.Context, o)
	if err != nil && !errors.Is(err, client.ErrStranger) {
		return r, me, err
	}
	key, keyErr := o.keys.admin(o.key)
	if keyErr != nil {
		return r, me, keyErr
	}
	me, ok := r.Admin(key.Public().ID())
	if err != nil || !ok {
		return r, me, stranger()
	}
	return r, me, nil
}

func stranger() error {
	p := &problem{ending: endRefused, err: errors.New("this key is not in the fleet's roster; hosts ignore jobs signed with it")}
	return p.with("ask an admin who has the root key to run: fleet admin add NAME KEY --role ROLE")
}
