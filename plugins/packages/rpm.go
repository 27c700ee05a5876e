package packages

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"

	"fleet/internal/version"
)

// rpmdb is what dnf, yum and zypper share: the database of installed packages, asked with rpm.
type rpmdb struct {
	run runner
	rpm []string // more arguments for rpm, before its own
}

// rpmFormat is one package a line; the time of its installation stands last and shows that the row is whole. Old rpms
// have no EPOCHNUM, hence the condition.
const rpmFormat = `%{NAME}\t%|EPOCH?{%{EPOCH}}:{0}|\t%{VERSION}\t%{RELEASE}\t%{ARCH}\t%{INSTALLTIME}\n`

// query answers for a name, name.arch or name-version. A name without architecture means this host's own: of a library
// that is here for another one only, that is told, and it is absent. Of several versions side by side (kernels) the
// newest comes first, and the others are kept.
func (r rpmdb) query(ctx context.Context, name string) (pkg, error) {
	c := command{argv: append(append([]string{"rpm"}, r.rpm...), "-q", "--qf", rpmFormat, "--", name)}
	out, err := r.run.run(ctx, c)
	if err != nil {
		return pkg{}, err
	}
	if out.code != 0 {
		if strings.Contains(out.stdout, "is not installed") {
			return pkg{name: name, state: stateAbsent}, nil
		}
		return pkg{}, failure(c, out)
	}
	found, err := parseRPM(out.stdout)
	if err != nil {
		return pkg{}, err
	}
	if len(found) == 0 {
		return pkg{}, fmt.Errorf("rpm gave no answer for %s", name)
	}
	return sideBySide(name, found), nil
}

// sideBySide makes one answer of all the packages that rpm finds under a name.
func sideBySide(name string, found []pkg) pkg {
	slices.SortStableFunc(found, func(a, b pkg) int { return version.RPM.Compare(b.evr.String(), a.evr.String()) })
	best := pkg{name: name, state: stateAbsent}
	for _, p := range found {
		switch {
		case !named(name, p):
		case foreign(p.arch) && !strings.HasSuffix(name, "."+p.arch):
			if best.foreign == "" {
				best.foreign = p.String()
			}
		case !best.present():
			best = p
		case p.name == best.name && p.evr != best.evr:
			best.beside = append(best.beside, p.evr)
		}
	}
	if best.present() {
		best.foreign = ""
	}
	return best
}

// named reports whether name is how a person may call p: NAME, NAME.ARCH, and with a version that begins with a digit NAME-VERSION.
// rpm and dnf take more, but spellings has to know from the name alone which package it may mean.
func named(name string, p pkg) bool {
	rest, ok := strings.CutPrefix(name, p.name)
	return ok && (rest == "" || rest == "."+p.arch || rest[0] == '-' && digitFirst(rest[1:]))
}

func digitFirst(text string) bool { return text != "" && text[0] >= '0' && text[0] <= '9' }

// foreign reports an architecture whose packages run here beside this host's own.
func foreign(arch string) bool {
	switch runtime.GOARCH {
	case "amd64":
		return isX86(arch)
	case "arm64":
		return strings.HasPrefix(arch, "armv")
	case "ppc64", "ppc64le":
		return arch == "ppc"
	case "s390x":
		return arch == "s390"
	}
	return false
}

func isX86(arch string) bool {
	return len(arch) == 4 && arch[0] == 'i' && strings.HasSuffix(arch, "86")
}

// list leaves out gpg-pubkey, rpm's way to keep the keys it trusts.
func (r rpmdb) list(ctx context.Context) ([]pkg, error) {
	c := command{argv: append(append([]string{"rpm"}, r.rpm...), "-qa", "--qf", rpmFormat)}
	out, err := r.run.run(ctx, c)
	if err != nil {
		return nil, err
	}
	if out.code != 0 {
		return nil, failure(c, out)
	}
	found, err := parseRPM(out.stdout)
	var all []pkg
	for _, p := range found {
		if p.name != "gpg-pubkey" {
			all = append(all, p)
		}
	}
	return all, err
}

// parseRPM reads lines of rpmFormat.
func parseRPM(text string) ([]pkg, error) {
	var found []pkg
	for line := range rows(text, "\t") {
		f := strings.Split(line, "\t")
		if len(f) != 6 || f[0] == "" || f[2] == "" || f[3] == "" || !allDigits(f[5]) {
			return nil, fmt.Errorf("rpm: cannot read the line %q", oneLine(line))
		}
		p := pkg{name: f[0], evr: newEVR(f[1], f[2], f[3]), arch: f[4], state: stateInstalled}
		if p.arch == "(none)" {
			p.arch = ""
		}
		found = append(found, p)
	}
	return found, nil
}

// newEVR takes the three parts as they are, where the manager gives them apart.
func newEVR(epoch, version, release string) evr {
	if !allDigits(epoch) || strings.Trim(epoch, "0") == "" {
		epoch = ""
	}
	return evr{epoch: epoch, version: version, release: release}
}

// rpmLocked is rpm's own lock, met below dnf and zypper when somebody runs rpm by hand.
func rpmLocked(out output) bool {
	return out.code != 0 && strings.Contains(out.stderr+out.stdout, ".rpm.lock")
}
