package packages

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// dnf is Fedora, RHEL and their children; with bin "yum" the older ones, which lack repoquery.
// No "--" stands before names: yum, dnf 4 and dnf 5 differ in it, and the declaration lets no name start with '-'.
type dnf struct {
	rpmdb
	bin    string   // "dnf" or "yum"
	global []string // more arguments, before its own
}

func (d dnf) provider() string { return d.bin }

// held is always false: packages locked by the versionlock plugin are hidden from every answer.
func (dnf) held(context.Context, string) (bool, error) { return false, nil }

// dnfFormat is one package a line; dnf 4 adds a newline of its own, dnf 5 does not.
const dnfFormat = `%{name}|%{epoch}|%{version}|%{release}|%{arch}\n`

func (d dnf) offers(ctx context.Context, name string) (offer, error) {
	if d.bin == "yum" {
		rows, err := d.yumTable(ctx, "list", "available", "--showduplicates", name)
		return offerOf(rows), err
	}
	rows, err := d.repoquery(ctx, name)
	rows = slices.DeleteFunc(rows, func(p pkg) bool { return !asked(name, p) })
	return offerOf(rows), err
}

// asked is false for a package that repoquery found only because it provides the name.
func asked(name string, p pkg) bool {
	return name == p.name || strings.HasPrefix(name, p.name+".") || strings.HasPrefix(name, p.name+"-")
}

// offerOf turns rows, oldest first as dnf and yum sort them, round.
func offerOf(rows []pkg) offer {
	var o offer
	for _, p := range slices.Backward(rows) {
		o.versions = append(o.versions, p.evr)
	}
	return o
}

func (d dnf) updates(ctx context.Context) ([]update, error) {
	var rows []pkg
	var err error
	if d.bin == "yum" {
		rows, err = d.yumTable(ctx, "check-update")
	} else {
		rows, err = d.repoquery(ctx, "--upgrades")
	}
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	here, err := d.list(ctx)
	if err != nil {
		return nil, err
	}
	old := map[string]string{} // of several installed the last, as rpm lists them
	for _, p := range here {
		old[p.name+"."+p.arch] = p.evr.String()
	}
	newest := map[string]update{} // a package may be listed in several versions, the newest last
	for _, p := range rows {
		key := p.name + "." + p.arch
		newest[key] = update{name: p.name, old: old[key], new: p.evr.String()}
	}
	var found []update
	for _, u := range newest {
		found = append(found, u)
	}
	return found, nil
}

func (d dnf) names(ctx context.Context) ([]string, error) {
	var rows []pkg
	var err error
	if d.bin == "yum" {
		rows, err = d.yumTable(ctx, "list")
	} else {
		rows, err = d.repoquery(ctx)
	}
	names := make([]string, len(rows))
	for i, p := range rows {
		names[i] = p.name
	}
	return names, err
}

func (d dnf) repoquery(ctx context.Context, args ...string) ([]pkg, error) {
	c, out, err := d.exec(ctx, append([]string{"repoquery", "--qf", dnfFormat}, args...)...)
	if err != nil {
		return nil, err
	}
	if out.code != 0 {
		return nil, failure(c, out)
	}
	return parseRepoquery(out.stdout)
}

// parseRepoquery reads lines of dnfFormat.
func parseRepoquery(text string) ([]pkg, error) {
	var found []pkg
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		f := strings.Split(line, "|")
		if len(f) != 5 || f[0] == "" || f[2] == "" || strings.ContainsFunc(line, unicode.IsSpace) {
			return nil, fmt.Errorf("dnf: cannot read the line %q", oneLine(line))
		}
		found = append(found, pkg{name: f[0], evr: newEVR(f[1], f[2], f[3]), arch: f[4]})
	}
	return found, nil
}

// yumTable runs one of yum's listings. Code 100 is "there are updates"; "No matching Packages" is an empty table.
func (d dnf) yumTable(ctx context.Context, args ...string) ([]pkg, error) {
	c, out, err := d.exec(ctx, args...)
	switch {
	case err != nil:
		return nil, err
	case strings.Contains(out.stderr, "No matching Packages"):
		return nil, nil
	case out.code != 0 && out.code != 100:
		return nil, failure(c, out)
	}
	return parseYumTable(out.stdout), nil
}

// parseYumTable reads rows of name.arch, version and repository. yum breaks a row that is too wide into two or three
// lines, so it is words that are counted; what follows "Obsoleting Packages" is another table.
func parseYumTable(text string) []pkg {
	var found []pkg
	var row []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "Obsoleting Packages") {
			break
		}
		if strings.HasSuffix(line, " Packages") || strings.HasPrefix(line, "Security:") {
			row = nil
			continue
		}
		if row = append(row, strings.Fields(line)...); len(row) < 3 {
			continue
		}
		dot := strings.LastIndexByte(row[0], '.')
		if v := parseEVR(row[1]); len(row) == 3 && dot > 0 && v.version != "" {
			found = append(found, pkg{name: row[0][:dot], arch: row[0][dot+1:], evr: v})
		}
		row = nil
	}
	return found
}

func (d dnf) refresh(ctx context.Context) error {
	if d.bin == "yum" {
		if err := d.change(ctx, "clean", "expire-cache"); err != nil {
			return err
		}
		return d.change(ctx, "makecache", "fast")
	}
	return d.change(ctx, "makecache", "--refresh")
}

func (d dnf) install(ctx context.Context, name, version string) error {
	if version == "" {
		return d.change(ctx, "install", name)
	}
	v := parseEVR(version)
	v.epoch = "" // name-version-release finds a package whatever its epoch
	spec := name + "-" + v.String()
	if err := d.change(ctx, "install", spec); err != nil || d.bin == "dnf" {
		return err
	}
	// Given something older, yum says that there is nothing to do.
	if now, err := d.query(ctx, name); err != nil || now.evr.fits(v.String()) {
		return err
	}
	return d.change(ctx, "downgrade", spec)
}

func (d dnf) upgrade(ctx context.Context, name string) error {
	if d.bin == "yum" {
		return d.change(ctx, "update", name)
	}
	return d.change(ctx, "upgrade", name)
}

// remove takes what needs the package along, as dnf does, but not what nobody needs any more, as no other manager does.
func (d dnf) remove(ctx context.Context, name string, _ bool) error {
	return d.change(ctx, "--setopt=clean_requirements_on_remove=False", "remove", name)
}

func (d dnf) change(ctx context.Context, args ...string) error {
	c, out, err := d.exec(ctx, args...)
	switch {
	case err != nil:
		return mayBeHalfDone(err, d.bin+" history")
	case out.code != 0:
		return failure(c, out)
	}
	return nil
}

// exec runs dnf. dnf waits for other dnfs by itself, without end, so the context is its limit.
func (d dnf) exec(ctx context.Context, args ...string) (command, output, error) {
	c := command{argv: append(append([]string{d.bin}, d.global...), "-q", "-y")}
	c.argv = append(c.argv, args...)
	out, err := whenUnlocked(ctx, d.run, c, rpmLocked)
	return c, out, err
}
