package packages

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fleet/plugins/plugin"
)

// apkRecorded answers by what follows apk's global options.
func apkRecorded(t *testing.T, answers map[string][]output) *Packages {
	world := filepath.Join(t.TempDir(), "world")
	write(t, world, "alpine-base\nbusybox=1.36.1-r5\nopenssl~3.1\n")
	r := withoutWait{&scripted{t: t, answers: answers}}
	return newPackages(apk{run: r, world: world}, slog.New(slog.DiscardHandler))
}

// withoutWait takes "apk --no-progress --wait SECONDS" off: the seconds depend on the time left.
type withoutWait struct{ runner }

func (w withoutWait) run(ctx context.Context, c command) (output, error) {
	if head := c.argv[:3]; !slices.Equal(head, []string{"apk", "--no-progress", "--wait"}) {
		return output{}, fmt.Errorf("apk runs with %q", head)
	}
	c.argv = c.argv[4:]
	return w.runner.run(ctx, c)
}

const (
	opensslOld     = "openssl-3.1.4-r5 x86_64 {openssl} (Apache-2.0) [installed]\n"
	opensslNew     = "openssl-3.1.8-r0 x86_64 {openssl} (Apache-2.0) [installed]\n"
	opensslUpgrade = "openssl-3.1.8-r0 x86_64 {openssl} (Apache-2.0) [upgradable from: openssl-3.1.4-r5]\n"
	opensslPolicy  = "openssl policy:\n  3.1.4-r5:\n    lib/apk/db/installed\n  3.1.8-r0:\n    https://dl-cdn.alpinelinux.org/alpine/v3.19/main\n"
	busyboxOld     = "busybox-1.36.1-r5 x86_64 {busybox} (GPL-2.0-only) [installed]\n"
	busyboxPolicy  = "busybox policy:\n  1.36.1-r5:\n    lib/apk/db/installed\n  1.36.1-r29:\n    https://dl-cdn.alpinelinux.org/alpine/v3.19/main\n"
	nothingThere   = "ERROR: unable to select packages:\n  opensl (no such package):\n    required by: world[opensl]\n"
)

