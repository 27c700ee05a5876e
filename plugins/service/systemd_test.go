package service

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fleet/internal/bubble"
	"fleet/plugins/plugin"
)

// fakeBus is a systemd in memory: units are their properties, jobs change them as systemd does.
type fakeBus struct {
	mu       sync.Mutex
	root     string // of the unit files, for suggestions
	units    map[string]map[string]any
	aliases  map[string]string // links to units, made by enabling and removed by disabling
	moved    bool              // the [Install] section changed since the unit was enabled
	starts   int
	closed   int
	onJob    func(verb string, props map[string]any) (result string, err error) // nil: jobs succeed
	onReread func() error
}

func newFakeBus(units ...string) *fakeBus {
	b := &fakeBus{units: map[string]map[string]any{}}
	for _, unit := range units {
		b.units[unit] = map[string]any{
			"Id": unit, "LoadState": "loaded", "ActiveState": "inactive", "SubState": "dead", "UnitFileState": "disabled",
			"MainPID": uint32(0), "Result": "success", "CanReload": true, "CanStart": true, "ConditionResult": true,
			"InvocationID": []byte{}, "ActiveEnterTimestamp": uint64(0), "ExecMainCode": int32(0), "ExecMainStatus": int32(0),
			"ExecMainExitTimestamp": uint64(0), "NeedDaemonReload": false,
		}
	}
	return b
}

func (b *fakeBus) plugin() *Plugin {
	return newPlugin(func(context.Context) (manager, error) { return &systemd{bus: b, root: b.root}, nil })
}

func (b *fakeBus) set(unit string, props map[string]any) { maps.Copy(b.units[unit], props) }

func (b *fakeBus) close() { b.mu.Lock(); b.closed++; b.mu.Unlock() }

func (b *fakeBus) properties(_ context.Context, unit string) (map[string]any, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if props, ok := b.units[cmp.Or(b.aliases[unit], unit)]; ok {
		return maps.Clone(props), nil
	}
	return map[string]any{"Id": unit, "LoadState": "not-found", "ActiveState": "inactive", "SubState": "dead"}, nil
}

func (b *fakeBus) job(ctx context.Context, verb, unit string) (string, bool, error) {
	if unit == "sleeper.service" {
		<-ctx.Done()
		return "", false, ctx.Err()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	props := b.units[unit]
	if b.onJob != nil {
		result, err := b.onJob(verb, props)
		return result, props["ConditionResult"] == false, err
	}
	if unit == "breaker.service" && verb != "stop" {
		fail(props)
		return "failed", false, nil
	}
	if verb == "stop" {
		maps.Copy(props, map[string]any{"ActiveState": "inactive", "SubState": "dead", "MainPID": uint32(0)})
		return "done", false, nil
	}
	if verb != "reload" {
		b.starts++
		up(props, b.starts)
	}
	return "done", false, nil
}

func up(props map[string]any, n int) {
	maps.Copy(props, map[string]any{
		"ActiveState": "active", "SubState": "running", "MainPID": uint32(100 + n), "InvocationID": []byte{byte(n)},
		"ActiveEnterTimestamp": uint64(1_780_000_000_000_000 + n), "ConditionTimestamp": uint64(n),
	})
}

func fail(props map[string]any) {
	maps.Copy(props, map[string]any{
		"ActiveState": "failed", "SubState": "failed", "Result": "exit-code", "MainPID": uint32(0),
		"ExecMainCode": int32(1), "ExecMainStatus": int32(78), "ExecMainExitTimestamp": uint64(1),
	})
}

func (b *fakeBus) enable(_ context.Context, unit string, on, _ bool) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	maps.DeleteFunc(b.aliases, func(_, of string) bool { return of == unit && !on })
	was, now := b.units[unit]["UnitFileState"], map[bool]string{true: enabled, false: disabled}[on]
	if b.units[unit]["UnitFileState"] = now; was == now && !b.moved {
		return 0, nil
	}
	b.moved = false
	return 1, nil
}

