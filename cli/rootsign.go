package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"fleet/cli/report"
	"fleet/identity"

	ucli "github.com/urfave/cli/v2"
)

const flagOffline = "offline"

func signVerb() verb {
	return verb{
		name: "sign", brief: "sign a change with the root keys that are here", takes: "FILE", atLeast: 1, atMost: 1,
		about: []string{
			"FILE is what a command with --propose wrote, such as fleet role allow ... --propose FILE. Shows exactly what the change does to what is in force, asks, adds the signatures of the root keys in your home directory, and says how many are missing. Nothing changes before an admin hands it in (fleet root send).",
			"Asks a broker what is in force, with your admin key, and refuses a change that was made for something else. --offline is for a root key on a machine without a network or an admin key: then only FILE says which roster is in force, and an older one could be put into force again; it is refused if this home directory has seen a newer one.",
		},
		examples: []example{{"fleet root sign change", "look at it and answer the question"}},
		flags:    append([]ucli.Flag{toggle(foundFlags, flagOffline, "", "ask no broker what is in force")}, rosterFlags()...),
		endings:  []ending{endFault, endInterrupted},
		do:       func(e *env, in *ucli.Context) error { return e.rootSign(in.Context, in) },
	}
}

func sendChangeVerb() verb {
	return verb{
		name: "send", brief: "put a change in force that enough root keys have signed", takes: "FILE", atLeast: 1, atMost: 1,
		about: []string{"Hands in what the holders of root keys have signed (fleet root sign), and asks all hosts whether it is in force there. Needs an admin key, but no root key."},
		flags: rosterFlags(), endings: []ending{endFault, endSilent, endInterrupted},
		do: func(e *env, in *ucli.Context) error { return e.rootSend(in.Context, in) },
	}
}

func (e *env) rootSign(ctx context.Context, in *ucli.Context) error {
	file := in.Args().First()
	o, err := e.parseRosterEdit(in)
	if err != nil {
		return err
	}
	holders, err := o.keys.root(o.home)
	if err != nil {
		return err
	}
	var seen report.RootChange
	if in.Bool(flagOffline) {
		seen, err = o.changeAlone(file)
	} else {
		seen, err = e.changeHere(ctx, o, file)
	}
	if err != nil {
		return err
	}
	fmt.Fprint(e.stderr, seen.Text())
	if in.Bool(flagOffline) {
		e.note("warning: only %s says that this roster is in force; no broker was asked", file)
	}
	c := seen.Change
	holders = slices.DeleteFunc(holders, func(h identity.RootSigner) bool { return !c.Wants(h.Key()) })
	if len(holders) == 0 {
		return usagef("no root key in %s is missing in this change", o.home).with(whatNext(file, c))
	}
	if err := e.agreeToSign(ctx, in); err != nil {
		return err
	}
	for _, h := range holders {
		if !c.Wants(h.Key()) { // the others were enough
			break
		}
		if _, err := c.Sign(h); err != nil {
			return faultf("%w", err)
		}
	}
	if err := writeChange(file, c); err != nil {
		return err
	}
	e.note("signed; %s", whatNext(file, c))
	return nil
}

func (e *env) agreeToSign(ctx context.Context, in *ucli.Context) error {
	if in.Bool(flagYes) {
		return nil
	}
	if !e.canAsk {
		return usagef("nothing was signed").with(hintYes)
	}
	yes, err := e.question(ctx, "sign this change? [y/N] ")
	if err == nil && !yes {
		err = &problem{ending: endInterrupted, err: errors.New("not signed")}
	}
	return err
}

// changeAlone reads a change, and compares it with what this home directory knows.
func (o connection) changeAlone(file string) (seen report.RootChange, err error) {
	anchor, err := o.pinned()
	if err != nil {
		return seen, err
	}
	known, err := o.readRules()
	if err != nil {
		return seen, faultf("%w", err)
	}
	root, roster, err := known.Open(anchor)
	if err != nil {
		return seen, faultf("%w", err)
	}
	if known.Root != nil {
		anchor = root.Anchor()
	}
	if seen.Change, err = readChange(file, anchor); err != nil {
		return seen, err
	}
	if roster.Beats(seen.Change.Roster) {
		return seen, stale(seen.Change.Follows(root, roster))
	}
	return seen, nil
}

