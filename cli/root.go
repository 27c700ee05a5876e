package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
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
)

func rootVerb() verb {
	return verb{
		name: "root", group: groupBuild, brief: "replace the fleet's root keys, or state the fleet's size", takes: "replace|size",
		about: []string{"The root keys sign the roster and revocations. They are files in your home directory (root.key, root-2.key, ...); of several, as many as fleet init --root-keys said must sign together."},
		subverbs: []verb{sizeVerb(), {
			name: "replace", brief: "replace the root keys by new ones", takes: "MofN", atLeast: 1, atMost: 1,
			about: []string{
				"Creates N new root keys, M of which must sign from then on, such as 1of1 or 2of3. As many of the root keys so far as must sign have to be in the home directory. What they signed and is in force stays in force; whatever else they sign does not count any more.",
				"With --rehearse nothing is created or changed: it asks every host whether it goes by the root and the roster that the new root would follow, and names those that do not.",
				"--lost FILE is for root keys that are lost: the new root is signed by nobody and no host believes it, until root on that host tells it to: systemctl stop fleet-node; fleet node adopt-root FILE; systemctl start fleet-node. This home directory goes by it at once. Whoever can change FILE on the way can take over the host.",
			},
			examples: []example{
				{"fleet root replace 2of3 --rehearse", "before"},
				{"fleet root replace 2of3", "then move the new keys to their holders, and destroy the old ones"},
				{"fleet root replace 1of1 --lost new-root", "when too few root keys are left to sign"},
			},
			flags: append([]ucli.Flag{
				toggle(foundFlags, flagRehearse, "", "change nothing; name the hosts that would not take it"),
				text(foundFlags, flagLost, "", "`FILE`: the root keys are lost; write the new root to this file, for fleet node adopt-root"),
				toggle(foundFlags, flagPassphrase, "", "lock the new root keys with a passphrase"),
			}, rosterFlags()...),
			endings: []ending{endFault, endSilent, endInterrupted},
			do:      func(e *env, in *ucli.Context) error { return e.rootReplace(in.Context, in) },
		}},
	}
}

// rootChange is one replacement of the root.
type rootChange struct {
	rosterEdit
	needs, of  int
	passphrase string
}

func (e *env) rootReplace(ctx context.Context, in *ucli.Context) error {
	needs, of, err := parseRootKeys(in.Args().First())
	if err != nil {
		return err
	}
	lost := in.String(flagLost)
	if lost != "" && (in.Bool(flagRehearse) || exists(lost)) {
		return usagef("--lost: %s already exists, or is given together with --rehearse; nothing was changed", lost)
	}
	o, err := e.parseRosterEdit(in)
	if err != nil {
		return err
	}
	x, err := e.connectEdit(ctx, o, lost == "")
	if err != nil {
		return err
	}
	defer x.c.Close()
	c := rootChange{rosterEdit: x, needs: needs, of: of}
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
	if _, err := c.sign(before, documents, 1, []identity.PrivateKey[identity.Root]{trial}, true); err != nil {
		return err
	}
	c.e.note("enough root keys are here; the new root would vouch for %d documents that are in force", len(documents))
	return c.inForce(ctx, fmt.Sprintf("what the new root would follow (root version %d)", before.Version()), nil)
}

// replace makes the new root and hands it in.
func (c rootChange) replace(ctx context.Context) error {
	documents, err := c.c.Signed(ctx)
	if err != nil {
		return faultf("%w", err)
	}
	next, names, err := c.make(c.c.Authority(), documents, true)
	if err != nil {
		return err
	}
	c.e.note("wrote the new root keys: %s", strings.Join(names, " "))
	refused := c.handIn(ctx, next.Raw())
	if _, err := c.c.Roster(ctx); err != nil {
		return faultf("the new root was handed in, but it is not known whether it is in force: %w", errors.Join(refused, err))
	}
	if c.c.Authority().Anchor() != next.Anchor() {
		return faultf("the new root was handed in, but the brokers go by root version %d: %w", c.c.Authority().Version(), errors.Join(refused, errors.New("another one came first, or they did not take it"))).
			with("remove the new key files, look at the fleet (fleet status), and run the command again")
	}
	c.e.note("move each new key to its holder, and destroy the old ones: they sign nothing any more")
	return c.inForce(ctx, fmt.Sprintf("root version %d", next.Version()), nil)
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
	names, err := freeRootKeys(c.o.home, c.of)
	if err != nil {
		return next, nil, err
	}
	var keys []identity.PrivateKey[identity.Root]
	for range names {
		keys = append(keys, identity.NewKey[identity.Root]())
	}
	if next, err = c.sign(before, documents, c.needs, keys, signed); err != nil {
		return next, nil, err
	}
	for i, name := range names {
		path := filepath.Join(c.o.home, name)
		if err := writeKey(path, keys[i], c.passphrase); err != nil {
			return next, nil, faultf("%w; nothing was handed in", err)
		}
		paths = append(paths, path)
	}
	return next, paths, nil
}

// sign makes the root of these keys that follows before, signed by those of before that are here unless they are lost.
func (c rootChange) sign(before identity.Authority, documents [][]byte, needs int, keys []identity.PrivateKey[identity.Root], signed bool) (identity.Authority, error) {
	var public []identity.RootKey
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
		return identity.Authority{}, faultf("%w", err)
	}
	if signed {
		holders = append(holders, identity.Quorum{Authority: before, Holders: c.root}.Own()...)
	}
	for _, h := range holders {
		if err := r.Sign(before, h); err != nil {
			return identity.Authority{}, faultf("%w", err)
		}
	}
	if older, _, err := r.Missing(before); err != nil || signed && older > 0 {
		return identity.Authority{}, faultf("%d more of the root keys so far must sign, and are not in %s: %w", older, c.o.home, errors.Join(err, identity.ErrTooFewKeys)).
			with("put their files there (root.key, root-2.key, ...), and run the command again", "if they are lost: fleet root replace --help says what is left to do")
	}
	next, err := r.Root(before)
	if err != nil {
		return next, faultf("%w", err)
	}
	return next, nil
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