func (b *fakeBus) reread(context.Context) error {
	if b.onReread != nil {
		return b.onReread()
	}
	return nil
}

func TestContractSystemdWithAFakeBus(t *testing.T) {
	b := newFakeBus("napper.service", "napper-2.service", "cron-like.service", "breaker.service", "sleeper.service")
	b.root = unitRoot(t, b)
	contract(t, b.plugin())
	if b.closed == 0 {
		t.Error("the bus is never closed")
	}
}

// unitRoot is a root with files for the bus's units, a template and a target.
func unitRoot(t *testing.T, b *fakeBus) string {
	root := t.TempDir()
	dir := filepath.Join(root, "lib/systemd/system")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, unit := range append(slices.Collect(maps.Keys(b.units)), "nappr@.service", "nappr.target") {
		if err := os.WriteFile(filepath.Join(dir, unit), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestUnitName(t *testing.T) {
	for name, want := range map[string]string{
		"nginx": "nginx.service", "nginx.service": "nginx.service", "apt-daily.timer": "apt-daily.timer", "ssh.socket": "ssh.socket",
		"php8.2-fpm": "php8.2-fpm.service", "getty@tty1": "getty@tty1.service", "a.path": "a.path",
		"getty@": "", "getty@.service": "", "poweroff.target": "", "home.mount": "", "user.slice": "",
	} {
		got, err := unitName(name)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("unitName(%q) = %q, %v; want %q", name, got, err, want)
		}
	}
}

// Each case changes one unit's properties, or what a job does to them, and does one action.
func TestSystemd(t *testing.T) {
	active := map[string]any{"ActiveState": "active", "SubState": "running", "MainPID": uint32(7), "InvocationID": []byte{7}}
	with := func(base map[string]any, more ...any) map[string]any {
		m := maps.Clone(base)
		if m == nil {
			m = map[string]any{}
		}
		for i := 0; i < len(more); i += 2 {
			m[more[i].(string)] = more[i+1]
		}
		return m
	}
	becomes := func(result string, props map[string]any) func(string, map[string]any) (string, error) {
		return func(_ string, p map[string]any) (string, error) { maps.Copy(p, props); return result, nil }
	}
	failing := with(nil, "ActiveState", "failed", "SubState", "failed", "Result", "exit-code", "MainPID", uint32(0), "ExecMainCode", int32(1), "ExecMainStatus", int32(78))
	tests := []struct {
		name    string
		unit    map[string]any
		job     func(string, map[string]any) (string, error)
		action  string
		state   plugin.State
		message string
		data    map[string]any
	}{
		{"a failed unit's status is ok, its state failed", failing, nil, "status", plugin.OK, "failed (exit status 78), disabled",
			map[string]any{outState: failed, outResult: "exit-code", outExitStatus: int64(78)}},
		{"killed by a signal", with(failing, "Result", "signal", "ExecMainCode", int32(2), "ExecMainStatus", int32(9)), nil, "status", plugin.OK,
			"failed (signal 9), disabled", map[string]any{outResult: "signal", outExitStatus: int64(9)}},
		{"a timeout without a status", with(failing, "Result", "timeout", "ExecMainCode", int32(0), "ExecMainStatus", int32(0)), nil, "status", plugin.OK,
			"failed (timeout), disabled", map[string]any{outExitStatus: nil}},
		{"the command before the main one failed", with(failing, "ExecMainCode", int32(0), "ExecMainStatus", int32(0), "ExecStartPre", [][]any{
			{"/bin/true", nil, false, 0, 0, 0, 0, uint32(5), int32(1), int32(0)}, {"/usr/sbin/nginx", nil, false, 0, 0, 0, 0, uint32(6), int32(1), int32(1)}, {"short"},
		}), nil, "status", plugin.OK, "failed (exit status 1), disabled", map[string]any{outExitStatus: int64(1)}},
		{"a oneshot that is done is running as exited", with(active, "SubState", "exited", "MainPID", uint32(0), "UnitFileState", "static"), nil, "status",
			plugin.OK, "running (exited), static", map[string]any{outPID: nil, outEnabled: "static"}},
		{"between two tries", with(nil, "ActiveState", "activating", "SubState", "auto-restart", "Result", ""), nil, "status", plugin.OK,
			"starting (auto-restart), disabled", nil},
		{"between two tries it tells how the last one ended", with(failing, "ActiveState", "activating", "SubState", "auto-restart"), nil, "status", plugin.OK,
			"starting (auto-restart, exit status 78), disabled", map[string]any{outExitStatus: int64(78)}},
		{"indirect stays indirect", with(active, "UnitFileState", "indirect"), nil, "status", plugin.OK, "running, indirect", nil},
		{"a changed unit file is told", with(active, "NeedDaemonReload", true), nil, "status", plugin.OK,
			"running, disabled; its unit file has changed since systemd read it: systemctl daemon-reload", nil},
		{"its unit file is gone but it runs", with(active, "LoadState", "not-found", "UnitFileState", ""), nil, "status", plugin.OK, "running, unknown", nil},
		{"its unit file is gone and it failed", with(failing, "LoadState", "not-found"), nil, "status", plugin.Skipped, "no service web on this host", nil},

		{"start of a masked unit", with(nil, "LoadState", "masked", "UnitFileState", "masked"), nil, "start", plugin.Failed,
			"cannot start web: it is masked on this host; whoever masked it did not want it to start (systemctl unmask)", nil},
		{"enable of a masked unit", with(nil, "LoadState", "masked", "UnitFileState", "masked"), nil, "enable", plugin.Failed, "cannot enable web: it is masked", nil},
		{"disable of a masked unit", with(nil, "LoadState", "masked", "UnitFileState", "masked"), nil, "disable", plugin.Unchanged, "not enabled: it is masked", nil},
		{"a broken unit file", with(nil, "LoadState", "bad-setting", "LoadError", []any{"org.x", "Unit has a bad unit file setting."}), nil, "start", plugin.Failed,
			"cannot start web: its unit file cannot be used: Unit has a bad unit file setting.", nil},
		{"only for other units", with(nil, "RefuseManualStart", true, "CanStart", false), nil, "start", plugin.Failed, "may only be started by other units", nil},
		{"no reload", with(active, "CanReload", false), nil, "reload", plugin.Failed, "its unit has no reload; restart it instead", nil},
		{"enable of a static unit", with(active, "UnitFileState", "static"), nil, "enable", plugin.Failed, "it is static: web.service has no [Install] section", nil},
		{"disable of a static unit", with(active, "UnitFileState", "static"), nil, "disable", plugin.Unchanged, "not enabled: it is static", nil},
		{"enabled until the next boot is not enabled for good", with(active, "UnitFileState", "enabled-runtime"), nil, "enable", plugin.OK, "enabled",
			map[string]any{outPrevious: "enabled-runtime", outEnabled: enabled}},

		{"restart tells both pids", active, becomes("done", with(active, "MainPID", uint32(8), "InvocationID", []byte{8})), "restart", plugin.OK, "restarted",
			map[string]any{outPreviousPID: int64(7), outPID: int64(8)}},
		{"a restart with the same pid but a new run is one", active, becomes("done", with(active, "InvocationID", []byte{8})), "restart", plugin.OK, "restarted", nil},
		{"a restart that kept the run is none", active, becomes("done", nil), "restart", plugin.Failed, "its old process still runs; look at: journalctl -u web.service", nil},
		{"a failed restart says why and where to look", active, becomes("failed", failing), "restart", plugin.Failed,
			`restart of web failed: systemd's job ended with "failed"; it is failed (exit status 78), disabled; look at: journalctl -u web.service`,
			map[string]any{outState: failed, outPrevious: running, outExitStatus: int64(78)}},
		{"it dies right after the start", nil, becomes("done", failing), "start", plugin.Failed, "web is failed (exit status 78), disabled after start", nil},
		{"it crashes again and again", nil, becomes("done", with(failing, "ActiveState", "activating", "SubState", "auto-restart")), "start", plugin.Failed,
			"web is starting (auto-restart, exit status 78), disabled after start", nil},
		{"a oneshot has ended", nil, becomes("done", nil), "start", plugin.OK,
			"started; it has ended already, without an error", map[string]any{outState: stopped}},
		{"a condition does not hold", nil, becomes("done", with(nil, "ConditionResult", false)), "start", plugin.Skipped,
			"a condition in its unit does not hold", nil},
		{"a needed unit fails", nil, becomes("dependency", nil), "start", plugin.Failed, "a unit that it needs did not start", nil},
		{"systemd refuses", nil, func(string, map[string]any) (string, error) { return "", errors.New("Permission denied") }, "start", plugin.Failed,
			"start of web failed: Permission denied; it is stopped, disabled", nil},
		{"stop of what does not end well", active, becomes("done", failing), "stop", plugin.OK, "stopped, but it did not end well: failed (exit status 78)", nil},
		{"stop of a failed one", failing, nil, "stop", plugin.Unchanged, "already failed (exit status 78), disabled", nil},
		{"a simple service has to stay up", nil, becomes("done", with(active, "Type", "simple")), "start", plugin.OK, "started", nil},
		{"start of a failed one", failing, becomes("done", active), "start", plugin.OK, "started", map[string]any{outPrevious: failed}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				b := newFakeBus("web.service")
				b.set("web.service", tt.unit)
				b.onJob = tt.job
				res := act(t, t.Context(), b.plugin(), tt.action, "web")
				if res.State != tt.state || !strings.Contains(res.Message, tt.message) {
					t.Fatalf("%s, %q; want %s, %q", res.State, res.Message, tt.state, tt.message)
				}
				for name, want := range tt.data {
					if res.Data[name] != want {
						t.Errorf("%s is %v, want %v", name, res.Data[name], want)
					}
				}
				if b.closed != 1 {
					t.Errorf("the bus is closed %d times", b.closed)
				}
			})
		})
	}
}

