package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"fleet/cli/report"
	"fleet/client"
	"fleet/identity"

	ucli "github.com/urfave/cli/v2"
)

const (
	flagKeepHosts = "keep-hosts"
	flagDropHosts = "drop-hosts"
)

func (e *env) adminRemove(in *ucli.Context) (err error) {
	name, ctx := in.Args().First(), in.Context
	if in.Bool(flagKeepHosts) && in.Bool(flagDropHosts) {
		return usagef("--%s and --%s contradict each other", flagKeepHosts, flagDropHosts)
	}
	o, err := e.parseRosterEdit(in)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil && !isProposed(err) {
			o.propose.drop() // part of it may be there
		}
	}()
	x, err := e.startEdit(ctx, o)
	if err != nil {
		return err
	}
	defer x.c.Close()
	r, err := x.newest(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(r.Admins, func(a identity.AdminEntry) bool { return a.Name == name })
	if i < 0 {
		return usagef("there is no admin %q", name).with(hintNearest(name, adminNames(r)), "to see all admins: fleet admin list")
	}
	if len(r.Admins) == 1 {
		return usagef("%s is the only admin; nobody could run jobs without one", name).with("add another one first")
	}
	left := r
	left.Admins = slices.Delete(slices.Clone(r.Admins), i, i+1)
	if mayAll(r) && !mayAll(left) {
		if err := e.sure(ctx, in, fmt.Sprintf("remove %s, the last admin who is allowed to do everything", name)); err != nil {
			return err
		}
	}
	kept, err := x.keepHosts(in, r.Admins[i])
	if err != nil {
		return err
	}
	// The next version of the roster leaves out whoever is revoked, so none is needed now.
	err = x.revoke(ctx, identity.RevokeAdmin(r.Admins[i].Key))
	if err == nil || asProblem(err).ending == endSilent {
		e.note("%s is removed: this key is revoked for good, and tokens made with it admit nobody any more", name)
	}
	return errors.Join(err, kept)
}

// guests are the hosts that an admin let in, or that came with a token.
type guests struct {
	asked  int
	tokens map[identity.ID]identity.Kept
	names  []string
	nodes  []identity.ID
	peers  int // of them
	others int // peers that came otherwise
	silent []string

	labels   []identity.Kept // hosts that have labels of this admin's
	labelled []string        // their names
}

// guestsOf asks all hosts whether they are such, and which have labels of this admin's.
func (x rosterEdit) guestsOf(ctx context.Context, admin identity.AdminEntry, are func(identity.NodeIdentity) bool) (guests, error) {
	g := guests{tokens: map[identity.ID]identity.Kept{}}
	run, err := x.c.Run(ctx, client.Request{Plugin: selfPlugin, Action: actionPing, Timeout: inForceTime}, nil)
	if err != nil {
		return g, faultf("the hosts could not be asked how they joined; nothing was changed: %w", err)
	}
	g.asked = len(run.Outcomes)
	for _, o := range run.Outcomes {
		if by := o.Identity.Labelled; by.Admin == admin.Key.ID() {
			g.labels = append(g.labels, identity.Kept{ID: o.Node, Record: by.Record, By: admin.Name})
			g.labelled = append(g.labelled, report.Sanitise(o.Name))
		}
		switch {
		case o.Identity.ID == "":
			g.silent = append(g.silent, report.Sanitise(o.Name))
		case are(o.Identity):
			g.names, g.nodes = append(g.names, report.Sanitise(o.Name)), append(g.nodes, o.Node)
			g.tokens[o.Identity.Token] = identity.Kept{ID: o.Identity.Token, Record: o.Identity.Record, By: admin.Name}
			if o.Identity.Role == identity.Peer {
				g.peers++
			}
		case o.Identity.Role == identity.Peer:
			g.others++
		}
	}
	return g, nil
}

