package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"fleet/cli/report"
	"fleet/client"
	"fleet/identity"
	"fleet/internal/wait"
)

// Two changes of the roster that are made at the same time have one version number, and only one of them counts. So a
// command that has handed in a change looks again, rosterLooks times and rosterPause apart, whether its own is in force: that
// is longer than the news of another one takes from broker to broker.
const (
	rosterLooks = 3
	rosterPause = 150 * time.Millisecond
)

// rosterEdit is a command's connection for what the root key signs.
type rosterEdit struct {
	e      *env
	o      connection
	root   []identity.RootSigner // that are here
	c      *client.Client
	config client.Config
	signer identity.ID     // of the admin who connects
	kept   identity.Roster // as this home directory knew it before

	shutOut []identity.ID // hosts that go with what is revoked
}

// startEdit reads the root key and connects. If no broker can be reached it fails before anything is signed.
func (e *env) startEdit(ctx context.Context, o connection) (rosterEdit, error) {
	root, err := o.keys.root(o.home)
	if err != nil && !(o.propose != nil && errors.Is(err, errNoRootKey)) {
		return rosterEdit{}, err
	}
	config, err := o.config()
	if err != nil {
		return rosterEdit{}, err
	}
	_, kept, err := config.Known.Open(config.Root)
	if err != nil {
		return rosterEdit{}, faultf("%w", err)
	}
	c, err := client.Connect(ctx, config)
	if err != nil {
		return rosterEdit{}, faultf("%w", err)
	}
	return rosterEdit{e: e, o: o, root: root, c: c, config: config, signer: config.Key.Public().ID(), kept: kept}, nil
}

// editRoster changes the roster: it lets edit change the newest version, signs it with the root key as the next one, hands
// it in, and makes sure that the brokers have it. If it lost to a change made at the same time, it asks whether to make it again
// on top of that one; without a terminal that is an error with the command to repeat.
func (e *env) editRoster(ctx context.Context, o connection, edit func(*identity.Roster) error) (identity.Roster, error) {
	x, err := e.startEdit(ctx, o)
	if err != nil {
		return identity.Roster{}, err
	}
	defer x.c.Close()
	next, err := x.newest(ctx)
	if err != nil {
		return next, err
	}
	for {
		if err := edit(&next); err != nil {
			return next, err
		}
		mine, winner, err := x.put(ctx, next.Next(x.maker(next)))
		if err != nil || winner.Knows(mine.Hash) {
			return mine, err
		}
		if err := x.askAgain(ctx, mine, winner); err != nil {
			return mine, err
		}
		next = winner.Merging(mine)
	}
}

// quorum is the fleet's root, as it is now, with the keys that are here.
func (x rosterEdit) quorum() identity.Quorum {
	return identity.Quorum{Authority: x.c.Authority(), Holders: x.root}
}

// maker is the name of the admin who makes a change, for the others.
func (x rosterEdit) maker(r identity.Roster) string {
	if a, ok := r.Admin(x.signer); ok {
		return a.Name
	}
	return string(x.signer)
}

// newest is the fleet's version, or the one kept here if the fleet does not have that yet.
func (x rosterEdit) newest(ctx context.Context) (identity.Roster, error) {
	roster, err := x.c.Roster(ctx)
	if err != nil {
		return roster, faultf("%w", err)
	}
	kept := x.kept
	if kept.Version != 0 && !roster.Knows(kept.Hash) && roster.Version < kept.Version+identity.MaxHistory {
		x.e.note("warning: the roster version %d kept in %s lost to %s: its changes are not in force", kept.Version, filepath.Join(x.o.home, rosterFile), versionBy(roster))
	}
	return roster, nil
}

// put signs next, hands it in and looks whether it is in force: then winner knows it; otherwise winner is the version that
// is in force instead.
func (x rosterEdit) put(ctx context.Context, next identity.Roster) (mine, winner identity.Roster, err error) {
	body, err := next.Propose(time.Now())
	if err != nil {
		return mine, winner, usagef("%w", err)
	}
	if x.o.propose != nil {
		return mine, winner, x.propose(body)
	}
	signed, err := x.quorum().Sign(body)
	if err != nil {
		return mine, winner, x.e.tooFewKeys(err)
	}
	return x.publish(ctx, signed)
}