// An alias goes with the unit it is of: what is done through it is looked at by the unit's own name.
func TestSystemdByAlias(t *testing.T) {
	b := newFakeBus("mariadb.service")
	b.aliases = map[string]string{"mysql.service": "mariadb.service"}
	b.set("mariadb.service", map[string]any{"UnitFileState": enabled})
	p := b.plugin()
	for _, step := range []struct{ action, message string }{
		{"start", "started"}, {"restart", "restarted"}, {"stop", "stopped"}, {"disable", "disabled (mysql is mariadb.service)"},
	} {
		if res := act(t, t.Context(), p, step.action, "mysql"); res.State != plugin.OK || res.Message != step.message {
			t.Errorf("%s through the alias: %s, %q; want %q", step.action, res.State, res.Message, step.message)
		}
	}
	if res := act(t, t.Context(), p, "status", "mariadb"); res.Data[outEnabled] != disabled {
		t.Errorf("it is %v", res.Data[outEnabled])
	}
}

// What is enabled by an older [Install] section is enabled anew: as it is, it may not start at boot.
func TestSystemdInstallSectionChanged(t *testing.T) {
	b := newFakeBus("web.service")
	b.moved = true
	b.set("web.service", map[string]any{"UnitFileState": enabled})
	p := b.plugin()
	res := act(t, t.Context(), p, "enable", "web")
	if res.State != plugin.OK || res.Message != "enabled anew: what its unit file installs had changed since it was enabled" {
		t.Errorf("got %s, %q", res.State, res.Message)
	}
	if res := act(t, t.Context(), p, "enable", "web"); res.State != plugin.Unchanged || res.Message != "already enabled" {
		t.Errorf("again: %s, %q", res.State, res.Message)
	}
}

