package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"fleet/client"
	"fleet/identity"
	"fleet/internal/atomicfile"

	ucli "github.com/urfave/cli/v2"
)

const (
	flagRehearse = "rehearse"
	flagLost     = "lost"
	flagWithKey  = "with-key"
)

func rootVerb() verb {
	return verb{
		name: "root", group: groupBuild, brief: "replace the root keys, sign with one of several, or state the fleet's size", takes: "keygen|replace|sign|send|size",
		about: []string{"The root keys sign the roster and revocations. They are files in your home directory (root.key, root-2.key, ...); of several, as many as fleet init --root-keys said must sign together. They need not come together: a command with --propose FILE writes what is to be signed to a file, which the holders sign one after the other (fleet root sign)."},
		subverbs: []verb{rootKeygenVerb(), signVerb(), sendChangeVerb(), sizeVerb(), {
			name: "replace", brief: "replace the root keys by new ones", takes: "MofN", atLeast: 1, atMost: 1,
			about: []string{
				"Creates N new root keys, M of which must sign from then on, such as 1of1 or 2of3. As many of the root keys so far as must sign have to be in the home directory. What they signed and is in force stays in force; whatever else they sign does not count any more.",
				"--with-key KEY takes a key that its holder made (fleet root keygen) as one of the N, so that no machine ever has two of them. Then use --propose FILE: as many of the new keys as M says have to sign too.",
				"With --rehearse nothing is created or changed: it asks every host whether it goes by the root and the roster that the new root would follow, and names those that do not.",
				"--lost FILE is for root keys that are lost: the new root is signed by nobody and no host believes it, until root on that host tells it to: systemctl stop fleet-node; fleet node adopt-root FILE; systemctl start fleet-node. This home directory goes by it at once. Whoever can change FILE on the way can take over the host.",
			},
			examples: []example{
				{"fleet root replace 2of3 --rehearse", "before"},
				{"fleet root replace 2of3", "then move the new keys to their holders, and destroy the old ones"},
				{"fleet root replace 2of3 --with-key fleet-root:KEY --with-key fleet-root:KEY --propose change", "with the keys of two other holders; then each runs fleet root sign change"},
				{"fleet root replace 1of1 --lost new-root", "when too few root keys are left to sign"},
			},
			flags: append([]ucli.Flag{
				toggle(foundFlags, flagRehearse, "", "change nothing; name the hosts that would not take it"),
				text(foundFlags, flagLost, "", "`FILE`: the root keys are lost; write the new root to this file, for fleet node adopt-root"),
				many(foundFlags, flagWithKey, "", "`KEY`: one of the new keys, which its holder has; repeat for several"),
				toggle(foundFlags, flagPassphrase, "", "lock the new root keys with a passphrase"),
			}, changeFlags()...),
			endings: []ending{endFault, endSilent, endInterrupted},
			do:      func(e *env, in *ucli.Context) error { return e.rootReplace(in.Context, in) },
		}},
	}
}

// rootChange is one replacement of the root.
type rootChange struct {
	rosterEdit
	needs, of  int
	with       []identity.RootKey // of the new ones, that others have
	passphrase string
}

func (e *env) rootReplace(ctx context.Context, in *ucli.Context) error {
	needs, of, err := parseRootKeys(in.Args().First())
	if err != nil {
		return err
	}
	with, err := parseRootKeyList(in.StringSlice(flagWithKey), of)
	if err != nil {
		return err
	}
	lost := in.String(flagLost)
	if lost != "" && (in.Bool(flagRehearse) || in.IsSet(flagPropose) || exists(lost)) {
		return usagef("--lost: %s already exists, or is given together with --rehearse or --propose; nothing was changed", lost)
	}
	o, err := e.parseRosterEdit(in)
	if err != nil {
		return err
	}
	x, err := e.connectEdit(ctx, o, lost == "" && !in.Bool(flagRehearse))
	if err != nil {
		return err
	}
	defer x.c.Close()
	c := rootChange{rosterEdit: x, needs: needs, of: of, with: with}
	if in.Bool(flagRehearse) {
		return c.rehearse(ctx)
	}
	if in.Bool(flagPassphrase) {
		if c.passphrase, err = o.keys.fresh(); err != nil {
			return err
		}
	}
	if err := e.sure(ctx, in, fmt.Sprintf("replace the fleet's root (version %d) by %d new keys, %d of which must sign", c.c.Authority().Version(), of, needs)); err != nil {
		return err
	}
	if lost != "" {
		return c.replaceLost(ctx, lost)
	}
	return c.replace(ctx)
}

