package cli

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"

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