// Escaped names are found as they stand, as they read, and as a shell leaves them that took the backslash away.
func TestSystemdEscapedNames(t *testing.T) {
	const spaces, dash, instance = `vsts.agent.acme.with\x20spaces.service`, `my\x2dvpn.service`, `systemd-cryptsetup@luks\x2dhome.service`
	b := newFakeBus(spaces, dash, instance, "plain-name.service", `plain\x2dname.service`)
	b.root = unitRoot(t, b)
	p := b.plugin()
	for name, want := range map[string]string{
		spaces: spaces, strings.TrimSuffix(spaces, ".service"): spaces, "vsts.agent.acme.with spaces": spaces, "vsts.agent.acme.withx20spaces.service": spaces,
		`my\x2dvpn`: dash, "my-vpn": dash, "my-vpn.service": dash, "myx2dvpn": dash,
		`systemd-cryptsetup@luks\x2dhome`: instance, "systemd-cryptsetup@luks-home": instance,
		"plain-name": "plain-name.service", "my vpn": "", "myvpn": "",
	} {
		m := &systemd{bus: b, root: b.root}
		st, err := m.look(t.Context(), name)
		if st.ID != want || want == "" && !errors.Is(err, errAbsent) {
			t.Errorf("%s is %q, %v; want %q", name, st.ID, err, want)
		}
		if res := act(t, t.Context(), p, "start", name); want != "" && res.State != plugin.OK && res.State != plugin.Unchanged {
			t.Errorf("start %s: %s, %q", name, res.State, res.Message)
		}
	}
}

