package packages

import (
	"context"
	"path"
	"slices"
	"strings"

	"fleet/internal/version"
)

// dnf holds packages in three ways: the versionlock command keeps a package at a version, exclude= in the configuration
// takes packages out of every answer, and a module's stream hides the versions of the other streams. In none of them does
// an upgrade fail: dnf has nothing to do, and ends well. So what there is besides is asked for afterwards.

// held is nothing: dnf can be told to upgrade and obeys its locks by itself.
func (dnf) held(context.Context, string) (string, error) { return "", nil }

// unhidden makes dnf show what exclude= hides ("*" is dnf 5's word for all), and unhiddenModules other streams as well.
func (d dnf) unhidden() []string {
	if d.bin == "yum" {
		return []string{"--disableexcludes=all", "--disableplugin=versionlock"} // yum's hides from its listings too
	}
	return []string{"--setopt=disable_excludes=all,*"}
}

func (d dnf) unhiddenModules() []string {
	if d.bin == "yum" {
		return d.unhidden() // yum knows no modules
	}
	return append(d.unhidden(), "--setopt=*.module_hotfixes=true")
}

func (d dnf) newest(ctx context.Context, name string, here pkg) (v evr, by string, err error) {
	all, err := d.available(ctx, name, d.unhiddenModules()...)
	if err != nil || len(all) == 0 {
		return evr{}, "", err
	}
	if !newer(version.RPM, all[0], here.evr) {
		return all[0], "", nil
	}
	return all[0], d.hiddenBy(ctx, name, here), nil
}

// hiddenBy finds out what hides a version newer than the one here. It is for a person to read, so that a question which
// cannot be answered is passed over.
func (d dnf) hiddenBy(ctx context.Context, name string, here pkg) string {
	has := func(options ...string) bool {
		versions, err := d.available(ctx, name, options...)
		return err == nil && len(versions) > 0 && newer(version.RPM, versions[0], here.evr)
	}
	switch {
	case d.locks(ctx).hold(cmpName(name, here)):
		return "versionlock"
	case has():
		return "" // dnf sees it and does not take it
	case has(d.unhidden()...):
		return "exclude= in " + d.bin + "'s configuration"
	}
	return "a module stream"
}

// cmpName is the package's own name where it is known: locks do not have what people type besides.
func cmpName(name string, here pkg) string {
	if here.present() {
		return here.name
	}
	return name
}

func (d dnf) updates(ctx context.Context) (found, held []update, err error) {
	all, err := d.upgrades(ctx, d.unhiddenModules()...)
	if err != nil || len(all) == 0 {
		return nil, nil, err
	}
	visible, err := d.upgrades(ctx)
	if err != nil {
		return nil, nil, err
	}
	here, err := d.list(ctx)
	if err != nil {
		return nil, nil, err
	}
	old := map[string]evr{} // of several side by side the newest
	for _, p := range here {
		if key := p.name + "." + p.arch; newer(version.RPM, p.evr, old[key]) {
			old[key] = p.evr
		}
	}
	locks := d.locks(ctx)
	for key, p := range all {
		u := update{name: p.name, old: old[key].String(), new: p.evr.String()}
		seen, ok := visible[key]
		switch {
		case !newer(version.RPM, p.evr, old[key]): // an old kernel beside a newer one
		case ok && !locks.hold(p.name) && newer(version.RPM, seen.evr, old[key]):
			u.new = seen.evr.String()
			found = append(found, u)
		default:
			held = append(held, u)
		}
	}
	return found, held, nil
}

// upgrades are the newest versions of what could be upgraded, by name and architecture.
func (d dnf) upgrades(ctx context.Context, options ...string) (map[string]pkg, error) {
	var found []pkg
	var err error
	if d.bin == "yum" {
		found, err = d.yumTable(ctx, append(options, "check-update")...)
	} else {
		found, err = d.repoquery(ctx, append(options, "--upgrades")...)
	}
	newest := map[string]pkg{}
	for _, p := range found {
		if key := p.name + "." + p.arch; newer(version.RPM, p.evr, newest[key].evr) {
			newest[key] = p
		}
	}
	return newest, err
}

// locks are what versionlock keeps: names, globs of names, and names with a version behind them.
type locks []string

func (l locks) hold(name string) bool {
	return slices.ContainsFunc(l, func(pattern string) bool {
		if ok, err := path.Match(pattern, name); err == nil && ok {
			return true
		}
		version, ok := strings.CutPrefix(pattern, name+"-")
		return ok && version != "" && strings.IndexByte("0123456789*[", version[0]) >= 0
	})
}

// locks asks the versionlock command, which dnf 5 has, and dnf 4 and yum only with a plugin. Without it there are none.
func (d dnf) locks(ctx context.Context) locks {
	_, out, err := d.exec(ctx, "versionlock", "list")
	if err != nil || out.code != 0 {
		return nil
	}
	return parseVersionlock(out.stdout)
}

// parseVersionlock reads what versionlock lists: dnf 4 a pattern of name, epoch, version, release and architecture, with
// a ! before one that excludes only that version; yum the same with the epoch first; dnf 5 a name, and conditions below.
//
//	locked-0:1.0-1.el9.*
//	0:locked-1.0-1.el7.*
//	Package name: locked
func parseVersionlock(text string) locks {
	var found locks
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		name, dnf5 := strings.CutPrefix(line, "Package name: ")
		switch {
		case dnf5:
			found = append(found, name)
		case line != "" && line[0] != '#' && !strings.ContainsAny(line, " \t"):
			pattern := strings.TrimPrefix(line, "!")
			if epoch, rest, ok := strings.Cut(pattern, ":"); ok && allDigits(epoch) {
				pattern = rest
			}
			found = append(found, pattern)
		}
	}
	return found
}
