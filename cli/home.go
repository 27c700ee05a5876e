package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"fleet/identity"

	ucli "github.com/urfave/cli/v2"
)

// environment is os.Getenv, but for HOME: where it is not set, as under cloud-init, cron and in systemd's system units, or
// not absolute, the user's home is the one in the passwd database. The working directory is never a home: whoever owns it
// could put a config there, and keys would stay behind in it.
func environment(name string) string {
	value := os.Getenv(name)
	if name != "HOME" || filepath.IsAbs(value) {
		return value
	}
	u, err := user.LookupId(strconv.Itoa(os.Getuid()))
	if err != nil || !filepath.IsAbs(u.HomeDir) {
		return ""
	}
	return u.HomeDir
}

// below is the directory in the user's home, "" where the user has none. An absolute path in the variable goes before it.
func below(getenv func(string) string, variable string, path ...string) string {
	if dir := getenv(variable); filepath.IsAbs(dir) {
		return filepath.Join(dir, path[len(path)-1])
	}
	home := getenv("HOME")
	if !filepath.IsAbs(home) {
		return ""
	}
	return filepath.Join(append([]string{home}, path...)...)
}

// userConfigDir is ~/.config/fleet, unless XDG_CONFIG_HOME says otherwise: the admin's home directory and config.
func userConfigDir(getenv func(string) string) string {
	return below(getenv, "XDG_CONFIG_HOME", ".config", "fleet")
}

// defaultData is the node's directory.
func defaultData(getenv func(string) string) (string, error) {
	if os.Geteuid() == 0 {
		return "/var/lib/fleet", nil
	}
	if dir := below(getenv, "XDG_STATE_HOME", ".local", "state", "fleet"); dir != "" {
		return dir, nil
	}
	return "", usagef("no data directory: HOME is not set, and this user has no home in the passwd database").with("give one with --data DIR")
}

// homeOf is the admin's home directory: --home, then FLEET_HOME and the config, then the usual one.
func homeOf(in *ucli.Context, c Config) (string, error) {
	if in.IsSet(flagHome) {
		return in.String(flagHome), nil
	}
	if c.Home == "" {
		return "", usagef("no home directory: HOME is not set, and this user has none in the passwd database").with("give one with --home DIR or FLEET_HOME")
	}
	return c.Home, nil
}

// hintMissing says what to do when a home directory lacks a file. It proposes a new fleet only where nothing speaks for one
// that is there already.
func hintMissing(home string, getenv func(string) string) string {
	if _, err := os.Stat(filepath.Join(home, rootFile)); err == nil {
		return fmt.Sprintf("%s belongs to a fleet: restore the file from a backup, or create a new admin key (fleet admin keygen)", home)
	}
	if who := getenv("SUDO_USER"); who != "" && who != "root" {
		return fmt.Sprintf("under sudo, fleet looks in the home that sudo sets; to use yours: --home ~%s/.config/fleet", who)
	}
	if os.Getenv("HOME") == "" && getenv("HOME") != "" {
		return "HOME is not set, so the home is the one in the passwd database; to use another: --home DIR or FLEET_HOME"
	}
	if _, err := os.Stat("/var/lib/fleet/node.json"); err == nil {
		return "this host is in a fleet; run this as the admin who has a key for it, or create your own key: fleet admin keygen"
	}
	return hintInit
}

// acceptable refuses a home of another fleet than i's, and one whose files nobody can tell the fleet of.
func acceptable(home string, i identity.Introduction) error {
	const elsewhere = "use another directory for another fleet: --home DIR"
	old, err := os.ReadFile(filepath.Join(home, rootFile))
	switch {
	case err == nil && sameFleet(string(old), i.Root):
		return nil
	case err == nil:
		return usagef("%s belongs to another fleet%s", home, whose(home)).with(elsewhere)
	case !errors.Is(err, fs.ErrNotExist):
		return faultf("%w", err)
	}
	if records, err := os.ReadFile(filepath.Join(home, recordsFile)); err == nil {
		if _, err := identity.OpenRoot(i.Root, records); err == nil {
			return nil // only root.pub is lost
		}
	}
	for _, name := range []string{rootKeyFile, recordsFile, rosterFile, brokersFile, tokenFile} {
		file := filepath.Join(home, name)
		if !exists(file) {
			continue
		}
		if name == brokersFile {
			if list, err := readBrokers(file); err == nil && slices.Equal(list, i.Brokers) {
				continue
			}
		}
		return usagef("%s contains %s, and no %s that says of which fleet", home, name, rootFile).
			with(fmt.Sprintf("if it is not needed, move %s away; %s", file, elsewhere))
	}
	return nil
}

// whose names the fleet of a home directory, in parentheses; it is empty where nothing says.
func whose(home string) string {
	text, err := os.ReadFile(filepath.Join(home, rootFile))
	if err != nil {
		return ""
	}
	root, err := identity.ParseAnchor(strings.TrimSpace(string(text)))
	if err != nil {
		return ""
	}
	if rules, err := (connection{home: home}).readRules(); err == nil {
		if _, r, err := rules.Open(root); err == nil && r.Version != 0 {
			return fmt.Sprintf(" (%s, id %s)", r.Fleet, root.ID())
		}
	}
	return fmt.Sprintf(" (id %s)", root.ID())
}

// sameFleet reports whether the text of a root.pub is of that fleet.
func sameFleet(text string, anchor identity.Anchor) bool {
	old, err := identity.ParseAnchor(text)
	return err == nil && old.Same(anchor)
}

// newest is what a token or another home shall pin: the fleet, and the newest root that is known here.
func newest(anchor identity.Anchor, root identity.Authority) identity.Anchor {
	if root.Version() == 0 {
		return anchor
	}
	return root.Anchor()
}

// exists is true also of what cannot be looked at, and of a link to nothing: it is not to be written over.
func exists(file string) bool {
	_, err := os.Lstat(file)
	return !errors.Is(err, fs.ErrNotExist)
}