// keepHosts asks what becomes of the hosts that an admin let in, and if they stay, has the roster keep their tokens, before the
// admin goes. err is why not to go on; partly, that not all hosts have that roster.
func (x *rosterEdit) keepHosts(in *ucli.Context, admin identity.AdminEntry) (partly, err error) {
	ctx, e := in.Context, x.e
	g, err := x.guestsOf(ctx, admin, func(n identity.NodeIdentity) bool { return n.Admin == admin.Key.ID() })
	if err != nil {
		return nil, err
	}
	if len(g.silent) > 0 {
		e.note("no answer from %s: if %s let one of them in with a token that no other host has, it has to join again", strings.Join(g.silent, ", "), admin.Name)
		if err := e.sure(ctx, in, fmt.Sprintf("remove %s although %s did not answer", admin.Name, hosts(len(g.silent)))); err != nil {
			return nil, err
		}
	}
	if len(g.names)+len(g.labels) == 0 {
		return nil, nil
	}
	if len(g.names) > 0 {
		e.note("%s joined with %s that %s made: %s", hosts(len(g.names)), tokens(len(g.tokens)), admin.Name, strings.Join(g.names, ", "))
	}
	if len(g.labels) > 0 {
		e.note("%s gave other labels to %s, which would get their tokens' again: %s", admin.Name, hosts(len(g.labels)), strings.Join(g.labelled, ", "))
	}
	if in.Bool(flagDropHosts) {
		if g.peers > 0 && g.others == 0 {
			return nil, usagef("all peers that answer joined with these tokens: without them no host can run a broker").with("admit another peer first: fleet token create --role peer")
		}
		x.shutOut = g.nodes
		if err := e.sure(ctx, in, fmt.Sprintf("remove %s and shut out %s", admin.Name, hosts(len(g.names)))); err != nil {
			return nil, err
		}
		return nil, x.dropHosts(ctx, g)
	}
	if !in.Bool(flagKeepHosts) {
		if !e.canAsk {
			return nil, usagef("say what becomes of them; nothing was changed").with("to let them stay: --"+flagKeepHosts, "to shut them out: --"+flagDropHosts)
		}
		yes, err := e.question(ctx, "Keep them as they are? [y/N] ")
		if err == nil && !yes {
			err = &problem{ending: endInterrupted, err: errors.New("nothing was changed; to shut them out too: --" + flagDropHosts)}
		}
		if err != nil {
			return nil, err
		}
	}
	roster, err := e.editRoster(ctx, x.o, func(r *identity.Roster) error {
		for _, k := range append(slices.Collect(maps.Values(g.tokens)), g.labels...) {
			r.Kept = slices.DeleteFunc(slices.Clone(r.Kept), func(old identity.Kept) bool { return old.ID == k.ID })
			r.Kept = append(r.Kept, k)
		}
		slices.SortFunc(r.Kept, func(a, b identity.Kept) int { return cmp.Compare(a.ID, b.ID) })
		return nil
	})
	if isProposed(err) {
		return nil, nil // the revocation goes into the same file
	}
	if err != nil {
		return nil, err
	}
	e.note("the roster keeps %s and the labels of %s", tokens(len(g.tokens)), hosts(len(g.labels)))
	partly = e.spread(ctx, x.o, roster)
	if partly != nil && asProblem(partly).ending != endSilent {
		return nil, partly
	}
	return partly, nil
}

func tokens(n int) string {
	if n == 1 {
		return "1 token"
	}
	return fmt.Sprintf("%d tokens", n)
}

// dropHosts shuts out the hosts of these tokens by name, before the admin goes whose word they rest on: nobody could tell afterwards
// why they do not answer.
func (x rosterEdit) dropHosts(ctx context.Context, g guests) error {
	var list []identity.Revocation
	for id := range g.tokens {
		list = append(list, identity.RevokeTokenHosts(id, time.Now()))
	}
	if err := x.revoke(ctx, list...); err != nil && asProblem(err).ending != endSilent && !isProposed(err) {
		return err
	}
	return nil
}