// changeHere reads a change, and compares it with what the fleet has.
func (e *env) changeHere(ctx context.Context, o connection, file string) (seen report.RootChange, err error) {
	x, err := e.connectEdit(ctx, o, false)
	if err != nil {
		return seen, err
	}
	defer x.c.Close()
	return x.change(ctx, file)
}

// change is changeHere over a connection.
func (x rosterEdit) change(ctx context.Context, file string) (seen report.RootChange, err error) {
	signed, err := x.c.Signed(ctx)
	if err != nil {
		return seen, faultf("%w", err)
	}
	roster, err := x.c.Roster(ctx)
	if err != nil {
		return seen, faultf("%w", err)
	}
	members, err := x.c.Members(ctx)
	if err != nil {
		return seen, faultf("%w", err)
	}
	if seen.Change, err = readChange(file, x.c.Authority().Anchor()); err != nil {
		return seen, err
	}
	seen.InForce, seen.Names = &roster, map[identity.ID]string{}
	for _, raw := range signed {
		seen.Counts = append(seen.Counts, identity.HashOf(raw))
	}
	for _, m := range members {
		seen.Names[m.Node] = m.Name
	}
	return seen, stale(seen.Change.Follows(x.c.Authority(), roster))
}

// stale is the error about a change that was made for something that is not in force.
func stale(err error) error {
	if err == nil {
		return nil
	}
	return usagef("%w", err).with("nothing was signed or changed; who made the file repeats the command, and the holders sign again")
}

func (e *env) rootSend(ctx context.Context, in *ucli.Context) error {
	file := in.Args().First()
	o, err := e.parseRosterEdit(in)
	if err != nil {
		return err
	}
	x, err := e.connectEdit(ctx, o, false)
	if err != nil {
		return err
	}
	defer x.c.Close()
	seen, err := x.change(ctx, file)
	if err != nil {
		return err
	}
	c := seen.Change
	signed, err := c.Finished()
	if errors.Is(err, identity.ErrTooFewKeys) {
		return usagef("%w; nothing was changed", err).with(whatNext(file, c))
	}
	if err != nil {
		return faultf("%w", err)
	}
	fmt.Fprint(e.stderr, seen.Text())
	if c.Replacement != nil {
		return x.sendRoot(ctx, signed[0])
	}
	if err := x.willShutOut(ctx, c); err != nil {
		return err
	}
	var partly error
	for i, p := range c.Documents {
		if p.Roster != nil {
			err = x.sendRoster(ctx, signed[i])
		} else {
			err = x.publishRevocations(ctx, signed[i], p.Revocations)
		}
		if err != nil && asProblem(err).ending != endSilent {
			return err
		}
		partly = errors.Join(partly, err)
	}
	return partly
}

func (x rosterEdit) sendRoot(ctx context.Context, raw []byte) error {
	next, err := x.c.Authority().Follow(raw)
	if err != nil {
		return faultf("%w", err)
	}
	if err := x.publishRoot(ctx, next); err != nil {
		return err
	}
	x.e.note("the old root keys sign nothing any more; destroy them")
	return x.inForce(ctx, fmt.Sprintf("root version %d", next.Version()), nil)
}

func (x rosterEdit) sendRoster(ctx context.Context, signed []byte) error {
	mine, winner, err := x.publish(ctx, signed)
	if err != nil {
		return err
	}
	if !winner.Knows(mine.Hash) {
		return stale(fmt.Errorf("the change, as roster version %d, lost to %s, made at the same time: %w", mine.Version, versionBy(winner), identity.ErrStale))
	}
	return x.inForce(ctx, fmt.Sprintf("roster version %d", mine.Version), nil)
}

// willShutOut asks the hosts which of them go with a token that is revoked with its hosts: they are not waited for later.
func (x *rosterEdit) willShutOut(ctx context.Context, c identity.Change) error {
	gone := map[identity.ID]bool{}
	for _, p := range c.Documents {
		for _, v := range p.Revocations {
			if v.Hosts {
				gone[v.ID] = true
			}
		}
	}
	if len(gone) == 0 {
		return nil
	}
	g, err := x.guestsOf(ctx, identity.AdminEntry{}, func(n identity.NodeIdentity) bool { return gone[n.Token] })
	x.shutOut = g.nodes
	return err
}
