package packages

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"fleet/internal/version"
)

// policy is what `apt-cache policy` says of one package. What only this host's dpkg status offers is not an offer.
type policy struct {
	offer
	installed evr
	phased    map[evr]string // versions that apt gives to some hosts first -> how many, such as "phased 20%"
}

// best is the version that a host gets in the end: apt's candidate, or a phased one that is newer.
func (p policy) best() evr {
	best := p.candidate
	for phased := range p.phased {
		if newer(version.Debian, phased, best) {
			best = phased
		}
	}
	return best
}

func (a apt) offers(ctx context.Context, name string) (offer, error) {
	p, err := a.policy(ctx, name)
	return p.offer, err
}

// policy asks for one package, which apt may call by another name: libc6:amd64 is libc6 to it. Where there is none of that name, apt
// takes it for a regular expression and tells of every package that it fits: these are not the one.
func (a apt) policy(ctx context.Context, name string) (policy, error) {
	all, err := a.policies(ctx, name)
	if p, ok := all[name]; ok {
		return p, err
	}
	base, _, _ := strings.Cut(name, ":")
	return all[base], err
}

func (a apt) policies(ctx context.Context, names ...string) (map[string]policy, error) {
	out, err := a.read(ctx, "apt-cache", append([]string{"policy", "--"}, names...)...)
	if err != nil {
		return nil, err
	}
	return parsePolicies(out.stdout), nil
}

// parsePolicies reads `apt-cache policy` of one package or several. A version's priority may have more behind it.
//
//	name:
//	  Installed: 1.0-1
//	  Candidate: 2.0-1
//	  Version table:
//	     2.0-1 500 (phased 20%)
//	        500 http://deb.debian.org/debian bookworm/main amd64 Packages
//	 *** 1.0-1 100
//	        100 /var/lib/dpkg/status
func parsePolicies(text string) map[string]policy {
	all := map[string]policy{}
	var name, version string // what is being read, and the version whose sources are
	for line := range strings.Lines(text) {
		indent := len(line) - len(strings.TrimLeft(line, " "))
		f := strings.Fields(line)
		p := all[name]
		switch {
		case len(f) == 1 && indent == 0 && len(f[0]) > 1 && strings.HasSuffix(f[0], ":"):
			name, version = strings.TrimSuffix(f[0], ":"), ""
			p = policy{phased: map[evr]string{}}
		case name == "" || len(f) < 2:
			continue
		case f[0] == "Installed:" && f[1] != "(none)":
			p.installed = parseEVR(f[1])
		case f[0] == "Candidate:" && f[1] != "(none)":
			p.candidate = parseEVR(f[1])
		case strings.HasSuffix(f[0], ":"): // another of its settings
		case indent >= 8: // a source
			if v := parseEVR(version); v.version != "" && !strings.HasSuffix(f[1], "/dpkg/status") {
				p.versions = append(p.versions, v)
				version = ""
			}
		default:
			if f[0] == "***" {
				f = f[1:]
			}
			version = f[0]
			if _, more, ok := strings.Cut(strings.Join(f[1:], " "), "("); ok && strings.HasPrefix(more, "phased") {
				p.phased[parseEVR(version)] = strings.TrimSuffix(more, ")")
			}
		}
		all[name] = p
	}
	return all
}

// newest is apt's candidate, or a phased version that is not this host's turn yet. For a package that was installed from
// elsewhere it is what the repositories have, also if that is older. A version that apt's preferences leave out, such as
// a backport, does not count.
func (a apt) newest(ctx context.Context, name string, here pkg) (v evr, by string, err error) {
	p, err := a.policy(ctx, name)
	v = p.best()
	if how := p.phased[v]; how != "" {
		return v, "apt's phased updates (" + how + ")", err
	}
	if v == here.evr && !slices.Contains(p.versions, v) {
		newestFirst(version.Debian, p.versions)
		if best := first(p.versions); !newer(version.Debian, best, v) {
			v = best
		}
	}
	return v, "", err
}

func (a apt) updates(ctx context.Context) (found, held []update, err error) {
	out, err := a.read(ctx, "apt-get", "-q", "-s", "-o", "APT::Get::Show-User-Simulation-Note=false", "dist-upgrade")
	if err != nil {
		return nil, nil, err
	}
	found, back, err := parseSimulation(out.stdout)
	if err != nil || len(back) == 0 {
		return found, nil, err
	}
	all, err := a.policies(ctx, back...)
	for _, name := range back {
		p := all[name]
		held = append(held, update{name: name, old: p.installed.String(), new: p.best().String()})
	}
	return found, held, err
}

// parseSimulation reads what `apt-get -s` would upgrade, and the names of what it would not. An Inst line without an old
// version is a new package.
//
//	The following packages have been kept back:
//	  linux-image-amd64
//	Inst openssl [3.0.19-1~deb12u2] (3.0.22-1~deb12u1 Debian-Security:12/oldstable-security [amd64])
func parseSimulation(text string) (found []update, back []string, err error) {
	kept := false
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		switch {
		case len(f) == 0:
		case strings.HasPrefix(line, "  "):
			if kept {
				back = append(back, f...)
			}
			continue
		case f[0] == "Inst":
			u, ok := parseInst(f)
			if !ok {
				return nil, nil, fmt.Errorf("apt-get: cannot read the line %q", oneLine(line))
			}
			if u.old != "" {
				found = append(found, u)
			}
		}
		kept = keptBack(line)
	}
	return found, back, nil
}

// keptBack knows the headings under which apt lists what it does not upgrade, those of apt 3 too.
func keptBack(line string) bool {
	return strings.Contains(line, "have been kept back:") || strings.Contains(line, "deferred due to phasing:") || strings.HasPrefix(line, "Not upgrading")
}

func parseInst(f []string) (u update, ok bool) {
	if len(f) < 3 {
		return u, false
	}
	u.name, f = f[1], f[2:]
	if strings.HasPrefix(f[0], "[") {
		u.old, f = strings.Trim(f[0], "[]"), f[1:]
		if u.old == "" || len(f) == 0 {
			return u, false
		}
	}
	u.new = strings.Trim(f[0], "()")
	return u, strings.HasPrefix(f[0], "(") && u.new != ""
}

// providers reads the part of `apt-cache showpkg` that follows "Reverse Provides: ", a provider and its version a line.
func (a apt) providers(ctx context.Context, name string) ([]string, error) {
	out, err := a.read(ctx, "apt-cache", "showpkg", "--", name)
	_, list, _ := strings.Cut(out.stdout, "\nReverse Provides:")
	var found []string
	for line := range strings.Lines(list) {
		if f := strings.Fields(line); len(f) >= 2 {
			found = append(found, f[0])
		}
	}
	return found, err
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
