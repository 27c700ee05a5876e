package packages

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"fleet/internal/lazyregexp"
	"fleet/internal/version"
)

// apk is Alpine.
type apk struct {
	run    runner
	world  string   // the file /etc/apk/world
	global []string // more arguments, before its own
}

func (apk) provider() string { return "apk" }

func (a apk) query(ctx context.Context, name string) (pkg, error) {
	found, err := a.packages(ctx, "list", "--installed", "--", name)
	if err != nil {
		return pkg{}, err
	}
	for _, p := range found {
		if p.name == name {
			return p, nil
		}
	}
	return pkg{name: name, state: stateAbsent}, nil
}

func (a apk) list(ctx context.Context) ([]pkg, error) { return a.packages(ctx, "list", "--installed") }

func (a apk) packages(ctx context.Context, args ...string) ([]pkg, error) {
	out, err := a.exec(ctx, args...)
	if err != nil {
		return nil, err
	}
	var found []pkg
	list, err := parseApkList(out.stdout)
	for _, row := range list {
		if row.installed {
			found = append(found, row.pkg)
		}
	}
	return found, err
}

// apkRow is one line of `apk list`.
type apkRow struct {
	pkg
	installed bool
	from      string // the version here, where this one is newer
}

// apkVersion starts at the last dash before a digit that a "-rN" follows: names may hold "-1" themselves.
var apkVersion = lazyregexp.New(`^(.+)-([0-9][^\s-]*-r[0-9]+)$`)

// parseApkList reads `apk list`; lines that are none of it (warnings) are passed over.
//
//	busybox-1.36.1-r29 x86_64 {busybox} (GPL-2.0-only) [installed]
//	musl-1.2.4_git20230717-r5 x86_64 {musl} (MIT) [upgradable from: musl-1.2.4_git20230717-r4]
func parseApkList(text string) ([]apkRow, error) {
	var found []apkRow
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		first, _, _ := strings.Cut(line, " ")
		m := apkVersion().FindStringSubmatch(first)
		if m == nil {
			continue
		}
		f := strings.Fields(line)
		if len(f) < 4 || !strings.HasPrefix(f[2], "{") || strings.Contains(line, "[") && !strings.HasSuffix(line, "]") {
			return nil, fmt.Errorf("apk: cannot read the line %q", oneLine(line))
		}
		row := apkRow{pkg: pkg{name: m[1], evr: parseEVR(m[2]), arch: f[1], state: stateAbsent}}
		if strings.HasSuffix(line, "[installed]") {
			row.installed, row.state = true, stateInstalled
		}
		if _, from, ok := strings.Cut(line, "[upgradable from: "); ok {
			row.from = strings.TrimPrefix(strings.TrimSuffix(from, "]"), m[1]+"-")
		}
		found = append(found, row)
	}
	return found, nil
}

func (a apk) offers(ctx context.Context, name string) (offer, error) {
	out, err := a.exec(ctx, "policy", "--", name)
	if err != nil {
		return offer{}, err
	}
	o := parseApkPolicy(out.stdout, name)
	newestFirst(version.Alpine, o.versions)
	return o, nil
}

// parseApkPolicy reads `apk policy`, in which a version that only this host has is followed by its database alone.
// Versions of tagged repositories ("@edge http://...") are no offer: apk takes them only if asked for by tag.
//
//	openssl policy:
//	  3.1.4-r5:
//	    lib/apk/db/installed
//	    https://dl-cdn.alpinelinux.org/alpine/v3.19/main
func parseApkPolicy(text, name string) offer {
	var o offer
	version, ours := "", false
	for line := range strings.Lines(text) {
		trimmed := strings.TrimSpace(line)
		switch {
		case strings.HasSuffix(trimmed, " policy:"):
			ours, version = trimmed == name+" policy:", ""
		case !ours || trimmed == "":
		case strings.HasPrefix(line, "    "): // a source
			if v := parseEVR(version); v.version != "" && !strings.HasPrefix(trimmed, "@") && !strings.HasSuffix(trimmed, "/installed") {
				o.versions = append(o.versions, v)
				version = ""
			}
		case strings.HasPrefix(line, "  ") && strings.HasSuffix(trimmed, ":") && len(strings.Fields(trimmed)) == 1:
			version = strings.TrimSuffix(trimmed, ":")
		}
	}
	return o
}

