package service

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"
)

// systemd steers units over D-Bus.
type systemd struct {
	bus  bus
	root string // "/" but in tests
	sysv sysv   // systemd leaves the boot links of /etc/init.d scripts to the tools of old, so do we

	// What became of the start or restart done on this connection. Systemd itself forgets a unit without a process as
	// soon as nothing refers to it, and then answers as if it had never run.
	started, unmet bool
}

// bus is what is needed of systemd's manager on D-Bus.
type bus interface {
	// properties returns all properties of a unit, loading it if need be. A unit without a file has LoadState not-found.
	properties(ctx context.Context, unit string) (map[string]any, error)
	// job queues start, stop, restart or reload and blocks until the job is gone; the result is systemd's word: done,
	// failed, timeout, canceled, dependency, skipped, ... Unmet says that a condition of the unit did not hold, in which
	// case systemd does nothing and calls it done.
	job(ctx context.Context, verb, unit string) (result string, unmet bool, err error)
	// enable enables or disables a unit file, for good or until the next boot, and returns how many links changed.
	enable(ctx context.Context, unit string, on, runtime bool) (changes int, err error)
	// reread makes systemd read all unit files again.
	reread(ctx context.Context) error
	close()
}

func (s *systemd) close() { s.bus.close() }

// look finds a unit by its name, by an alias, and, if there is none of that name, by what its escapes stand for.
func (s *systemd) look(ctx context.Context, name string) (status, error) {
	unit, err := unitName(name)
	if err != nil {
		return status{}, err
	}
	st, err := s.lookAt(ctx, unit)
	if errors.Is(err, errAbsent) {
		if escaped := s.escaped(ctx, unit); escaped != "" {
			return s.lookAt(ctx, escaped)
		}
	}
	return st, err
}

