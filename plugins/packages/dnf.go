package packages

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"fleet/internal/version"
)

// dnf is Fedora, RHEL and their children; with bin "yum" the older ones, which lack repoquery.
// No "--" stands before names: yum, dnf 4 and dnf 5 differ in it, and the declaration lets no name start with '-'.
type dnf struct {
	rpmdb
	bin    string   // "dnf" or "yum"
	global []string // more arguments, before its own
}

func (d dnf) provider() string { return d.bin }

// dnfFormat is one package a line; dnf 4 adds a newline of its own, dnf 5 does not.
const dnfFormat = `%{name}|%{epoch}|%{version}|%{release}|%{arch}\n`

func (d dnf) offers(ctx context.Context, name string) (offer, error) {
	found, err := d.available(ctx, name)
	return offer{versions: found}, err
}

// available are the versions that the repositories have, newest first; options may make dnf show what it hides.
func (d dnf) available(ctx context.Context, name string, options ...string) ([]evr, error) {
	var found []pkg
	var err error
	if d.bin == "yum" {
		found, err = d.yumTable(ctx, append(options, "list", "available", "--showduplicates", name)...)
	} else {
		found, err = d.repoquery(ctx, append(options, name)...)
	}
	var versions []evr
	for _, p := range found {
		if asked(name, p) {
			versions = append(versions, p.evr)
		}
	}
	newestFirst(version.RPM, versions)
	return versions, err
}

// asked is false for a package that repoquery found only because it provides the name, and for another architecture's.
func asked(name string, p pkg) bool {
	return named(name, p) && (!foreign(p.arch) || strings.HasSuffix(name, "."+p.arch))
}

func (d dnf) providers(ctx context.Context, name string) ([]string, error) {
	if d.bin == "yum" {
		return nil, nil // it prints them for people only
	}
	found, err := d.repoquery(ctx, "--whatprovides", name)
	var names []string
	for _, p := range found {
		names = append(names, p.name)
	}
	return names, err
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
	for line := range rows(text, "|") {
		line = strings.TrimSpace(line)
		if strings.ContainsFunc(line, unicode.IsSpace) {
			continue // dnf 5 before 5.2 tells its progress in columns with bars between them
		}
		f := strings.Split(line, "|")
		if len(f) != 5 || slices.Contains(f, "") {
			return nil, fmt.Errorf("dnf: cannot read the line %q", oneLine(line))
		}
		found = append(found, pkg{name: f[0], evr: newEVR(f[1], f[2], f[3]), arch: f[4]})
	}
	return found, nil
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

// upgrade is content where dnf has nothing to choose from, because all versions are hidden or no repository has the
// package: newest tells.
func (d dnf) upgrade(ctx context.Context, name string) error {
	verb := "upgrade"
	if d.bin == "yum" {
		verb = "update"
	}
	c, out, err := d.exec(ctx, verb, name)
	if err != nil || out.code == 0 || nothingToUpgrade(out.stdout+out.stderr) {
		return mayBeHalfDone(err, d.bin+" history")
	}
	return failure(c, out)
}

// nothingToUpgrade knows the words of dnf 4, dnf 5 and yum.
func nothingToUpgrade(said string) bool {
	for _, words := range []string{"No packages marked for upgrade", "No packages marked for update", "All matches were filtered out by", "matches only excluded packages", "installed, but not available"} {
		if strings.Contains(said, words) {
			return true
		}
	}
	return false
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
