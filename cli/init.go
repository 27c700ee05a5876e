package cli

import (
	"cmp"
	"errors"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"fleet/cli/report"
	"fleet/identity"
	"fleet/internal/atomicfile"
	"fleet/node"

	ucli "github.com/urfave/cli/v2"
)

// Files that fleet init leaves in the admin's home directory beside those that connect.go reads.
const (
	rootKeyFile = "root.key" // needed only to change the roster and the root itself, or to replace keys
	recordsFile = "root"     // the newest root records that were seen from here, an identity.Authority
	rosterFile  = "roster"   // the newest signed roster that was seen from here
	tokenFile   = "join"     // the first token, 0600
	// revocationsFile holds the signed revocations that were seen from here, CBOR.
	revocationsFile = "revocations"
)

const flagRootKeys = "root-keys"

// firstTokenLife is how long the token of fleet init lets hosts in.
const firstTokenLife = 24 * time.Hour

func initVerb() verb {
	return verb{
		name: "init", group: groupBuild, brief: "create a fleet with this host as its first node", takes: "NAME", atLeast: 1, atMost: 1,
		about: []string{
			"Creates the root key, a roster with you in it, your admin key, this host's identity, and a join token for other hosts.",
			"The root key stays in your home directory and is needed only to change the roster or replace keys. The token is secret; it is printed on standard output and saved next to the root key.",
		},
		examples: []example{
			{"fleet init acme", "create the fleet acme; then start this host with: fleet node"},
			{"fleet init acme --passphrase-root", "lock the root key, so that a copy of its file is useless"},
			{"fleet init acme --root-keys 2of3", "three root keys for three people: two must sign, and one may be lost"},
			{"fleet init acme --advertise 10.0.0.5", "if this host has several addresses"},
		},
		flags: append(append([]ucli.Flag{
			text(foundFlags, flagAdmin, "", "`NAME`: your name in the roster (default: your user name)"),
			text(foundFlags, flagExpires, "", "`DURATION`: how long the first join token works (default 24h)"),
			text(foundFlags, flagRootKeys, "", "`MofN`: create N root keys, M of which must sign together, such as 2of3 (default 1of1)"),
			toggle(foundFlags, flagPassphrase, "", "lock the root key and your admin key with a passphrase"),
			toggle(foundFlags, flagPassphraseRoot, "", "lock the root key only, which is rarely needed"),
			passphraseFileFlag(),
		}, placeFlags()...), homeFlags()...),
		endings: []ending{endFault},
		do:      func(e *env, in *ucli.Context) error { return e.doInit(in) },
	}
}

func (e *env) doInit(in *ucli.Context) error {
	c, err := loadConfig(in.String(flagConfig), e.getenv)
	if err != nil {
		return err
	}
	p, err := parsePlace(in, c, e.getenv)
	if err != nil {
		return err
	}
	life, err := parseLife(in, firstTokenLife)
	if err != nil {
		return err
	}
	home, err := homeOf(in, c)
	if err != nil {
		return err
	}
	f := founding{fleet: in.Args().First(), admin: in.String(flagAdmin), home: home, place: p, life: life, now: time.Now()}
	if f.admin == "" {
		f.admin = userName()
	}
	if f.rootNeeds, f.rootOf, err = parseRootKeys(cmp.Or(in.String(flagRootKeys), "1of1")); err != nil {
		return err
	}
	if in.IsSet(flagPassphraseFile) && !in.Bool(flagPassphrase) && !in.Bool(flagPassphraseRoot) {
		return usagef("--passphrase-file has no effect without --passphrase or --passphrase-root; nothing was created")
	}
	if in.Bool(flagPassphrase) || in.Bool(flagPassphraseRoot) {
		if f.lockRoot, err = newKeyring(in, e).fresh(); err != nil {
			return err
		}
	}
	if in.Bool(flagPassphrase) {
		f.lockAdmin = f.lockRoot
	}
	token, err := f.run()
	if err != nil {
		return err
	}
	e.noteRootKeys(f)
	e.note("you are the admin %s; this host is %s; to start it: fleet node", f.admin, p.name)
	e.note("other hosts join with the token below until %s; it is secret and saved in %s",
		f.now.Add(life).Format(report.Stamp), filepath.Join(f.home, tokenFile))
	e.note("on each of them, put it into /etc/fleet/join (mode 0600) or FLEET_JOIN and run: fleet node")
	return e.print(token.Text() + "\n")
}

// noteRootKeys says where the root keys are and what to do with them.
func (e *env) noteRootKeys(f founding) {
	var files []string
	for _, name := range rootKeyFiles()[:f.rootOf] {
		files = append(files, filepath.Join(f.home, name))
	}
	if f.rootOf == 1 {
		e.note("created the fleet %s; its root key is %s: keep it safe and off other machines", f.fleet, files[0])
		return
	}
	e.note("created the fleet %s; %d of its %d root keys must sign: %s", f.fleet, f.rootNeeds, f.rootOf, strings.Join(files, " "))
	e.note("keep them in different places, and not here; a command that changes the roster needs %d of them in %s while it runs, or has their holders sign elsewhere (--propose)", f.rootNeeds, f.home)
}

