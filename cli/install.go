package cli

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"fleet/identity"
	"fleet/internal/atomicfile"
	"fleet/internal/program"
	"fleet/internal/trustedfile"
	"fleet/internal/wait"

	ucli "github.com/urfave/cli/v2"
)

// unitText is the service as it is installed, with the place of the binary left open.
//
//go:embed fleet-node.service
var unitText string

const (
	unitName = "fleet-node.service"
	unitPath = "/etc/systemd/system/" + unitName

	flagJoinFile = "join-file"
	flagWait     = "wait"
	// installWait is how long an install waits for the node to be in; a broker that boots at the same time needs a while.
	installWait = 2 * time.Minute
)

func installVerb() verb {
	return verb{
		name: "install", brief: "install the agent as a service that starts at boot", atMost: 0,
		about: []string{
			"Writes " + unitPath + ", enables and starts the service, and waits until this host is in the fleet. The token is moved to " + joinPath + ", which the node deletes after it has joined. It is safe to run again: what is already right stays as it is.",
		},
		examples: []example{{"fleet node install --join-file /root/token", "in cloud-init, or by hand"}},
		flags: []ucli.Flag{
			text(placeOfNode, flagJoinFile, "", "`FILE`: the join token (mode 0600); it is deleted after the host has joined"),
			text(placeOfNode, flagWait, "", "`DURATION`: how long to wait for the host to join (default 2m)"),
		},
		endings: []ending{endFault},
		do:      func(e *env, in *ucli.Context) error { return e.install(in) },
	}
}

func (e *env) install(in *ucli.Context) error {
	if os.Geteuid() != 0 {
		return usagef("only root can install a service; run it with sudo")
	}
	if _, err := os.Stat("/run/systemd/system"); err != nil {
		return faultf("this host does not run systemd: %w", err).with("have this host's init system start `fleet node`")
	}
	wait := installWait
	if in.IsSet(flagWait) {
		d, err := parseDuration(in.String(flagWait))
		if err != nil || d <= 0 {
			return usagef("--wait: %q is not a duration such as 2m", in.String(flagWait))
		}
		wait = d
	}
	binary, err := os.Executable()
	if err != nil {
		return faultf("find the path of this program: %w", err)
	}
	if err := installable(binary, machineConfig); err != nil {
		return err
	}
	if err := placeToken(in.String(flagJoinFile), joinPath); err != nil {
		return err
	}
	if err := writeUnit(binary); err != nil {
		return faultf("write %s: %w", unitPath, err)
	}
	ctx, cancel := context.WithTimeout(in.Context, wait)
	defer cancel()
	for _, args := range [][]string{{"daemon-reload"}, {"enable", "--quiet", unitName}, {"start", "--no-block", unitName}} {
		if err := systemctl(ctx, args...); err != nil {
			return err
		}
	}
	if err := awaitActive(ctx); err != nil {
		return err
	}
	if file := in.String(flagJoinFile); file != "" {
		if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return faultf("delete the used token: %w", err)
		}
	}
	e.note("the node is running (%s) and starts at boot; to see its log: journalctl -u fleet-node", binary)
	return nil
}

// installable refuses a program for root's service, or a config of it, that others can change, and a path that a unit cannot name.
func installable(binary, config string) error {
	const where = "copy it to where only root can write, and install it from there: install -m 755 fleet /usr/local/bin/fleet"
	if strings.ContainsFunc(binary, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("%$\"'\\;", r) }) {
		return usagef("a service cannot run a program at %q", binary).with(where)
	}
	if _, err := trustedfile.Resolve(binary); err != nil {
		return usagef("root's service would run a program that others can change: %w", err).with(where)
	}
	if _, err := trustedfile.Resolve(config); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return usagef("root's service would read a config that others can change: %w", err)
	}
	return nil
}

// placeToken copies the token to where the service looks for it. A file that is gone was used by an earlier run, if
// there was one. A token of another fleet that waits there is not replaced, and neither is what is no token.
func placeToken(file, to string) error {
	if file == "" {
		return nil
	}
	text, err := identity.ReadSecretFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(unitPath); err == nil {
			return nil
		}
	}
	var token identity.Token
	if err == nil {
		token, err = identity.ParseToken(text)
	}
	if err != nil {
		return usagef("read the token in %s: %w", file, err)
	}
	if file == to {
		return nil
	}
	if exists(to) {
		old, err := identity.ReadSecretFile(to)
		var waiting identity.Token
		if err == nil {
			waiting, err = identity.ParseToken(old)
		}
		switch {
		case err != nil:
			return usagef("%s contains something else than a token: %w", to, err).with("if it is not needed, move it away: mv " + to + " " + to + ".old")
		case !waiting.Root.Same(token.Root):
			return usagef("%s contains a token of another fleet (id %s)", to, waiting.Root.ID()).with("if it is not needed, delete it: rm " + to)
		}
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return faultf("%w", err)
	}
	return atomicfile.Write(to, []byte(text+"\n"), 0o600)
}

// writeUnit writes the unit unless it stands there just so.
func writeUnit(binary string) error {
	want := strings.ReplaceAll(unitText, "/usr/local/bin/fleet", binary)
	if have, err := os.ReadFile(unitPath); err == nil && string(have) == want {
		return nil
	}
	return atomicfile.Write(unitPath, []byte(want), 0o644)
}

func systemctl(ctx context.Context, args ...string) error {
	if out, err := askSystemd(ctx, args...); err != nil {
		return faultf("systemctl %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return nil
}

// askSystemd runs systemctl and returns what it said.
func askSystemd(ctx context.Context, args ...string) (string, error) {
	said := &program.Head{Max: 64 << 10}
	code, err := program.Command{Argv: append([]string{"systemctl"}, args...), Stdout: said, Stderr: said}.Run(ctx)
	if err == nil && code != 0 {
		err = fmt.Errorf("exit status %d", code)
	}
	return strings.TrimSpace(string(said.Bytes())), err
}

// awaitActive waits until the service has said that it is ready, which is when it listens for jobs.
func awaitActive(ctx context.Context) error {
	for {
		out, _ := askSystemd(ctx, "is-active", unitName)
		if out == "active" {
			return nil
		}
		if wait.For(ctx, 200*time.Millisecond) != nil {
			return faultf("the service is installed and keeps trying, but this host is not in the fleet yet (%s)", out).
				with("to see why: journalctl -u fleet-node -n 20")
		}
	}
}
