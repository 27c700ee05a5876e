package packages

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// rpmdb is what dnf, yum and zypper share: the database of installed packages, asked with rpm.
type rpmdb struct {
	run runner
	rpm []string // more arguments for rpm, before its own
}

// rpmFormat is one package a line. Old rpms have no EPOCHNUM, hence the condition.
const rpmFormat = `%{NAME}\t%|EPOCH?{%{EPOCH}}:{0}|\t%{VERSION}\t%{RELEASE}\t%{ARCH}\t%{INSTALLTIME}\n`

// query answers for a name, name.arch or name-version. Of several installed (kernels, two architectures) it is the
// one installed last, and of those installed together the first that is not 32 bit x86.
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
	best := found[0]
	for _, p := range found[1:] {
		if p.installed > best.installed || p.installed == best.installed && isX86(best.arch) && !isX86(p.arch) {
			best = p
		}
	}
	return best.pkg, nil
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
			all = append(all, p.pkg)
		}
	}
	return all, err
}

type rpmPackage struct {
	pkg
	installed int64 // Unix time
}

// parseRPM reads lines of rpmFormat.
func parseRPM(text string) ([]rpmPackage, error) {
	var found []rpmPackage
	for line := range strings.Lines(text) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(f) != 6 || f[0] == "" || f[2] == "" {
			return nil, fmt.Errorf("rpm: cannot read the line %q", oneLine(line))
		}
		when, err := strconv.ParseInt(f[5], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("rpm: no install time in the line %q", oneLine(line))
		}
		p := pkg{name: f[0], evr: newEVR(f[1], f[2], f[3]), arch: f[4], state: stateInstalled}
		if p.arch == "(none)" {
			p.arch = ""
		}
		found = append(found, rpmPackage{p, when})
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