// publish hands in a signed roster and looks whether it is in force, as put does.
func (x rosterEdit) publish(ctx context.Context, signed []byte) (mine, winner identity.Roster, err error) {
	if mine, err = identity.OpenRoster(x.c.Authority(), signed); err != nil {
		return mine, winner, err
	}
	refused := x.handIn(ctx, signed)
	for range rosterLooks {
		if err = wait.For(ctx, rosterPause); err != nil {
			return mine, winner, err
		}
		if winner, err = x.c.Roster(ctx); err != nil {
			return mine, winner, faultf("the change was sent, but it is not known whether it is in force: %w", err)
		}
	}
	lost := !winner.Knows(mine.Hash) && winner.Version >= mine.Version
	switch {
	case lost:
		return mine, winner, nil
	case refused != nil && winner.Knows(mine.Hash):
		return mine, winner, faultf("roster version %d is in force, but may be on no disk yet: %w", mine.Version, refused).with("to see which host has trouble: fleet status")
	case refused != nil:
		return mine, winner, faultf("%w", refused)
	case !winner.Knows(mine.Hash):
		return mine, winner, faultf("the change was sent as roster version %d, but the brokers still have version %d", mine.Version, winner.Version).with(
			"to see whether they have it by now: fleet status")
	}
	return mine, winner, nil
}

// askAgain returns nil if a change that lost is to be made again.
func (x rosterEdit) askAgain(ctx context.Context, mine, winner identity.Roster) error {
	text := fmt.Sprintf("your change, as roster version %d, lost to %s, made at the same time; it is not in force", mine.Version, versionBy(winner))
	if !x.e.canAsk {
		return faultf("%s", text).with("look at the roster as it is now, then make your change again: " + x.e.again())
	}
	yes, err := x.e.question(ctx, fmt.Sprintf("%s.\nMake it again as version %d? [y/N] ", text, winner.Version+1))
	if err == nil && !yes {
		err = &problem{ending: endInterrupted, err: errors.New(text)}
	}
	return err
}

func versionBy(r identity.Roster) string {
	by := ""
	if r.By != "" {
		by = " by " + report.Sanitise(r.By)
	}
	return fmt.Sprintf("version %d%s (%s)", r.Version, by, r.Hash.Short())
}

// revoke signs revocations, hands them in as one document, and makes sure that they are in force.
func (x rosterEdit) revoke(ctx context.Context, list ...identity.Revocation) error {
	if len(list) == 0 {
		return nil
	}
	roster, err := x.c.Roster(ctx)
	if err != nil {
		return faultf("%w", err)
	}
	together, err := roster.Together(time.Now(), list...)
	if err != nil {
		return faultf("%w", err)
	}
	body, err := identity.ProposeRevocations(x.maker(roster), time.Now(), together...)
	if err != nil {
		return usagef("%w", err)
	}
	if x.o.propose != nil {
		return x.propose(body)
	}
	signed, err := x.quorum().Sign(body)
	if err != nil {
		return x.e.tooFewKeys(err)
	}
	return x.publishRevocations(ctx, signed, together)
}

// publishRevocations hands in a signed document of revocations and makes sure that it is in force.
func (x rosterEdit) publishRevocations(ctx context.Context, signed []byte, list []identity.Revocation) error {
	refused := x.handIn(ctx, signed)
	if refused == nil && slices.ContainsFunc(list, func(v identity.Revocation) bool { return v.ID == x.signer }) {
		x.e.note("it is your own key, so no host answers you any more; another admin can look: fleet status")
		return nil
	}
	roster, err := x.c.Roster(ctx)
	if err == nil && !roster.RevokesSame(roster.Revoking(list)) {
		err = errors.Join(refused, errors.New("the revocation was sent, but the brokers do not have it yet; run the command again"))
	}
	if err != nil {
		return faultf("%w", err)
	}
	return x.inForce(ctx, "the revocation", signed)
}

// again is the command line as it was typed, to be pasted into a shell.
func (e *env) again() string {
	words := make([]string, len(e.line))
	for i, w := range e.line {
		words[i] = shellWord(w)
	}
	return strings.Join(words, " ")
}

// shellWord quotes a word for a POSIX shell, if it needs quotes.
func shellWord(w string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_=.,:/@+%", r)
	}
	if w != "" && strings.IndexFunc(w, func(r rune) bool { return !plain(r) }) < 0 {
		return w
	}
	return "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
}