func (a apk) updates(ctx context.Context) (found, held []update, err error) {
	out, err := a.exec(ctx, "list", "--upgradable")
	if err != nil {
		return nil, nil, err
	}
	list, err := parseApkList(out.stdout)
	if err != nil {
		return nil, nil, err
	}
	pins, err := a.pins()
	for _, row := range list {
		u := update{name: row.name, old: row.from, new: row.evr.String()}
		switch pin := pins[row.name]; {
		case row.from == "":
		case strings.HasPrefix(pin, "="):
			held = append(held, u)
		default:
			found = append(found, u)
		}
	}
	return found, held, err
}

// held is for a package that is pinned to one version. Looser pins leave apk something to choose.
func (a apk) held(_ context.Context, name string) (string, error) {
	pins, err := a.pins()
	if !strings.HasPrefix(pins[name], "=") {
		return "", err
	}
	return byPin(name, pins[name]), err
}

func byPin(name, pin string) string { return "the pin " + name + pin + " in apk's world" }

func (a apk) newest(ctx context.Context, name string, here pkg) (v evr, by string, err error) {
	o, err := a.offers(ctx, name)
	if err != nil || !newer(version.Alpine, first(o.versions), here.evr) {
		return first(o.versions), "", err
	}
	pins, err := a.pins()
	if pin := pins[name]; pin != "" {
		by = byPin(name, pin)
	}
	return o.versions[0], by, err
}

// pins are the versions, as =1.2-r0, ~1.2 or <2, that apk's world has behind names. World is the list of what somebody
// asked for; what stands behind an @ there names a repository.
func (a apk) pins() (map[string]string, error) {
	text, err := os.ReadFile(a.world)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	pins := map[string]string{}
	for word := range strings.FieldsSeq(string(text)) {
		if i := strings.IndexAny(word, "=<>~"); i > 0 {
			name, _, _ := strings.Cut(word[:i], "@")
			pins[name] = word[i:]
		}
	}
	return pins, err
}

// providers reads rows that begin with the name in angle brackets.
//
//	<mail-transport> postfix-3.8.5-r0 x86_64 {postfix} (IPL-1.0)
func (a apk) providers(ctx context.Context, name string) ([]string, error) {
	out, err := a.exec(ctx, "list", "--providers", "--", name)
	if err != nil {
		return nil, err
	}
	list, err := parseApkList(strings.ReplaceAll(out.stdout, "<"+name+"> ", ""))
	var names []string
	for _, row := range list {
		if row.name != name {
			names = append(names, row.name)
		}
	}
	return names, err
}

func (a apk) names(ctx context.Context) ([]string, error) {
	out, err := a.exec(ctx, "search", "-q")
	return strings.Fields(out.stdout), err
}

func (a apk) refresh(ctx context.Context) error { return a.change(ctx, "update") }

func (a apk) install(ctx context.Context, name, version string) error {
	if version != "" {
		name += "=" + version // stays in /etc/apk/world, so that upgrades keep it
	}
	return a.change(ctx, "add", "--", name)
}

// upgrade uses fix: add would put the package into /etc/apk/world and drop its pin, and upgrade takes a name only in
// newer versions and upgrades everything in older ones.
func (a apk) upgrade(ctx context.Context, name string) error {
	return a.change(ctx, "fix", "--upgrade", "--", name)
}

func (a apk) remove(ctx context.Context, name string, purge bool) error {
	if purge {
		return a.change(ctx, "del", "--purge", "--", name)
	}
	return a.change(ctx, "del", "--", name)
}

func (a apk) change(ctx context.Context, args ...string) error {
	_, err := a.exec(ctx, args...)
	return mayBeHalfDone(err, "apk fix")
}

// exec runs apk, whose database lock is waited for by --wait.
func (a apk) exec(ctx context.Context, args ...string) (output, error) {
	c := command{argv: append(append([]string{"apk"}, a.global...),
		"--no-progress", "--wait", strconv.Itoa(lockSeconds(ctx)))}
	c.argv = append(c.argv, args...)
	out, err := whenUnlocked(ctx, a.run, c, apkLocked)
	if err == nil && out.code != 0 {
		err = apkFailure(c, out)
	}
	return out, err
}

// apkLocked is true where waiting helps, which it does not on a read-only disk or without permission.
func apkLocked(out output) bool {
	text := strings.ToLower(out.stderr + out.stdout)
	return out.code != 0 && strings.Contains(text, "unable to lock database: resource temporarily unavailable")
}

// apkFailure adds the lines below "ERROR: unable to select packages:", which hold the reason.
func apkFailure(c command, out output) error {
	text := out.stderr
	if !strings.Contains(text, "ERROR:") {
		text = out.stdout
	}
	if _, why, ok := strings.Cut(text, "ERROR: "); ok {
		return fmt.Errorf("apk: %s", oneLine(why))
	}
	return failure(c, out)
}