// rehearse asks all hosts whether they go by what the new root would follow and vouch for: what does, takes the new one.
func (c rootChange) rehearse(ctx context.Context) error {
	documents, err := c.c.Signed(ctx)
	if err != nil {
		return faultf("%w", err)
	}
	before := c.c.Authority()
	trial := identity.NewKey[identity.Root]()
	r, err := c.draft(before, documents, 1, []identity.PrivateKey[identity.Root]{trial}, true)
	if err != nil {
		return err
	}
	if missing, _, err := r.Missing(before); err != nil {
		return faultf("%w", err)
	} else if missing > 0 {
		c.e.note("%d more of the root keys would have to be here, or to sign elsewhere (--%s FILE)", missing, flagPropose)
	} else {
		c.e.note("enough root keys are here")
	}
	c.e.note("the new root would vouch for %d documents that are in force", len(documents))
	return c.inForce(ctx, fmt.Sprintf("what the new root would follow (root version %d)", before.Version()), nil)
}

// replace makes the new root and hands it in.
func (c rootChange) replace(ctx context.Context) error {
	documents, err := c.c.Signed(ctx)
	if err != nil {
		return faultf("%w", err)
	}
	if c.o.propose != nil {
		return c.proposeRoot(documents)
	}
	next, names, err := c.make(c.c.Authority(), documents, true)
	if err != nil {
		return err
	}
	c.e.note("wrote the new root keys: %s", strings.Join(names, " "))
	if err := c.publishRoot(ctx, next); err != nil {
		return err
	}
	c.e.note("move each new key to its holder, and destroy the old ones: they sign nothing any more")
	return c.inForce(ctx, fmt.Sprintf("root version %d", next.Version()), nil)
}

// proposeRoot makes the new keys, and leaves it to the holders of the old ones to sign.
func (c rootChange) proposeRoot(documents [][]byte) error {
	before := c.c.Authority()
	names, err := freeRootKeys(c.o.home, c.of-len(c.with))
	if err != nil {
		return err
	}
	keys := newRootKeys(len(names))
	r, err := c.draft(before, documents, c.needs, keys, true)
	if err != nil {
		return err
	}
	change, err := identity.NewRootChange(before, c.c.Rules().Roster, r)
	if err != nil {
		return faultf("%w", err)
	}
	paths, err := c.writeKeys(names, keys)
	if err != nil {
		return err
	}
	if len(paths) > 0 {
		c.e.note("wrote the new root keys: %s; move each to its holder", strings.Join(paths, " "))
	}
	c.e.note("keep the old root keys until the change is in force")
	return c.proposeChange(change)
}

// publishRoot hands in a new root and looks whether it is in force.
func (x rosterEdit) publishRoot(ctx context.Context, next identity.Authority) error {
	refused := x.handIn(ctx, next.Raw())
	if _, err := x.c.Roster(ctx); err != nil {
		return faultf("the new root was handed in, but it is not known whether it is in force: %w", errors.Join(refused, err))
	}
	if x.c.Authority().Anchor() != next.Anchor() {
		return faultf("the new root was handed in, but the brokers go by root version %d: %w", x.c.Authority().Version(), errors.Join(refused, errors.New("another one came first, or they did not take it"))).
			with("remove the new key files, look at the fleet (fleet status), and run the command again")
	}
	return nil
}

// replaceLost makes a new root that nobody signed, goes by it here, and writes it down for the hosts.
func (c rootChange) replaceLost(ctx context.Context, file string) error {
	documents, err := c.c.Signed(ctx)
	if err != nil {
		return faultf("%w", err)
	}
	next, names, err := c.make(c.c.Authority(), documents, false)
	if err != nil {
		return err
	}
	text := identity.Adoption{Anchor: next.Anchor(), Records: next.Raw()}.Text() + "\n"
	err = errors.Join(atomicfile.Write(file, []byte(text), 0o644),
		atomicfile.Write(filepath.Join(c.o.home, recordsFile), next.Raw(), 0o644),
		atomicfile.Write(filepath.Join(c.o.home, rootFile), []byte(next.Anchor().String()+"\n"), 0o644))
	if err != nil {
		return faultf("%w", err)
	}
	c.e.note("wrote the new root keys: %s", strings.Join(names, " "))
	c.e.note("no host goes by root version %d yet, and all refuse your jobs until they do; take %s to each host and run there as root:", next.Version(), file)
	c.e.note("  systemctl stop fleet-node && fleet node adopt-root %s && systemctl start fleet-node", filepath.Base(file))
	c.e.note("to see who has it: fleet ping; other admins and new hosts: fleet admin add, and fleet token create, from here")
	return nil
}

