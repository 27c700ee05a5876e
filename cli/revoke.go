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
		toggle(foundFlags, flagYes, "y", "answer yes to the question"),
		many(connecting, flagBroker, "", "`HOST:PORT`: a broker to use instead of the configured ones; repeat for several"),
		keyFlag(), rootKeyFlag(), passphraseFileFlag(),
	}, homeFlags()...)
}

func revokeNodeVerb() verb {
	return verb{
		name: "revoke", brief: "shut a host out permanently", takes: "NAME|NODE-ID", atLeast: 1, atMost: 1,
		about: []string{
			"Revokes the host's key, which needs the root key. A revocation is a signed document of its own: no later change can undo it. Within seconds, every broker closes its connections and routes, no peer renews its certificate, and its answers are ignored. To admit the machine again, delete its data directory, so that it makes a new key, and give it a new token.",
			"If several keys have had the name, they are all listed and you choose one by node id. Node ids are shown by fleet inventory and in -o json.",
			"A peer holds the issuing key and the gossip key, a member only the gossip key. A thief who copied them from the machine still has them: after a theft, also run fleet rotate.",
		},
		examples: []example{
			{"fleet node revoke web4", "the host with this name"},
			{"fleet node revoke 6hkqzcxm3wgbnh2vkqhkzq5p4e", "exactly this key, whatever host has it, even if it is down"},
		},
		flags: changeFlags(), endings: []ending{endFault, endInterrupted},
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
	if err := e.sure(ctx, in, fmt.Sprintf("shut out %s permanently", what)); err != nil {
		return err
	}
	if err := e.revoke(ctx, o, identity.RevokeNode(m.Node, time.Now()), what); err != nil {
		return err
	}
	if m.Role != identity.Member && m.Role != identity.Ephemeral {
		e.note("if someone may have copied this machine's keys: as a peer it held the issuing key and the gossip key; replace them with fleet rotate")
	} else {
		e.note("if someone may have copied this machine's keys: it held the gossip key; replace it with fleet rotate")
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
			lines = append(lines, fmt.Sprintf("%s: %s %s since %s", m.Node, m.Role, m.Presence, time.UnixMilli(m.Since).Format(report.Stamp)))
		}
	}
	switch len(found) {
	case 0:
		return job.Member{}, usagef("%q is neither a host in the fleet nor a node id", word).with(hintNearest(word, names))
	case 1:
		return found[0], nil
	}
	return job.Member{}, usagef("%d keys have the name %q; choose one by its node id", len(found), word).with(lines...)
}

func revokeTokenVerb() verb {
	return verb{
		name: "revoke", brief: "revoke a join token", takes: "ID", atLeast: 1, atMost: 1,
		about: []string{
			"Revokes the token until it expires, which needs the root key. Hosts that joined with it stay in the fleet; to shut one out, use fleet node revoke.",
			"With --with-hosts all hosts that joined with the token are shut out too, now and later, also those that are down or that nobody knows of: for a token that was stolen. All hosts are asked first which of them those are. One revocation does for all. A token that was revoked alone can be revoked with its hosts later.",
		},
		examples: []example{
			{"fleet token revoke 6hkqzcxm3wgbnh2vkqhkzq5p4e", "ids are shown by fleet token list and in the log of the peer that admitted a host"},
			{"fleet token revoke 6hkqzcxm3wgbnh2vkqhkzq5p4e --with-hosts", "and every host that joined with it"},
		},
		flags: append([]ucli.Flag{toggle(foundFlags, flagWithHosts, "", "shut out every host that joined with the token, for good")}, changeFlags()...), endings: []ending{endFault, endInterrupted},
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
		return usagef("%q is not a token id (26 letters and digits)", id).with("to see the tokens created here: fleet token list")
	}
	if in.Bool(flagWithHosts) {
		return e.revokeTokenHosts(ctx, in, o, id)
	}
	kept, err := readTokens(o.home)
	if err != nil {
		return err
	}
	var expires time.Time
	i := slices.IndexFunc(kept, func(t keptToken) bool { return t.ID == id })
	switch {
	case i < 0:
		e.note("token %s was not created on this machine; revoking it anyway", id)
	case !time.Now().Before(kept[i].Expires):
		return usagef("token %s has already expired; it admits no hosts", id).with("to shut out the hosts that joined with it: fleet token revoke " + string(id) + " --with-hosts")
	default:
		expires = kept[i].Expires
	}
	if err := e.sure(ctx, in, fmt.Sprintf("revoke the token %s", id)); err != nil {
		return err
	}
	return e.revoke(ctx, o, identity.RevokeToken(id, expires), "token "+string(id))
}

// revoke shuts out a key that is called what, unless that was done before.
func (e *env) revoke(ctx context.Context, o connection, v identity.Revocation, what string) error {
	x, err := e.startEdit(ctx, o)
	if err != nil {
		return err
	}
	defer x.c.Close()
	r, err := x.newest(ctx)
	if err != nil {
		return err
	}
	if r.IsRevoked(v.ID) {
		return usagef("%s is already revoked", what)
	}
	if err := x.revoke(ctx, v); err != nil {
		return err
	}
	e.note("%s is revoked", what)
	return nil
}

func (e *env) parseRosterEdit(in *ucli.Context) (connection, error) {
	c, err := loadConfig(in.String(flagConfig), e.getenv)
	if err != nil {
		return connection{}, err
	}
	o, err := parseConnection(in, c, e)
	if err == nil {
		o.propose, err = parsePropose(in)
	}
	return o, err
}

// sure asks whether to do what cannot be undone. Off a terminal --yes must say so.
func (e *env) sure(ctx context.Context, in *ucli.Context, what string) error {
	if in.Bool(flagYes) {
		return nil
	}
	if !e.canAsk {
		return usagef("this would %s; nothing was changed", what).with("to confirm, add --yes")
	}
	yes, err := e.question(ctx, what+"? [y/N] ")
	if err == nil && !yes {
		err = &problem{ending: endInterrupted, err: errors.New("not confirmed; nothing was changed")}
	}
	return err
}
