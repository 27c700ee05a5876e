package cli

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"fleet/identity"
	"fleet/internal/atomicfile"

	ucli "github.com/urfave/cli/v2"
)

func adminVerb() verb {
	return verb{
		name: "admin", group: groupBuild, brief: "manage the admins who may sign jobs", takes: "keygen|add|accept|remove|list",
		about: []string{
			"To add a second admin: they run fleet admin keygen on their own machine and send the printed line, which is not secret, to an admin who has the root key. " +
				"That admin runs the line and sends back the line it prints, which the new admin runs (fleet admin accept). No host is touched.",
		},
		subverbs: []verb{
			{
				name: "keygen", brief: "create your admin key and print the command that adds you", takes: "[NAME]", atMost: 1,
				about: []string{
					"The key is written to admin.key in the home directory (mode 0600) and stays there. With --key agent:COMMENT no key is created: the line names the ssh-ed25519 key with that comment in ssh-agent.",
					"Send the line on standard output to an admin who has the root key. It is not secret.",
				},
				examples: []example{
					{"fleet admin keygen bob --role ops", "named bob, asking for the role ops"},
					{"fleet admin keygen --passphrase", "locked with a passphrase"},
					{"fleet admin keygen --key agent:bob@laptop", "use a key in ssh-agent"},
				},
				flags: append([]ucli.Flag{
					text(foundFlags, flagRole, "", "`ROLE`: the role to ask for in the printed line; separate several with commas"),
					toggle(foundFlags, flagPassphrase, "", "lock the key with a passphrase"),
					keyFlag(), passphraseFileFlag(),
				}, homeFlags()...),
				endings: []ending{endFault},
				do:      func(e *env, in *ucli.Context) error { return e.adminKeygen(in) },
			},
			{
				name: "add", brief: "add an admin to the roster, or change an admin's roles", takes: "NAME KEY", atLeast: 2, atMost: 2,
				about: []string{
					"Needs the root key. Send the line on standard output to the new admin, who runs it. It holds the fleet's public root key and broker addresses and is not secret.",
					"If the name is already in the roster with the same key, its roles are replaced.",
				},
				examples: []example{{"fleet admin add bob fleet-admin:KEY --role ops", "the line that fleet admin keygen printed, with the role you choose"}},
				flags: append([]ucli.Flag{
					text(foundFlags, flagRole, "", "`ROLE`: the admin's role (see fleet role list); separate several with commas"),
				}, changeFlags()...),
				endings: []ending{endFault},
				do:      func(e *env, in *ucli.Context) error { return e.adminAdd(in) },
			},
			{
				name: "accept", brief: "set up this home directory for the fleet that added you", takes: "fleet-info1...", atLeast: 1, atMost: 1,
				about: []string{"Writes the files root.pub and brokers; a list of brokers that is there stays as it is. Fails if the directory belongs to another fleet, or contains files of a fleet and no root.pub that says which. If the line could have been changed on its way to you, compare the fleet id it prints with the one that fleet admin add printed."},
				flags: homeFlags(), endings: []ending{endFault},
				do: func(e *env, in *ucli.Context) error { return e.adminAccept(in) },
			},
			{
				name: "remove", brief: "remove an admin from the roster", takes: "NAME", atLeast: 1, atMost: 1,
				about: []string{
					"Needs the root key. Within seconds, brokers close the admin's connections and hosts refuse jobs signed with the key. Join tokens that the admin created admit nobody any more.",
					"Who a host is rests on the admin whose token it joined with. So this first asks all hosts, and shows those that joined with this admin's tokens. To let them stay, the roster keeps these tokens; a host that is down is not seen, and if its token is not kept it has to join again (it keeps its key and name). If the admin's key was stolen, look at the list: a thief can have let hosts in.",
				},
				flags: append([]ucli.Flag{
					toggle(foundFlags, flagKeepHosts, "", "let the hosts stay that joined with this admin's tokens"),
					toggle(foundFlags, flagDropHosts, "", "shut these hosts out with the admin"),
				}, changeFlags()...),
				endings: []ending{endFault, endSilent, endInterrupted},
				do:      func(e *env, in *ucli.Context) error { return e.adminRemove(in) },
			},
			{
				name: "list", brief: "list admins with their roles and keys",
				flags: rosterReadFlags(), endings: []ending{endFault},
				do: func(e *env, in *ucli.Context) error { return e.showRoster(in, adminTable) },
			},
		},
	}
}

