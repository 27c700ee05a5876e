package service

import (
	"time"

	"fleet/plugins/plugin"
)

// The outputs' names in Result.Data and in data functions.
const (
	outState         = "state"
	outSubstate      = "substate"
	outEnabled       = "enabled"
	outPID           = "pid"
	outSince         = "since"
	outResult        = "result"
	outExitStatus    = "exit_status"
	outPrevious      = "previous"
	outPreviousPID   = "previous_pid"
	outPreviousSince = "previous_since"
	outNearest       = "nearest"
	outStatus        = "status" // of a data function only: the state, under the name people know
)

// timeLimit is for one action on one host: systemd gives a unit 90 s to start by default, but nearly all need less,
// and an admin who waits wants an answer. The job itself goes on in systemd after that.
const timeLimit = 60 * time.Second

// namePattern admits unit names, also those with escapes as systemd-escape writes them (my\x2dvpn), and spaces, which
// stand for such escapes; but no '-' in front or after a space (an option), no '/' (a path) and no "..". Dots and spaces
// stand alone and never at the end.
const namePattern = `[A-Za-z0-9_](?:[. ]?[A-Za-z0-9@_:\\]|\.?-)*`

// maxName is systemd's limit: an escaped character takes four.
const maxName = 255

// Declaration returns what the plugin says of itself, on every host the same.
func (p *Plugin) Declaration() plugin.Declaration { return Declaration() }

// Declaration is what the plugin "service" says of itself, for those who have no host.
func Declaration() plugin.Declaration {
	return plugin.Declaration{
		Name:        "service",
		Description: "Look at, start, stop, restart, reload, enable and disable services, with systemd, OpenRC or SysV",
		Author:      "the fleet authors",
		Version:     "1.0.0",
		Timeout:     timeLimit,
		Actions: []plugin.Action{
			action("status", "Say whether a service runs and whether it starts at boot", plugin.Read),
			action("start", "Start a service; unchanged if it runs already", plugin.Change),
			action("stop", "Stop a service; unchanged if it does not run", plugin.Change),
			action("restart", "Stop and start a service, also one that does not run, and verify that it came up anew", plugin.Change),
			action("reload", "Make a running service read its configuration again", plugin.Change),
			action("enable", "Make a service start at boot; it is not started now", plugin.Change),
			action("disable", "Keep a service from starting at boot; it is not stopped now", plugin.Change),
		},
	}
}

// action declares one action. All take the same input; a change also tells what was before.
func action(name, description string, kind plugin.Kind) plugin.Action {
	a := plugin.Action{
		Name: name, Description: description, Kind: kind, Detached: kind == plugin.Change, Display: plugin.DisplayAlways,
		Inputs: []plugin.Input{{
			Name: "service", Prompt: "Service name",
			Description: "under systemd nginx is nginx.service; sockets, timers and paths need their suffix",
			Type:        plugin.String, Positional: true, Pattern: namePattern, MaxLength: maxName,
		}},
		Outputs: []plugin.Output{
			{Name: outState, Label: "State", Description: "running, stopped, failed, starting, stopping, unknown, or absent if there is no such service"},
			{Name: outEnabled, Label: "Enabled", Description: "enabled or disabled at boot, or what systemd has besides: static, masked, indirect, ..."},
			{Name: outSubstate, Label: "Substate", Description: "The init system's own, finer word, such as exited, listening or auto-restart"},
			{Name: outPID, Label: "PID", Description: "The main process, if one is known"},
			{Name: outSince, Label: "Since", Description: "When it came into this state (RFC 3339, UTC), if known"},
			{Name: outResult, Label: "Result", Description: "How systemd sees the last run of a failed service, such as exit-code, signal or timeout"},
			{Name: outExitStatus, Label: "Exit status", Description: "Exit status, or signal number, of the main process of a failed service"},
			{Name: outNearest, Label: "Nearest", Description: "If there is no such service: names on this host that look like it, the likeliest first"},
		},
	}
	if kind == plugin.Read {
		a.Summaries = []plugin.Summary{{Output: outState, By: plugin.CountValues}, {Output: outEnabled, By: plugin.CountValues}}
		return a
	}
	a.Outputs = append(a.Outputs,
		plugin.Output{Name: outPrevious, Label: "Was", Description: "The state before (for enable and disable: what enabled said before)"},
		plugin.Output{Name: outPreviousPID, Label: "Old PID", Description: "The main process before, if one was known"},
		plugin.Output{Name: outPreviousSince, Label: "Was since", Description: "When it had come into the state before (RFC 3339, UTC), if known"},
	)
	a.Summaries = []plugin.Summary{{Output: outState, By: plugin.CountValues}}
	if name == "enable" || name == "disable" {
		a.Summaries = []plugin.Summary{{Output: outEnabled, By: plugin.CountValues}}
	}
	return a
}
