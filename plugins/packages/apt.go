package packages

import (
	"context"
	"fmt"
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

func (a apt) query(ctx context.Context, name string) (pkg, error) {
	found, err := a.dpkgQuery(ctx, name)
	if err != nil {
		return pkg{}, err
	}
	best := pkg{name: name, state: stateAbsent}
	present := 0
	for _, p := range found {
		switch {
		case p.present():
			if present++; present == 1 {
				best = p
			}
		case !best.present() && p.state == stateConfigFiles:
			best = p
		}
	}
	if present < 2 {
		return best, nil
	}
	return a.native(ctx, found, best)
}

// native picks, of one package in several architectures, the one of this host.
func (a apt) native(ctx context.Context, found []pkg, other pkg) (pkg, error) {
	c := command{argv: []string{"dpkg", "--print-architecture"}}
	out, err := a.run.run(ctx, c)
	if err != nil {
		return pkg{}, err
	}
	for _, p := range found {
		if p.present() && p.arch == strings.TrimSpace(out.stdout) {
			return p, nil
		}
	}
	return other, nil
}

func (a apt) held(ctx context.Context, name string) (bool, error) {
	p, err := a.query(ctx, name)
	return p.held, err
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
	for line := range strings.Lines(text) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
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

func (a apt) offers(ctx context.Context, name string) (offer, error) {
	out, err := a.read(ctx, "apt-cache", "policy", "--", name)
	if err != nil {
		return offer{}, err
	}
	return parsePolicy(out.stdout), nil
}

// parsePolicy reads `apt-cache policy` of one package. What only this host's dpkg status offers is not an offer.
//
//	name:
//	  Installed: 1.0-1
//	  Candidate: 2.0-1
//	  Version table:
//	     2.0-1 500
//	        500 http://deb.debian.org/debian bookworm/main amd64 Packages
//	 *** 1.0-1 100
//	        100 /var/lib/dpkg/status
func parsePolicy(text string) offer {
	var o offer
	var version string // the one whose sources are being read
	table := false
	for line := range strings.Lines(text) {
		trimmed := strings.TrimSpace(line)
		f := strings.Fields(trimmed)
		switch {
		case !table:
			if c, ok := strings.CutPrefix(trimmed, "Candidate: "); ok && c != "(none)" {
				o.candidate = parseEVR(c)
			}
			table = trimmed == "Version table:"
		case strings.HasPrefix(line, "        ") && len(f) >= 2: // a source
			if v := parseEVR(version); v.version != "" && !strings.HasSuffix(f[1], "/dpkg/status") {
				o.versions = append(o.versions, v)
				version = ""
			}
		case len(f) == 3 && f[0] == "***":
			version = f[1]
		case len(f) >= 2:
			version = f[0]
		}
	}
	return o
}

func (a apt) updates(ctx context.Context) ([]update, error) {
	out, err := a.read(ctx, "apt-get", "-q", "-s", "-o", "APT::Get::Show-User-Simulation-Note=false", "dist-upgrade")
	if err != nil {
		return nil, err
	}
	return parseSimulation(out.stdout), nil
}

// parseSimulation reads what `apt-get -s` would upgrade; an Inst line without an old version is a new package.
//
//	Inst openssl [3.0.19-1~deb12u2] (3.0.22-1~deb12u1 Debian-Security:12/oldstable-security [amd64])
func parseSimulation(text string) []update {
	var found []update
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 4 || f[0] != "Inst" || !strings.HasPrefix(f[2], "[") || !strings.HasPrefix(f[3], "(") {
			continue
		}
		if u := (update{name: f[1], old: strings.Trim(f[2], "[]"), new: strings.Trim(f[3], "()")}); u.old != "" && u.new != "" {
			found = append(found, u)
		}
	}
	return found
}

func (a apt) names(ctx context.Context) ([]string, error) {
	out, err := a.read(ctx, "apt-cache", "pkgnames")
	return strings.Fields(out.stdout), err
}

// read runs an apt program that needs no lock.
func (a apt) read(ctx context.Context, program string, args ...string) (output, error) {
	c := command{argv: append(append([]string{program}, a.global...), args...)}
	out, err := a.run.run(ctx, c)
	if err == nil && out.code != 0 {
		err = failure(c, out)
	}
	return out, err
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