func (e *env) adminKeygen(in *ucli.Context) error {
	c, err := loadConfig(in.String(flagConfig), e.getenv)
	if err != nil {
		return err
	}
	name := cmp.Or(in.Args().First(), userName())
	if err := checkWord("name", name); err != nil {
		return err
	}
	roles, err := roleList(in)
	if err != nil {
		return err
	}
	key, err := e.newAdminKey(in, c)
	if err != nil {
		return err
	}
	line := "fleet admin add " + name + " " + key.String()
	if len(roles) > 0 {
		line += " --role " + strings.Join(roles, ",")
	}
	e.note("send this line to an admin who has the root key; they send back a line for you to run: fleet admin accept ...")
	return e.print(line + "\n")
}

// newAdminKey makes the key, or finds it with ssh-agent, and returns its public half.
func (e *env) newAdminKey(in *ucli.Context, c Config) (identity.PublicKey[identity.Admin], error) {
	var none identity.PublicKey[identity.Admin]
	keys := newKeyring(in, e)
	if where := in.String(flagKey); strings.HasPrefix(where, agentLead) {
		if in.Bool(flagPassphrase) {
			return none, usagef("--passphrase is for files; ssh-agent locks its keys itself")
		}
		s, err := keys.admin(where)
		if err != nil {
			return none, err
		}
		e.note("to make this key the default, add this line to %s: key = %q", filepath.Join(userConfigDir(e.getenv), "config.toml"), where)
		return s.Public(), nil
	}
	path := in.String(flagKey)
	if path == "" {
		home, err := homeOf(in, c)
		if err != nil {
			return none, err
		}
		path = filepath.Join(home, keyFile)
	}
	if _, err := os.Lstat(path); err == nil {
		return none, usagef("%s already exists; fleet never overwrites a key", path).with("to see its public key, run: fleet whoami")
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return none, faultf("the home directory: %w", err)
	}
	if in.IsSet(flagPassphraseFile) && !in.Bool(flagPassphrase) {
		return none, usagef("--passphrase-file has no effect without --passphrase; no key was created")
	}
	passphrase := ""
	if in.Bool(flagPassphrase) {
		var err error
		if passphrase, err = keys.fresh(); err != nil {
			return none, err
		}
	}
	key := identity.NewKey[identity.Admin]()
	if err := writeKey(path, key, passphrase); err != nil {
		return none, faultf("%w", err)
	}
	e.note("wrote your private key to %s; keep it on this machine", path)
	return key.Public(), nil
}

func (e *env) adminAdd(in *ucli.Context) error {
	name, text := in.Args().Get(0), in.Args().Get(1)
	if err := checkWord("name", name); err != nil {
		return err
	}
	if strings.Contains(text, "-secret:") || strings.Contains(text, "-locked:") {
		return usagef("that is a private key, not a public key; it may have been seen by others, so create a new one: fleet admin keygen")
	}
	key, err := identity.ParsePublic[identity.Admin](text)
	if err != nil {
		return usagef("KEY: %w", err)
	}
	roles, err := roleList(in)
	if err != nil {
		return err
	}
	o, err := e.parseRosterEdit(in)
	if err != nil {
		return err
	}
	r, added := e.editRoster(in.Context, o, func(r *identity.Roster) error { return putAdmin(r, name, key, roles) })
	if added != nil && !isProposed(added) {
		return added
	}
	config, err := o.config()
	if err != nil {
		return err
	}
	root, roster, err := config.Known.Open(config.Root)
	if err != nil {
		return faultf("%w", err)
	}
	if added == nil {
		e.note("%s is now an admin with the role %s", name, strings.Join(roles, ", "))
	}
	e.note("send the line below to %s; the fleet id is %s", name, config.Root.ID())
	accept := "fleet admin accept " + identity.Introduction{Root: newest(config.Root, root), Fleet: roster.Fleet, Brokers: config.Brokers}.Text() + "\n"
	if added != nil {
		return cmp.Or(e.print(accept), added)
	}
	return errors.Join(e.print(accept), e.spread(in.Context, o, r))
}

