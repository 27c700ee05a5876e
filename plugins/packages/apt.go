package packages

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// apt is Debian and its children: dpkg-query for what is here, apt for the rest.
type apt struct {
	run    runner
	dpkg   []string // more arguments for dpkg-query, before its own
	global []string // more arguments for apt-get and apt-cache, before their own
}

func (apt) provider() string { return "apt" }

// dpkgFormat is one package a line; dpkg's fields hold no tabs.
const dpkgFormat = `${Package}\t${Version}\t${Architecture}\t${db:Status-Want}\t${db:Status-Status}\t${db:Status-Eflag}\n`

func (a apt) dpkgQuery(ctx context.Context, names ...string) ([]pkg, error) {
	c := command{argv: append(append([]string{"dpkg-query"}, a.dpkg...), "-W", "-f", dpkgFormat, "--")}
	c.argv = append(c.argv, names...)
	out, err := a.run.run(ctx, c)
	switch {
	case err != nil:
		return nil, err
	case out.code == 1 && strings.Contains(out.stderr, "no packages found matching"):
		return nil, nil
	case out.code != 0:
		return nil, failure(c, out)
	}
	return parseDpkg(out.stdout)
}

// query answers for a name, and for name:arch. A name alone means this host's own architecture: of a library that is
// here for another one only, that is told, and it is absent.
func (a apt) query(ctx context.Context, name string) (pkg, error) {
	found, err := a.dpkgQuery(ctx, name)
	if err != nil || len(found) == 0 {
		return pkg{name: name, state: stateAbsent}, err
	}
	arch := ""
	if _, _, named := strings.Cut(name, ":"); !named {
		if arch, err = a.architecture(ctx, found); err != nil {
			return pkg{}, err
		}
	}
	return ofArchitecture(name, arch, found), nil
}

// architecture is this host's own, as dpkg calls it; "" where it does not matter.
func (a apt) architecture(ctx context.Context, found []pkg) (string, error) {
	if !slices.ContainsFunc(found, func(p pkg) bool { return p.present() && p.arch != "all" }) {
		return "", nil
	}
	c := command{argv: []string{"dpkg", "--print-architecture"}}
	out, err := a.run.run(ctx, c)
	if err == nil && out.code != 0 {
		err = failure(c, out)
	}
	return strings.TrimSpace(out.stdout), err
}

// ofArchitecture picks, of one package in several architectures, the one that is installed for arch, else what is left
// of one that is not. With arch "" any will do.
func ofArchitecture(name, arch string, found []pkg) pkg {
	best := pkg{name: name, state: stateAbsent}
	for _, p := range found {
		switch {
		case p.present() && (arch == "" || p.arch == arch || p.arch == "all"):
			return p
		case p.present():
			best.foreign = p.String()
		case p.state == stateConfigFiles:
			p.foreign, best = best.foreign, p
		}
	}
	return best
}

func (a apt) held(ctx context.Context, name string) (string, error) {
	p, err := a.query(ctx, name)
	if !p.held {
		return "", err
	}
	return "apt-mark hold", err
}

func (a apt) list(ctx context.Context) ([]pkg, error) {
	all, err := a.dpkgQuery(ctx)
	present := all[:0]
	for _, p := range all {
		if p.present() {
			present = append(present, p)
		}
	}
	return present, err
}

// parseDpkg reads lines of dpkgFormat.
func parseDpkg(text string) ([]pkg, error) {
	var found []pkg
	for line := range rows(text, "\t") {
		f := strings.Split(line, "\t")
		if len(f) != 6 || f[0] == "" {
			return nil, fmt.Errorf("dpkg-query: cannot read the line %q", oneLine(line))
		}
		p := pkg{name: f[0], evr: parseEVR(f[1]), arch: f[2], state: f[4], held: f[3] == "hold"}
		switch {
		case p.state == "not-installed":
			p.state = stateAbsent
		case f[5] != "ok" && p.present():
			p.state = f[5] // reinstreq: broken, must be installed again
		}
		if p.present() && p.evr.version == "" {
			return nil, fmt.Errorf("dpkg-query: no version in the line %q", oneLine(line))
		}
		found = append(found, p)
	}
	return found, nil
}

func (a apt) refresh(ctx context.Context) error {
	// Without the error mode a repository that does not answer is a warning, and old lists pass for new ones.
	return a.change(ctx, "-o", "APT::Update::Error-Mode=any", "update")
}

func (a apt) install(ctx context.Context, name, version string) error {
	if version == "" {
		return a.change(ctx, "--no-remove", "install", "--", name)
	}
	return a.change(ctx, "--no-remove", "--allow-downgrades", "install", "--", name+"="+version)
}

func (a apt) upgrade(ctx context.Context, name string) error {
	return a.change(ctx, "--no-remove", "--only-upgrade", "install", "--", name)
}

func (a apt) remove(ctx context.Context, name string, purge bool) error {
	verb := "remove"
	if purge {
		verb = "purge"
	}
	return a.change(ctx, verb, "--", name)
}

// change runs apt-get without questions. Changed configuration files stay; dpkg stays in our process group (no pty).
// apt waits for dpkg's locks itself but not for those of the lists and the archive, and before 1.9.11 for none.
func (a apt) change(ctx context.Context, args ...string) error {
	c := command{argv: append([]string{"apt-get"}, a.global...)}
	c.argv = append(c.argv, "-q", "-y",
		"-o", "Dpkg::Use-Pty=0", "-o", "APT::Color=0",
		"-o", "DPkg::Options::=--force-confdef", "-o", "DPkg::Options::=--force-confold",
		"-o", "DPkg::Lock::Timeout="+strconv.Itoa(lockSeconds(ctx)))
	c.argv = append(c.argv, args...)
	out, err := whenUnlocked(ctx, a.run, c, aptLocked)
	switch {
	case err != nil:
		return mayBeHalfDone(err, "dpkg --configure -a")
	case out.code != 0:
		return failure(c, out)
	case strings.Contains(out.stderr, "W: Failed to fetch"): // an apt that does not know the error mode
		return fmt.Errorf("%s: %s", c.argv[0], oneLine(out.stderr))
	}
	return nil
}

// aptLocked is true where waiting helps; "Unable to acquire ..., are you root?" is not among it.
func aptLocked(out output) bool {
	return out.code != 0 && (strings.Contains(out.stderr, "E: Could not get lock") ||
		strings.Contains(out.stderr, "is another process using it?"))
}
