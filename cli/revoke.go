package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"fleet/cli/report"
	"fleet/identity"
	"fleet/job"

	ucli "github.com/urfave/cli/v2"
)

// rosterFlags are for commands that change the roster.
func rosterFlags() []ucli.Flag {
	return append([]ucli.Flag{
		toggle(foundFlags, flagYes, "y", "answer the question with yes"),
		many(connecting, flagBroker, "", "`HOST:PORT`: a broker, instead of those in the config; given again, any of them"),
		keyFlag(), passphraseFileFlag(),
	}, homeFlags()...)
}

func revokeNodeVerb() verb {
	return verb{
		name: "revoke", brief: "shut a host out for ever", takes: "NAME|NODE-ID", atLeast: 1, atMost: 1,
		about: []string{
			"Adds the host's key to the revoked ones in the roster, which needs the root key. Within seconds every broker closes its connections and routes, no peer renews its certificate, and its answers count for nothing. To let the machine in again, remove its data directory, so that it makes a new key, and give it a token.",
			"A name may have belonged to several keys; then all of them are listed, and the node id says which one is meant. Ids stand in fleet inventory and in -o json.",
			"A peer holds the key that issues certificates and the one of gossip, and a member that of gossip. Whoever took them off the machine still has them: after a theft, run fleet rotate too.",
		},
		examples: []example{
			{"fleet node revoke web4", "the host that is called so"},
			{"fleet node revoke 6hkqzcxm3wgbnh2vkqhkzq5p4e", "exactly this key, whoever has it and whether or not it is there"},
		},
		flags: rosterFlags(), endings: []ending{endFault, endInterrupted},
		do: func(e *env, in *ucli.Context) error { return e.revokeNode(in.Context, in) },
	}
}

func (e *env) revokeNode(ctx context.Context, in *ucli.Context) error {
	o, err := e.parseRosterEdit(in)
	if err != nil {
		return err
	}
	m, err := e.whichNode(ctx, o, in.Args().First())
	if err != nil {
		return err
	}
	what := "the key " + string(m.Node) + ", which no broker knows"
	if m.Name != "" {
		what = fmt.Sprintf("%s (%s, %s, %s)", report.Sanitise(m.Name), m.Node, m.Role, m.Presence)
	}
	if err := e.sure(ctx, in, fmt.Sprintf("shut out %s for ever", what)); err != nil {
		return err
	}
	r, err := e.editRoster(ctx, o, func(r *identity.Roster) error {
		if slices.Contains(r.RevokedNodes, m.Node) {
			return usagef("%s is revoked already", what)
		}
		r.RevokedNodes = append(r.RevokedNodes, m.Node)
		return nil
	})
	if err != nil {
		return err
	}
	e.note("%s is revoked; roster version %d goes to every host now", what, r.Version)
	if m.Role != identity.Member && m.Role != identity.Ephemeral {
		e.note("if somebody may have taken the keys of this machine: as a peer it held the key that issues certificates, which only fleet rotate replaces")
	} else {
		e.note("if somebody may have taken the keys of this machine: it held the gossip key, which only fleet rotate replaces")
	}
	return nil
}

// whichNode finds the one node that is meant. An id is taken as it is, also of a host that nobody knows any more. A name
// is whatever membership says, and membership is hearsay: so the id is shown before anything is signed.
func (e *env) whichNode(ctx context.Context, o connection, word string) (job.Member, error) {
	conn, err := e.connect(ctx, o)
	if err != nil {
		return job.Member{}, err
	}
	defer conn.Close()
	members, err := conn.Members(ctx)
	if err != nil {
		return job.Member{}, faultf("%w", err)
	}
	if id := identity.ID(word); id.Valid() {
		for _, m := range members {
			if m.Node == id {
				return m, nil
			}
		}
		return job.Member{Node: id}, nil
	}
	var names, lines []string
	var found []job.Member
	for _, m := range members {
		names = append(names, m.Name)
		if strings.EqualFold(m.Name, word) {
			found = append(found, m)
			lines = append(lines, fmt.Sprintf("%s: %s %s since %s", m.Node, m.Role, m.Presence, time.UnixMilli(m.Since).Format(time.DateTime)))
		}
	}
	switch len(found) {
	case 0:
		return job.Member{}, usagef("no host %q is in the fleet, nor is it a node id", word).with(hintNearest(word, names))
	case 1:
		return found[0], nil
	}
	return job.Member{}, usagef("%d keys have the name %q; say which by its id", len(found), word).with(lines...)
}

func revokeTokenVerb() verb {
	return verb{
		name: "revoke", brief: "let nobody in with a token any more", takes: "ID", atLeast: 1, atMost: 1,
		about: []string{"Adds the token's id to the revoked ones in the roster, which needs the root key. Hosts that came in with it stay: fleet node revoke is for them."},
		examples: []example{
			{"fleet token revoke 6hkqzcxm3wgbnh2vkqhkzq5p4e", "ids are in fleet token list, and in the log of the peer that admitted a host"},
		},
		flags: rosterFlags(), endings: []ending{endFault, endInterrupted},
		do: func(e *env, in *ucli.Context) error { return e.revokeToken(in.Context, in) },
	}
}

func (e *env) revokeToken(ctx context.Context, in *ucli.Context) error {
	o, err := e.parseRosterEdit(in)
	if err != nil {
		return err
	}
	id := identity.ID(in.Args().First())
	if !id.Valid() {
		return usagef("%q is not the id of a token, which is 26 letters and digits", id).with("fleet token list shows those made here")
	}
	kept, err := readTokens(o.home)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(kept, func(t keptToken) bool { return t.ID == id }) {
		e.note("token %s was not made on this machine; it is revoked all the same", id)
	}
	if err := e.sure(ctx, in, fmt.Sprintf("let nobody in with the token %s any more", id)); err != nil {
		return err
	}
	r, err := e.editRoster(ctx, o, func(r *identity.Roster) error {
		if slices.Contains(r.RevokedTokens, id) {
			return usagef("token %s is revoked already", id)
		}
		r.RevokedTokens = append(r.RevokedTokens, id)
		return nil
	})
	if err != nil {
		return err
	}
	e.note("token %s is revoked; roster version %d goes to every host now", id, r.Version)
	return nil
}

func (e *env) parseRosterEdit(in *ucli.Context) (connection, error) {
	c, err := loadConfig(in.String(flagConfig), e.getenv)
	if err != nil {
		return connection{}, err
	}
	return parseConnection(in, c, e)
}

// sure asks whether to do what cannot be undone. Off a terminal --yes must say so.
func (e *env) sure(ctx context.Context, in *ucli.Context, what string) error {
	if in.Bool(flagYes) {
		return nil
	}
	if !e.canAsk {
		return usagef("this would %s; nothing was changed", what).with("add --yes if that is meant")
	}
	yes, err := e.question(ctx, what+"? [y/N] ")
	if err == nil && !yes {
		err = &problem{ending: endInterrupted, err: errors.New("not confirmed; nothing was changed")}
	}
	return err
}