// putAdmin changes the roster: a new admin, or other roles for one who is there under the same name with the same key.
func putAdmin(r *identity.Roster, name string, key identity.PublicKey[identity.Admin], roles []string) error {
	var known []string
	for _, role := range r.Roles {
		known = append(known, role.Name)
	}
	there := "the roles are " + strings.Join(known, ", ")
	if len(roles) == 0 {
		return usagef("no role given for %s", name).with(there, "add --role NAME; to create a role: fleet role allow NAME --action PLUGIN.ACTION")
	}
	for _, role := range roles {
		if !slices.Contains(known, role) {
			return usagef("there is no role %q", role).with(hintNearest(role, known), there, "to create it: fleet role allow "+role+" --action PLUGIN.ACTION")
		}
	}
	for i, a := range r.Admins {
		switch {
		case a.Name == name && a.Key.Equal(key):
			if slices.Equal(a.Roles, roles) {
				return usagef("%s is already in the roster with this key and these roles", name)
			}
			r.Admins[i].Roles = roles
			return nil
		case a.Name == name:
			return usagef("%s is in the roster with another key", name).with("to remove it: fleet admin remove "+name, "or choose another name")
		case a.Key.Equal(key):
			return usagef("this key is already in the roster as %s", a.Name)
		}
	}
	if r.IsRevoked(key.ID()) {
		return usagef("this key was revoked, and a revoked key never comes back").with("make a new one: fleet admin keygen " + name)
	}
	r.Admins = append(r.Admins, identity.AdminEntry{Name: name, Key: key, Roles: roles})
	return nil
}

// mayAll reports whether some admin may do everything everywhere at any time, alone.
func mayAll(r identity.Roster) bool {
	for _, a := range r.Admins {
		for _, role := range r.Roles {
			if slices.Contains(a.Roles, role.Name) && slices.ContainsFunc(role.Rules, func(rule identity.Rule) bool {
				return rule.Action == "*.*" && len(rule.Args) == 0 && rule.Hosts == "" && rule.From == 0 && rule.Until == 0 && rule.Second == 0
			}) {
				return true
			}
		}
	}
	return false
}

func adminNames(r identity.Roster) []string {
	var names []string
	for _, a := range r.Admins {
		names = append(names, a.Name)
	}
	return names
}

func (e *env) adminAccept(in *ucli.Context) error {
	c, err := loadConfig(in.String(flagConfig), e.getenv)
	if err != nil {
		return err
	}
	i, err := identity.ParseIntroduction(in.Args().First())
	if err != nil {
		return usagef("%w", err)
	}
	for _, b := range i.Brokers {
		if err := checkAddress(b); err != nil {
			return usagef("a broker in it: %w", err)
		}
	}
	home, err := homeOf(in, c)
	if err != nil {
		return err
	}
	if err := acceptable(home, i); err != nil {
		return err
	}
	if err := os.MkdirAll(home, 0o700); err != nil {
		return faultf("the home directory: %w", err)
	}
	if err := atomicfile.Write(filepath.Join(home, rootFile), []byte(i.Root.String()+"\n"), 0o644); err != nil {
		return faultf("%w", err)
	}
	if err := forgetOtherRoot(home, i.Root); err != nil {
		return faultf("%w", err)
	}
	e.note("this home directory now belongs to the fleet %s (id %s); brokers: %s", i.Fleet, i.Root.ID(), strings.Join(i.Brokers, " "))
	if file := filepath.Join(home, brokersFile); exists(file) { // acceptable: of this fleet, perhaps edited since
		e.note("%s stays as it is", file)
	} else if err := atomicfile.Write(file, []byte(strings.Join(i.Brokers, "\n")+"\n"), 0o644); err != nil {
		return faultf("%w", err)
	}
	e.note("to see what you may do: fleet whoami")
	return nil
}

// forgetOtherRoot removes the root records that a home directory keeps, if they are not those that are pinned now, nor follow them: the
// root was lost, and who sent the line knows another one.
func forgetOtherRoot(home string, anchor identity.Anchor) error {
	file := filepath.Join(home, recordsFile)
	records, err := os.ReadFile(file)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	if _, err := identity.OpenRoot(anchor, records); err == nil {
		return nil
	}
	return os.Remove(file)
}

// roleList reads --role: names with commas between.
func roleList(in *ucli.Context) ([]string, error) {
	if !in.IsSet(flagRole) {
		return nil, nil
	}
	var roles []string
	for r := range strings.SplitSeq(in.String(flagRole), ",") {
		r = strings.TrimSpace(r)
		if err := checkWord("--role", r); err != nil {
			return nil, err
		}
		if !slices.Contains(roles, r) {
			roles = append(roles, r)
		}
	}
	return roles, nil
}

// checkWord keeps names of admins and roles to what can stand in a command line, a file and a log without being quoted.
func checkWord(what, s string) error {
	const more = "._@+-"
	bad := strings.IndexFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune(more, r)
	})
	if s == "" || len(s) > 64 || bad >= 0 || strings.HasPrefix(s, "-") {
		return usagef("%s: %q must be 1 to 64 letters, digits or any of %s", what, s, more)
	}
	return nil
}