// make makes new keys and the root that they are, and writes the keys down once it is signed.
func (c rootChange) make(before identity.Authority, documents [][]byte, signed bool) (next identity.Authority, paths []string, err error) {
	names, err := freeRootKeys(c.o.home, c.of-len(c.with))
	if err != nil {
		return next, nil, err
	}
	keys := newRootKeys(len(names))
	r, err := c.draft(before, documents, c.needs, keys, signed)
	if err != nil {
		return next, nil, err
	}
	older, newer, err := r.Missing(before)
	if err != nil {
		return next, nil, faultf("%w", err)
	}
	if signed && newer > 0 {
		return next, nil, usagef("%d of the new keys must sign too, and their holders have them: %w", newer, identity.ErrTooFewKeys).with("to have them sign: " + c.e.again() + " --" + flagPropose + " FILE")
	}
	if signed && older > 0 {
		return next, nil, faultf("%d more of the root keys so far must sign, and are not in %s: %w", older, c.o.home, identity.ErrTooFewKeys).
			with("to have their holders sign: "+c.e.again()+" --"+flagPropose+" FILE", "or put their files there (root.key, root-2.key, ...), and run the command again",
				"if they are lost: fleet root replace --help says what is left to do")
	}
	if next, err = r.Root(before); err != nil {
		return next, nil, faultf("%w", err)
	}
	paths, err = c.writeKeys(names, keys)
	return next, paths, err
}

func newRootKeys(n int) (keys []identity.PrivateKey[identity.Root]) {
	for range n {
		keys = append(keys, identity.NewKey[identity.Root]())
	}
	return keys
}

func (c rootChange) writeKeys(names []string, keys []identity.PrivateKey[identity.Root]) (paths []string, err error) {
	for i, name := range names {
		path := filepath.Join(c.o.home, name)
		if err := writeKey(path, keys[i], c.passphrase); err != nil {
			return nil, faultf("%w; nothing was handed in", err)
		}
		paths = append(paths, path)
	}
	return paths, nil
}

// draft is the root of these keys that follows before, signed by them and by those of before that are here, unless they are lost.
func (c rootChange) draft(before identity.Authority, documents [][]byte, needs int, keys []identity.PrivateKey[identity.Root], signed bool) (identity.Replacement, error) {
	public := slices.Clone(c.with)
	var holders []identity.RootSigner
	for _, k := range keys {
		holders = append(holders, identity.FileRoot(k))
		public = append(public, identity.RootKey{Key: k.Public()})
	}
	var hashes []identity.Hash
	for _, raw := range documents {
		hashes = append(hashes, identity.HashOf(raw))
	}
	r, err := before.Replace(needs, public, hashes, time.Now())
	if err != nil {
		return r, faultf("%w", err)
	}
	if signed {
		for _, h := range c.root {
			if slices.ContainsFunc(before.Keys(), h.Key().Equal) || slices.ContainsFunc(c.with, h.Key().Equal) {
				holders = append(holders, h)
			}
		}
	}
	for _, h := range holders {
		if err := r.Sign(before, h); err != nil {
			return r, faultf("%w", err)
		}
	}
	return r, nil
}

// connectEdit is startEdit that may do without root keys.
func (e *env) connectEdit(ctx context.Context, o connection, keys bool) (rosterEdit, error) {
	if keys {
		return e.startEdit(ctx, o)
	}
	config, err := o.config()
	if err != nil {
		return rosterEdit{}, err
	}
	c, err := client.Connect(ctx, config)
	if err != nil {
		return rosterEdit{}, faultf("%w", err)
	}
	return rosterEdit{e: e, o: o, c: c, config: config, signer: config.Key.Public().ID()}, nil
}
