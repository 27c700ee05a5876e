package service

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// openrc steers OpenRC's services with its own programs, found below root.
type openrc struct{ root string }

func (o openrc) close() {}

// maxNames bounds the list of services read from OpenRC.
const maxNames = 2000

func (o openrc) run(ctx context.Context, tool string, args ...string) (string, int, error) {
	program := findTool(o.root, tool)
	if program == "" {
		return "", 0, fmt.Errorf("this host runs OpenRC, but has no %s", tool)
	}
	return command(ctx, append([]string{program}, args...)...)
}

func (o openrc) look(ctx context.Context, name string) (status, error) {
	_, code, err := o.run(ctx, "rc-service", "--exists", name)
	switch {
	case err != nil:
		return status{}, err
	case code != 0, machinery(name):
		return status{}, errAbsent
	}
	output, code, err := o.run(ctx, "rc-service", name, "status")
	if err != nil {
		return status{}, err
	}
	st := parseRCStatus(output, code)
	levels, err := o.levels(ctx, name)
	if err != nil {
		return status{}, err
	}
	st.Enabled = disabled
	if len(levels) > 0 {
		st.Enabled = enabled
	}
	script := filepath.Join(o.root, "/etc/init.d", name)
	sysv(o).findProcess(ctx, &st, name)
	if link, err := os.Lstat(filepath.Join(o.root, "/run/openrc/started", name)); err == nil && st.State == running && st.Since.IsZero() {
		st.Since = link.ModTime() // OpenRC makes the link when the service has started
	}
	st.LookAt = "the service's own log, or by hand: " + script + " start"
	return st, nil
}

// parseRCStatus reads what `rc-service NAME status` answered: " * status: started" and its exit code from OpenRC's
// own services; scripts of SysV's kind answer as they do there.
func parseRCStatus(output string, code int) status {
	for line := range strings.Lines(output) {
		line = strings.TrimSpace(strings.TrimLeft(strings.TrimSpace(line), "*"))
		word, ok := strings.CutPrefix(line, "status:")
		if !ok {
			continue
		}
		st := status{ExitStatus: -1, Refused: map[string]string{}}
		st.Substate, _, _ = strings.Cut(strings.TrimSpace(word), " ")
		st.State = rcState(st.Substate)
		if st.State == unknown {
			st.Substate = ""
		}
		return st
	}
	switch code { // OpenRC's RC_SERVICE codes beyond those of the Linux Standard Base
	case 8:
		return status{State: starting, ExitStatus: -1, Refused: map[string]string{}}
	case 16, 32:
		return status{State: map[int]string{16: stopped, 32: failed}[code], ExitStatus: -1, Refused: map[string]string{}}
	}
	return parseStatus(output, code)
}

func rcState(word string) string {
	switch word {
	case "started":
		return running
	case "stopped", "inactive", "scheduled":
		return stopped
	case "crashed", "failed", "unsupervised":
		return failed
	case "starting":
		return starting
	case "stopping":
		return stopping
	}
	return unknown
}

func (o openrc) act(ctx context.Context, verb, name string) error {
	output, code, err := o.run(ctx, "rc-service", name, verb)
	switch {
	case err != nil:
		return err
	case code != 0 && (saysUsage().MatchString(output) || strings.Contains(output, "unknown function")):
		return fmt.Errorf("its script has no %s", verb)
	case code != 0:
		return complaint("rc-service", output, code)
	}
	return nil
}

// levels returns the runlevels in which the host works and the service starts.
func (o openrc) levels(ctx context.Context, name string) ([]string, error) {
	output, code, err := o.run(ctx, "rc-update", "--verbose", "show")
	if err != nil {
		return nil, err
	}
	if code != 0 {
		return nil, complaint("rc-update", output, code)
	}
	return parseRCUpdate(output, name), nil
}

// parseRCUpdate finds the runlevels of a service in the lines of `rc-update show`: "  cron |  default  boot", but for
// those in which a host is about to stop or be mended.
func parseRCUpdate(output, name string) []string {
	var levels []string
	for line := range strings.Lines(output) {
		left, right, ok := strings.Cut(line, "|")
		if !ok || strings.TrimSpace(left) != name {
			continue
		}
		for _, level := range strings.Fields(right) {
			if !slices.Contains([]string{"off", "shutdown", "reboot", "recovery", "single", "nonetwork"}, level) {
				levels = append(levels, level)
			}
		}
	}
	return levels
}

func (o openrc) enable(ctx context.Context, name string, on bool) (bool, error) {
	levels, err := o.levels(ctx, name)
	if err != nil || on == (len(levels) > 0) {
		return false, err
	}
	verb := "del"
	if on {
		verb, levels = "add", []string{"default"}
	}
	var errs []error
	for _, level := range levels {
		output, code, err := o.run(ctx, "rc-update", verb, name, level)
		if err == nil && code != 0 {
			err = complaint("rc-update", output, code)
		}
		errs = append(errs, err)
	}
	return true, errors.Join(errs...)
}

func (o openrc) names(ctx context.Context) ([]string, error) {
	output, code, err := o.run(ctx, "rc-service", "--list")
	if err != nil || code != 0 {
		return nil, errors.Join(err, fmt.Errorf("rc-service --list ended with exit status %d", code))
	}
	names := strings.Fields(output)
	names = slices.DeleteFunc(names, machinery)
	return names[:min(len(names), maxNames)], nil
}
