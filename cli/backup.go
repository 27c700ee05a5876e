package cli

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"fleet/cli/report"
	"fleet/client"
	"fleet/identity"
	"fleet/internal/atomicfile"

	ucli "github.com/urfave/cli/v2"
)

// homeFiles are what a backup holds of a home directory, as far as it is there. The token that fleet init left is not among them:
// it is gone in a day.
func homeFiles() []string {
	return append([]string{rootFile, recordsFile, keyFile, rosterFile, revocationsFile, brokersFile, tokensFile}, rootKeyFiles()...)
}

func backupVerb() verb {
	return verb{
		name: "backup", group: groupBuild, brief: "write your home directory into one locked file", takes: "FILE", atLeast: 1, atMost: 1,
		about: []string{
			"The file holds your admin key, the root keys that are here, what is pinned of the fleet, the newest root records, roster and revocations, the list of brokers, and the list of tokens that you created. It is locked with a passphrase (scrypt, ChaCha20-Poly1305). Keep it off this machine. A key in ssh-agent is not in it.",
			"Hosts need no backup: a lost host joins again.",
		},
		examples: []example{{"fleet backup acme.backup", "asks for a passphrase; to use it: fleet restore acme.backup"}},
		flags:    append([]ucli.Flag{passphraseFileFlag()}, homeFlags()...),
		endings:  []ending{endFault},
		do:       func(e *env, in *ucli.Context) error { return e.backup(in) },
	}
}

func restoreVerb() verb {
	return verb{
		name: "restore", group: groupBuild, brief: "make a home directory of a backup", takes: "FILE", atLeast: 1, atMost: 1,
		about:    []string{"Writes what fleet backup saved into your home directory, which must not hold any of it. What was changed in the fleet since then is fetched from a broker by the next command."},
		examples: []example{{"fleet restore acme.backup", "on a new machine"}},
		flags:    append([]ucli.Flag{passphraseFileFlag()}, homeFlags()...),
		endings:  []ending{endFault},
		do:       func(e *env, in *ucli.Context) error { return e.restore(in) },
	}
}

func (e *env) backup(in *ucli.Context) error {
	c, err := loadConfig(in.String(flagConfig), e.getenv)
	if err != nil {
		return err
	}
	home, err := homeOf(in, c)
	if err != nil {
		return err
	}
	b := identity.Backup{Made: time.Now().Truncate(time.Second), Files: map[string][]byte{}}
	for _, name := range homeFiles() {
		raw, err := os.ReadFile(filepath.Join(home, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return faultf("%w", err)
		}
		b.Files[name] = raw
	}
	if err := e.inspect(&b, home); err != nil {
		return err
	}
	file := in.Args().First()
	if _, err := os.Lstat(file); err == nil {
		return usagef("%s already exists; nothing was written", file)
	}
	words, err := newKeyring(in, e).fresh()
	if err != nil {
		return err
	}
	text, err := b.Lock(words)
	if err != nil {
		return faultf("%w", err)
	}
	if err := atomicfile.Write(file, []byte(text+"\n"), 0o600); err != nil {
		return faultf("the backup: %w", err)
	}
	e.note("%s holds %s of the fleet %s (%s), locked with your passphrase", file, strings.Join(namesOf(b), ", "), report.Sanitise(b.Name), b.Fleet)
	if _, ok := b.Files[keyFile]; !ok {
		e.note("warning: there is no %s in it; a key in ssh-agent, or in another place, needs a backup of its own", keyFile)
	}
	return nil
}

func (e *env) restore(in *ucli.Context) error {
	c, err := loadConfig(in.String(flagConfig), e.getenv)
	if err != nil {
		return err
	}
	home, err := homeOf(in, c)
	if err != nil {
		return err
	}
	for _, name := range homeFiles() {
		if _, err := os.Lstat(filepath.Join(home, name)); err == nil {
			return usagef("%s already contains %s; nothing was written", home, name).with("to use another directory: --home DIR")
		}
	}
	file := in.Args().First()
	text, err := os.ReadFile(file)
	if err != nil {
		return faultf("%w", err)
	}
	ask := newKeyring(in, e).passphrase(file)
	if ask == nil {
		return usagef("there is no terminal to ask for the passphrase on").with("use --passphrase-file FILE (mode 0600)")
	}
	words, err := ask()
	if err != nil {
		return faultf("%w", err)
	}
	b, err := identity.OpenBackup(string(text), words)
	if err != nil {
		return faultf("%s: %w", file, err)
	}
	if err := e.inspect(&b, file); err != nil {
		return err
	}
	if err := os.MkdirAll(home, 0o700); err != nil {
		return faultf("the home directory: %w", err)
	}
	for _, name := range namesOf(b) { // root.pub last: without it the rest is no home
		mode := os.FileMode(0o644)
		if strings.HasSuffix(name, ".key") || name == tokensFile {
			mode = 0o600
		}
		if err := atomicfile.Write(filepath.Join(home, name), b.Files[name], mode); err != nil {
			return faultf("%w", err)
		}
	}
	e.note("%s now belongs to the fleet %s (%s), as of %s; to look: fleet whoami", home, report.Sanitise(b.Name), b.Fleet, b.Made.Format(report.Stamp))
	return nil
}

// inspect looks whether the files of a backup are those of one fleet, and fills in which.
func (e *env) inspect(b *identity.Backup, where string) error {
	for name := range b.Files {
		if !slices.Contains(homeFiles(), name) {
			return faultf("%s contains a file that no backup has: %q", where, name)
		}
	}
	root, err := identity.ParseAnchor(strings.TrimSpace(string(b.Files[rootFile])))
	if err != nil {
		return faultf("%s: what is pinned of the fleet (%s): %w", where, rootFile, err)
	}
	if b.Fleet != "" && b.Fleet != root.ID() {
		return faultf("%s is of the fleet %s, and what it pins is %s", where, b.Fleet, root.ID())
	}
	b.Fleet = root.ID()
	_, r, err := client.Rules{Root: b.Files[recordsFile], Roster: b.Files[rosterFile]}.Open(root)
	if err != nil {
		return faultf("%s: %w", where, err)
	}
	b.Name = r.Fleet
	if b.Name == "" {
		b.Name = string(b.Fleet)
	}
	return nil
}

// namesOf are a backup's files, root.pub last.
func namesOf(b identity.Backup) (names []string) {
	for _, name := range homeFiles() {
		if _, ok := b.Files[name]; ok {
			names = append(names, name)
		}
	}
	slices.Reverse(names)
	return names
}
