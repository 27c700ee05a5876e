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
	for _, row := range parseApkList(out.stdout) {
		if row.installed {
			found = append(found, row.pkg)
		}
	}
	return found, nil
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
func parseApkList(text string) []apkRow {
	var found []apkRow
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		f := strings.Fields(line)
		if len(f) < 3 || !strings.HasPrefix(f[2], "{") {
			continue
		}
		m := apkVersion().FindStringSubmatch(f[0])
		if m == nil {
			continue
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
	return found
}

func (a apk) offers(ctx context.Context, name string) (offer, error) {
	out, err := a.exec(ctx, "policy", "--", name)
	if err != nil {
		return offer{}, err
	}
	return parseApkPolicy(out.stdout, name), nil
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

func (a apk) updates(ctx context.Context) ([]update, error) {
	out, err := a.exec(ctx, "list", "--upgradable")
	var found []update
	for _, row := range parseApkList(out.stdout) {
		if row.from != "" {
			found = append(found, update{name: row.name, old: row.from, new: row.evr.String()})
		}
	}
	return found, err
}

// held is true for a package pinned to one version in apk's world, the list of what somebody asked for.
func (a apk) held(_ context.Context, name string) (bool, error) {
	text, err := os.ReadFile(a.world)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	for word := range strings.FieldsSeq(string(text)) {
		if strings.HasPrefix(word, name+"=") {
			return true, nil
		}
	}
	return false, err
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