// founding is all that fleet init decides.
type founding struct {
	fleet, admin, home string
	place              place
	life               time.Duration
	now                time.Time
	rootNeeds, rootOf  int    // so many root keys must sign, of so many
	lockRoot           string // the passphrase of the root key's file; "": it is open to whoever can read it
	lockAdmin          string // the same for the admin's
}

func (f founding) run() (identity.Token, error) {
	var none identity.Token
	if err := os.MkdirAll(f.home, 0o700); err != nil {
		return none, faultf("the home directory: %w", err)
	}
	for _, name := range append(rootKeyFiles(), keyFile, rootFile, recordsFile, rosterFile, brokersFile, tokenFile) {
		if _, err := os.Lstat(filepath.Join(f.home, name)); err == nil {
			return none, usagef("%s already belongs to a fleet%s: it contains %s", f.home, whose(f.home), name).with("use other directories for another fleet: --home DIR --data DIR")
		}
	}
	dir, err := node.OpenDataDir(f.place.data)
	if err != nil {
		return none, faultf("%w", err)
	}
	defer dir.Close()
	if _, err := dir.Load(); !errors.Is(err, node.ErrNotAdmitted) {
		return none, usagef("%s already belongs to a node", f.place.data).with("use another directory for another fleet: --data DIR")
	}
	keys, root, err := f.rootKeys()
	if err != nil {
		return none, err
	}
	issuer, err := identity.NewIssuer(root.Anchor(), f.now)
	if err != nil {
		return none, err
	}
	admin := identity.NewKey[identity.Admin]()
	roster, err := identity.SignRoster(root, identity.Roster{
		Version: 1, Fleet: f.fleet, By: f.admin, Keys: identity.Keys{Issuing: issuer.Key.Public().ID()},
		Roles:  []identity.RoleEntry{{Name: "all", Rules: []identity.Rule{{Action: "*.*"}}}},
		Admins: []identity.AdminEntry{{Name: f.admin, Key: admin.Public(), Roles: []string{"all"}}},
	}, f.now)
	if err != nil {
		return none, err
	}
	broker := f.place.broker()
	token, err := identity.NewToken(root.Anchor(), admin, identity.Record{Role: identity.Peer, Created: f.now, Expires: f.now.Add(f.life), Roster: 1}, []string{broker})
	if err != nil {
		return none, err
	}
	if _, err := node.Found(dir, token, issuer, f.place.name, root.Authority, roster, f.now); err != nil {
		return none, faultf("this host's identity: %w", err)
	}
	for i, name := range rootKeyFiles()[:len(keys)] {
		err = errors.Join(err, writeKey(filepath.Join(f.home, name), keys[i], f.lockRoot))
	}
	return token, errors.Join(err,
		keepToken(f.home, token),
		atomicfile.Write(filepath.Join(f.home, rootFile), []byte(root.Anchor().String()+"\n"), 0o644),
		atomicfile.Write(filepath.Join(f.home, recordsFile), root.Raw(), 0o644),
		atomicfile.Write(filepath.Join(f.home, rosterFile), roster, 0o644),
		atomicfile.Write(filepath.Join(f.home, brokersFile), []byte(broker+"\n"), 0o644),
		atomicfile.Write(filepath.Join(f.home, tokenFile), []byte(token.Text()+"\n"), 0o600),
		writeKey(filepath.Join(f.home, keyFile), admin, f.lockAdmin),
	)
}

// rootKeys makes the fleet's root and its keys.
func (f founding) rootKeys() (keys []identity.PrivateKey[identity.Root], root identity.Quorum, err error) {
	var public []identity.RootKey
	for range f.rootOf {
		key := identity.NewKey[identity.Root]()
		keys = append(keys, key)
		public = append(public, identity.RootKey{Key: key.Public()})
		root.Holders = append(root.Holders, identity.FileRoot(key))
	}
	root.Authority, err = identity.NewRoot(f.rootNeeds, public, f.now)
	return keys, root, err
}

// parseRootKeys reads MofN: so many keys must sign, of so many.
func parseRootKeys(text string) (needs, of int, err error) {
	first, second, ok := strings.Cut(text, "of")
	needs, err1 := strconv.Atoi(first)
	of, err2 := strconv.Atoi(second)
	if !ok || err1 != nil || err2 != nil || needs < 1 || of < needs || of > identity.MaxRootKeys {
		return 0, 0, usagef("--root-keys: %q is not such as 2of3: how many keys must sign, and of how many (at most %d)", text, identity.MaxRootKeys)
	}
	return needs, of, nil
}

func userName() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return "admin"
}

// parseLife reads --expires.
func parseLife(in *ucli.Context, otherwise time.Duration) (time.Duration, error) {
	if !in.IsSet(flagExpires) {
		return otherwise, nil
	}
	d, err := parseDuration(in.String(flagExpires))
	if err != nil || d <= 0 {
		return 0, usagef("--expires: %q is not a duration such as 1h or 30d", in.String(flagExpires))
	}
	return d, nil
}

// homeFlags are for commands that use the admin's files but not the fleet.
func homeFlags() []ucli.Flag {
	return []ucli.Flag{
		text(connecting, flagHome, "", "`DIR`: the directory that holds admin.key, root.pub and brokers"),
		text(connecting, flagConfig, "", "`FILE`: the config file to read instead of the default ones"),
	}
}