func TestSystemdComesUpAfterACrash(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		b := newFakeBus("web.service")
		b.onJob = func(_ string, props map[string]any) (string, error) {
			maps.Copy(props, map[string]any{"ActiveState": "activating", "SubState": "auto-restart"})
			time.AfterFunc(400*time.Millisecond, func() { b.mu.Lock(); up(props, 2); b.mu.Unlock() })
			return "done", nil
		}
		if res := act(t, t.Context(), b.plugin(), "start", "web"); res.State != plugin.OK {
			t.Errorf("got %v", res)
		}
	})
}

// A crash loop whose process is new at each look is no start, though it runs whenever one looks.
func TestSystemdDoesNotStayUp(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		b := newFakeBus("web.service")
		b.onJob = func(_ string, props map[string]any) (string, error) {
			props["Type"] = "simple"
			for n := range 100 {
				time.AfterFunc(time.Duration(n)*90*time.Millisecond, func() { b.mu.Lock(); up(props, n+1); b.mu.Unlock() })
			}
			up(props, 0)
			return "done", nil
		}
		res := act(t, t.Context(), b.plugin(), "start", "web")
		if res.State != plugin.Failed || !strings.Contains(res.Message, "web does not stay up after start") {
			t.Errorf("got %v", res)
		}
	})
}

func TestSystemdSince(t *testing.T) {
	at := func(n uint64) uint64 { return 1_780_000_000_000_000 + n*1_000_000 }
	props := map[string]any{
		"ActiveEnterTimestamp": at(1), "InactiveEnterTimestamp": at(2), "InactiveExitTimestamp": at(3), "ActiveExitTimestamp": at(4),
	}
	for active, want := range map[string]int64{"active": 1, "reloading": 1, "inactive": 2, "failed": 2, "activating": 3, "deactivating": 4} {
		if got := unitSince(props, active); got.Unix() != 1_780_000_000+want {
			t.Errorf("%s since %v", active, got)
		}
	}
	if got := unitSince(nil, "active"); !got.IsZero() {
		t.Errorf("no timestamp gives %v", got)
	}
}

func TestSystemdUnreachable(t *testing.T) {
	p := newPlugin(func(context.Context) (manager, error) {
		return nil, fmt.Errorf("cannot reach systemd over D-Bus: no such file")
	})
	if res := act(t, t.Context(), p, "status", "web"); res.State != plugin.Failed || !strings.Contains(res.Message, "cannot reach systemd") {
		t.Errorf("got %v", res)
	}
	if _, err := p.Query(t.Context(), "web"); err == nil {
		t.Error("the data function answers without systemd")
	}
}