// TestApkRecordedOutput runs the contract's story against answers in the form that apk's source and published logs
// show. No real apk has run: Debian has none.
func TestApkRecordedOutput(t *testing.T) {
	ok, none := output{stdout: "OK: 8 MiB in 16 packages\n"}, output{}
	said := func(text string) output { return output{stdout: text} }
	tests := []struct {
		name    string
		call    plugin.Call
		answers map[string][]output
		state   plugin.State
		message string
		data    map[string]any
	}{
		{"absent", do("status", "openssl"), map[string][]output{"list --installed -- openssl": {none}},
			plugin.OK, "absent", map[string]any{"ensure": "absent", "provider": "apk"}},
		{"installed", do("status", "openssl"), map[string][]output{"list --installed -- openssl": {said(opensslOld)}},
			plugin.OK, "openssl-3.1.4-r5.x86_64", map[string]any{"version": "3.1.4", "release": "r5", "epoch": "0", "arch": "x86_64"}},
		{"install", do("install", "openssl"), map[string][]output{"list --installed -- openssl": {none, said(opensslNew)},
			"policy -- openssl": {said(opensslPolicy)}, "add -- openssl": {ok}},
			plugin.OK, "installed 3.1.8-r0", map[string]any{"old": "absent", "new": "3.1.8-r0", "changed": true}},
		{"install again", do("install", "openssl"), map[string][]output{"list --installed -- openssl": {said(opensslNew)}},
			plugin.Unchanged, "already 3.1.8-r0", nil},
		{"install a version in short", do("install", "openssl", "3.1.8"), map[string][]output{"list --installed -- openssl": {said(opensslOld), said(opensslNew)},
			"policy -- openssl": {said(opensslPolicy)}, "add -- openssl=3.1.8-r0": {ok}},
			plugin.OK, "3.1.4-r5 -> 3.1.8-r0", nil},
		{"update", do("update", "openssl"), map[string][]output{"list --installed -- openssl": {said(opensslOld), said(opensslNew)},
			"update": {ok}, "fix --upgrade -- openssl": {ok}, "policy -- openssl": {said(opensslPolicy)}},
			plugin.OK, "3.1.4-r5 -> 3.1.8-r0", map[string]any{"old": "3.1.4-r5", "new": "3.1.8-r0"}},
		{"nothing newer", do("update", "openssl"), map[string][]output{"list --installed -- openssl": {said(opensslNew)},
			"update": {ok}, "fix --upgrade -- openssl": {ok}, "policy -- openssl": {said(opensslPolicy)}},
			plugin.Unchanged, "already 3.1.8-r0", nil},
		{"pinned in world", do("update", "busybox"), map[string][]output{"list --installed -- busybox": {said(busyboxOld)},
			"update": {ok}, "policy -- busybox": {said(busyboxPolicy)}},
			plugin.Skipped, "held by the pin busybox=1.36.1-r5 in apk's world at 1.36.1-r5; 1.36.1-r29 is available", map[string]any{"held": true}},
		{"no update of what is not here", do("update", "openssl"), map[string][]output{"list --installed -- openssl": {none}},
			plugin.Skipped, "not installed here", nil},
		{"unknown name", do("install", "opensl"), map[string][]output{"list --installed -- opensl": {none},
			"policy -- opensl": {none}, "update": {ok}, "list --providers -- opensl": {none}, "search -q": {said("busybox\nopenssl\nopenssh\n")}},
			plugin.Failed, "no repository of this host has a package opensl; the nearest name is openssl", nil},
		{"a name that others provide", do("install", "mail-transport"), map[string][]output{"list --installed -- mail-transport": {none},
			"policy -- mail-transport": {none}, "update": {ok}, "list --providers -- mail-transport": {said("<mail-transport> postfix-3.8.5-r0 x86_64 {postfix} (IPL-1.0)\n")}},
			plugin.Failed, "no repository of this host has a package mail-transport; it is provided by postfix: ask for one of them by name", nil},
		{"a looser pin", do("update", "openssl"), map[string][]output{"list --installed -- openssl": {said(opensslNew)},
			"update": {ok}, "fix --upgrade -- openssl": {ok}, "policy -- openssl": {said(opensslPolicy + "  3.3.0-r0:\n    https://dl-cdn.alpinelinux.org/alpine/v3.20/main\n")}},
			plugin.Skipped, "held by the pin openssl~3.1 in apk's world at 3.1.8-r0; 3.3.0-r0 is available", nil},
		{"checkupdates says what is pinned", do("checkupdates"), map[string][]output{"list --upgradable": {said(opensslUpgrade +
			"busybox-1.36.1-r29 x86_64 {busybox} (GPL-2.0-only) [upgradable from: busybox-1.36.1-r5]\n")}},
			plugin.OK, "1 update: openssl 3.1.4-r5 -> 3.1.8-r0; 1 update held back: busybox 1.36.1-r5 -> 1.36.1-r29", nil},
		{"apk's own reason", do("install", "openssl"), map[string][]output{"list --installed -- openssl": {none},
			"policy -- openssl": {said(opensslPolicy)}, "add -- openssl": {{code: 1, stderr: nothingThere}}},
			plugin.Failed, "apk: unable to select packages: opensl (no such package): required by: world[opensl]", nil},
		{"uninstall", do("uninstall", "openssl"), map[string][]output{"list --installed -- openssl": {said(opensslNew), none},
			"list --installed": {said(opensslNew + busyboxOld), said(busyboxOld)}, "del -- openssl": {ok}},
			plugin.OK, "removed 3.1.8-r0", nil},
		{"apk keeps what is needed", do("uninstall", "openssl"), map[string][]output{"list --installed -- openssl": {said(opensslNew)},
			"list --installed": {said(opensslNew)}, "del -- openssl": {ok}},
			plugin.Failed, "apk was content, but openssl-3.1.8-r0.x86_64 is still here; other packages may need it", nil},
		{"purge", do("purge", "openssl"), map[string][]output{"list --installed -- openssl": {said(opensslNew), none},
			"list --installed": {said(opensslNew), none}, "del --purge -- openssl": {ok}},
			plugin.OK, "purged 3.1.8-r0", nil},
		{"count", do("count"), map[string][]output{"list --installed": {said("WARNING: opening from cache: No such file\n" + opensslNew + busyboxOld)}},
			plugin.OK, "2 packages", map[string]any{"count": int64(2)}},
		{"checkupdates", do("checkupdates"), map[string][]output{"list --upgradable": {said(opensslUpgrade)}},
			plugin.OK, "1 update: openssl 3.1.4-r5 -> 3.1.8-r0", nil},
		{"refresh", do("refresh"), map[string][]output{"update": {{code: 1, stderr: "ERROR: https://x/main: temporary error (try again later)\n"}}},
			plugin.Failed, "the lists were not all refreshed: apk: https://x/main: temporary error (try again later)", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := apkRecorded(t, tt.answers)
			runStep(t.Context(), t, p, world{}, step{what: tt.name, call: tt.call, state: tt.state, message: tt.message, data: tt.data})
		})
	}
}

func TestApkRecordedOutputOfLock(t *testing.T) {
	for text, want := range map[string]bool{
		"ERROR: Unable to lock database: Resource temporarily unavailable\nERROR: Failed to open apk database: Resource temporarily unavailable\n": true,
		"ERROR: Unable to lock database: Permission denied\nERROR: Failed to open apk database: Permission denied\n":                               false,
		"ERROR: Unable to lock database: Read-only file system\n":                                                                                  false,
	} {
		if got := apkLocked(output{code: 99, stderr: text}); got != want {
			t.Errorf("locked = %t for %q", got, strings.TrimSpace(text))
		}
	}
}
