package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"fleet/cli/report"
	"fleet/identity"

	ucli "github.com/urfave/cli/v2"
)

const flagWithHosts = "with-hosts"

// revokeTokenHosts revokes a token with all hosts that came with it. Which those are only they can say; those that do not
// answer are shut out unseen.
func (e *env) revokeTokenHosts(ctx context.Context, in *ucli.Context, o connection, id identity.ID) error {
	x, err := e.startEdit(ctx, o)
	if err != nil {
		return err
	}
	defer x.c.Close()
	r, err := x.newest(ctx)
	if err != nil {
		return err
	}
	if r.Revoked[id].Hosts {
		return usagef("token %s is already revoked with its hosts", id)
	}
	g, err := x.guestsOf(ctx, identity.AdminEntry{}, func(n identity.NodeIdentity) bool { return n.Token == id })
	if err != nil {
		return err
	}
	if err := x.tellGuests(ctx, g, id); err != nil {
		return err
	}
	if err := e.sure(ctx, in, fmt.Sprintf("revoke the token %s and shut out every host that joined with it, permanently", id)); err != nil {
		return err
	}
	x.shutOut = g.nodes
	err = x.revoke(ctx, identity.RevokeTokenHosts(id, time.Now()))
	if err != nil && asProblem(err).ending != endSilent {
		return err
	}
	e.note("token %s is revoked, and every host that joined with it", id)
	e.note("to admit one of these machines again: delete its data directory, and give it a new token (fleet token create)")
	if g.peers > 0 {
		e.note("if someone may have copied keys from them: a peer held the issuing key and the gossip key; replace them with fleet rotate")
	} else {
		e.note("if someone may have copied keys from them: each held the gossip key; replace it with fleet rotate")
	}
	return err
}

// tellGuests shows who would be shut out, and what is not known. It is an error if no broker would be left.
func (x rosterEdit) tellGuests(ctx context.Context, g guests, id identity.ID) error {
	if g.peers > 0 && g.others == 0 {
		return usagef("all peers that answer joined with this token: without them no host can run a broker").with("admit another peer first, with another token: fleet token create --role peer")
	}
	members, err := x.c.Members(ctx)
	if err != nil {
		return faultf("%w", err)
	}
	var lines, brokers []string
	for i, node := range g.nodes {
		lines = append(lines, fmt.Sprintf("%s (%s)", g.names[i], node))
		for _, m := range members {
			if m.Node == node && m.Broker != "" {
				brokers = append(brokers, g.names[i])
			}
		}
	}
	slices.Sort(lines)
	x.e.note("%s of the %d that were asked joined with token %s: %s", hosts(len(lines)), g.asked, id, orNone(lines))
	if g.peers > 0 {
		x.e.note("warning: peers are among them: %d; %d others answered", g.peers, g.others)
	}
	if len(brokers) > 0 {
		x.e.note("warning: these run a broker, and another peer has to take over: %s", strings.Join(brokers, ", "))
	}
	if len(g.silent) > 0 {
		x.e.note("no answer from %s: %s; those that joined with the token are shut out too", hosts(len(g.silent)), report.Sanitise(strings.Join(g.silent, ", ")))
	}
	return nil
}

func orNone(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}