func (s *systemd) lookAt(ctx context.Context, unit string) (status, error) {
	props, err := s.bus.properties(ctx, unit)
	if err != nil {
		return status{}, fmt.Errorf("asking systemd for %s: %w", unit, err)
	}
	st, err := unitStatus(props)
	if err != nil {
		return status{}, err
	}
	if st.ID = text(props, "Id"); st.ID != "" {
		unit = st.ID
	}
	st.LookAt = "journalctl -u " + unit
	if strings.Contains(unit, `\`) {
		st.LookAt = "journalctl -u '" + unit + "'"
	}
	if st.State == stopped && s.started {
		st.Skipped, st.Ended = s.unmet, !s.unmet
	}
	if script, ok := initScript(props); ok {
		st.Enabled = s.sysv.enabled(script)
	} else {
		refuseEnabling(st, unit)
	}
	return st, nil
}

// unitStatus reads a unit's properties. A unit without a file is absent unless something of it still runs.
func unitStatus(props map[string]any) (status, error) {
	load, active := text(props, "LoadState"), text(props, "ActiveState")
	if active == "" {
		return status{}, fmt.Errorf("systemd answered without an ActiveState")
	}
	if load == "not-found" && (active == "inactive" || active == "failed") {
		return status{}, errAbsent
	}
	st := status{
		State: unitState(active), Substate: text(props, "SubState"), Enabled: text(props, "UnitFileState"),
		PID: number(props, "MainPID"), Since: unitSince(props, active), Run: runID(props),
		ExitStatus: -1, Refused: map[string]string{},
	}
	st.Stale, _ = props["NeedDaemonReload"].(bool)
	if st.Enabled == "" {
		st.Enabled = unknown
	}
	if st.State == failed || st.Substate == "auto-restart" {
		st.Result = text(props, "Result")
		st.ExitStatus = exitStatus(props)
	}
	// A notify, dbus, forking or oneshot service tells when it is up; others count as up once they have a process.
	kind := text(props, "Type")
	st.Unproven = st.PID > 0 && (kind == "simple" || kind == "exec" || kind == "idle")
	refuseStarting(st, load, props)
	return st, nil
}

func unitState(active string) string {
	switch active {
	case "active", "reloading", "refreshing":
		return running
	case "inactive":
		return stopped
	case "failed":
		return failed
	case "activating":
		return starting
	case "deactivating":
		return stopping
	}
	return unknown
}

// unitSince is when the unit came into its state, by the same timestamps that systemctl status shows.
func unitSince(props map[string]any, active string) time.Time {
	stamp := map[string]string{
		"active": "ActiveEnterTimestamp", "reloading": "ActiveEnterTimestamp", "refreshing": "ActiveEnterTimestamp",
		"inactive": "InactiveEnterTimestamp", "failed": "InactiveEnterTimestamp",
		"activating": "InactiveExitTimestamp", "deactivating": "ActiveExitTimestamp",
	}[active]
	if us := number(props, stamp); us > 0 {
		return time.UnixMicro(us)
	}
	return time.Time{}
}

// runID differs for each start of the unit; a unit that is not up has none that counts.
func runID(props map[string]any) string {
	id, _ := props["InvocationID"].([]byte)
	return hex.EncodeToString(id)
}

// exitStatus is that of the main process or, if the unit did not get that far, of the command before it that failed,
// as nginx -t does for a broken configuration; -1 if there is none.
func exitStatus(props map[string]any) int64 {
	if number(props, "ExecMainCode") != 0 { // 0: it has not exited
		return number(props, "ExecMainStatus")
	}
	const code, exit = 8, 9 // fields of a(sasbttttuii): ..., pid, CLD_ code, status
	commands, _ := props["ExecStartPre"].([][]any)
	for _, c := range commands {
		if len(c) <= exit {
			continue
		}
		if how, _ := c[code].(int32); how == 0 {
			continue
		}
		if n, _ := c[exit].(int32); n != 0 {
			return int64(n)
		}
	}
	return -1
}

func refuseStarting(st status, load string, props map[string]any) {
	switch load {
	case "masked":
		for _, verb := range []string{"start", "restart", "reload"} {
			st.Refused[verb] = "it is masked on this host; whoever masked it did not want it to start (systemctl unmask)"
		}
	case "error", "bad-setting":
		why := "its unit file cannot be used"
		if e, _ := props["LoadError"].([]any); len(e) == 2 && e[1] != "" {
			why = fmt.Sprintf("%s: %v", why, e[1])
		}
		for _, verb := range []string{"start", "restart"} {
			st.Refused[verb] = why
		}
	}
	refuse := func(verb, property, why string) {
		if can, known := props[property].(bool); known && !can && st.Refused[verb] == "" {
			st.Refused[verb] = why
		}
	}
	refuse("reload", "CanReload", "its unit has no reload; restart it instead")
	if yes, _ := props["RefuseManualStart"].(bool); yes {
		refuse("start", "CanStart", "its unit may only be started by other units")
	}
	if yes, _ := props["RefuseManualStop"].(bool); yes {
		refuse("stop", "CanStop", "its unit may not be stopped by hand")
	}
}

// refuseEnabling notes which unit files have nothing that could be enabled. Others are left to systemd.
func refuseEnabling(st status, unit string) {
	why := map[string]string{
		"static":         "it is static: " + unit + " has no [Install] section, other units start it",
		"masked":         "it is masked on this host (systemctl unmask)",
		"masked-runtime": "it is masked on this host until the next boot (systemctl unmask)",
		"generated":      "it is generated from other configuration, which decides",
		"transient":      "it was made at run time and has no unit file",
	}[st.Enabled]
	if why != "" {
		st.Refused["enable"], st.Refused["disable"] = why, why
	}
}

// initScript returns the name of the /etc/init.d script that a unit was generated from.
func initScript(props map[string]any) (string, bool) {
	source := text(props, "SourcePath")
	if text(props, "UnitFileState") != "generated" || path.Dir(source) != "/etc/init.d" {
		return "", false
	}
	return path.Base(source), true
}

func (s *systemd) act(ctx context.Context, verb, name string) error {
	unit, err := unitName(name)
	if err != nil {
		return err
	}
	result, unmet, err := s.bus.job(ctx, verb, unit)
	if err != nil {
		return err
	}
	switch result {
	case "done", "skipped":
		s.started, s.unmet = verb == "start" || verb == "restart", unmet || result == "skipped"
		return nil
	case "dependency":
		return fmt.Errorf("a unit that it needs did not start")
	case "canceled":
		return fmt.Errorf("another job for it took its place")
	case "assert":
		return fmt.Errorf("an assertion in its unit does not hold")
	}
	return fmt.Errorf("systemd's job ended with %q", result)
}

func (s *systemd) enable(ctx context.Context, name string, on bool) (bool, error) {
	unit, err := unitName(name)
	if err != nil {
		return false, err
	}
	props, err := s.bus.properties(ctx, unit)
	if err != nil {
		return false, err
	}
	changed := true
	if script, ok := initScript(props); ok {
		changed, err = s.sysv.enable(ctx, script, on)
	} else {
		if id := text(props, "Id"); id != "" { // an alias itself cannot be enabled
			unit = id
		}
		runtime := !on && text(props, "UnitFileState") == "enabled-runtime"
		var changes int
		changes, err = s.bus.enable(ctx, unit, on, runtime)
		changed = changes > 0
	}
	if err != nil || !changed {
		return false, err
	}
	if err := s.bus.reread(ctx); err != nil {
		return true, fmt.Errorf("the links are changed, but systemd does not reread its unit files: %w", err)
	}
	return true, nil
}

// text and number read one property; what is missing or of another type is empty.
func text(props map[string]any, name string) string {
	s, _ := props[name].(string)
	return s
}

func number(props map[string]any, name string) int64 {
	switch n := props[name].(type) {
	case uint64: // timestamps; infinity is no number here
		return max(0, int64(n))
	case uint32:
		return int64(n)
	case int32:
		return int64(n)
	}
	return 0
}
