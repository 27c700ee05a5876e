package service

import (
	"fmt"
	"strings"
	"time"
)

// The states, the same words for every init system.
const (
	running  = "running"  // up; also a unit that is up without a process, then the substate says so
	stopped  = "stopped"  // down, as wanted by somebody or never started
	failed   = "failed"   // down by itself
	starting = "starting" // on the way up, or between two tries
	stopping = "stopping"
	unknown  = "unknown" // the init system cannot tell
	absent   = "absent"  // no such service here
)

// What Enabled says if it is plain; systemd has further words.
const (
	enabled  = "enabled"
	disabled = "disabled"
)

// status is what a manager knows of one service.
type status struct {
	ID       string // the service's own name, if the init system has one besides what was asked for
	State    string
	Substate string
	Enabled  string
	PID      int64     // 0: none or not known
	Since    time.Time // zero: not known
	Run      string    // differs from one start to the next; "" if the init system has nothing like it

	Result     string // of a failed service, or of one between two tries: how its last run ended
	ExitStatus int64  // with Result: exit status or signal of the main process; -1 not known

	Ended    bool              // stopped after a start that was done: it ran to its end without an error, as oneshot units do
	Skipped  bool              // stopped after a start that a condition of the unit kept from being done
	Unproven bool              // the init system calls it up, but only since it has a process
	Stale    bool              // its unit file changed on disk since it was read
	Refused  map[string]string // action -> why it cannot work on this service
	LookAt   string            // where a person finds more about a failure; ""
}

// String is the line a person sees. It has no pid and no time in it, so that equal hosts fold into one line.
func (s status) String() string {
	var detail []string
	if !plain(s.Substate) {
		detail = append(detail, s.Substate)
	}
	switch {
	case s.Result == "exit-code" && s.ExitStatus > 0:
		detail = append(detail, fmt.Sprintf("exit status %d", s.ExitStatus))
	case s.Result != "" && s.ExitStatus > 0: // a signal, mostly
		detail = append(detail, fmt.Sprintf("%s %d", s.Result, s.ExitStatus))
	case s.Result != "":
		detail = append(detail, s.Result)
	}
	text := s.State
	if len(detail) > 0 {
		text += " (" + strings.Join(detail, ", ") + ")"
	}
	if s.Enabled != "" {
		text += ", " + s.Enabled
	}
	return text + s.note()
}

// plain says whether a substate adds nothing to the state.
func plain(substate string) bool {
	switch substate {
	case "", "running", "dead", "failed", "started", "stopped":
		return true
	}
	return false
}

func (s status) note() string {
	if s.Stale {
		return "; its unit file has changed since systemd read it: systemctl daemon-reload"
	}
	return ""
}

func (s status) hint() string {
	if s.LookAt == "" {
		return ""
	}
	return "; look at: " + s.LookAt
}

// anew says whether s is another run than before. Where nothing is known to compare, the init system is believed.
func (s status) anew(before status) bool {
	switch {
	case s.Run != "" && before.Run != "":
		return s.Run != before.Run
	case s.PID > 0 && before.PID > 0:
		return s.PID != before.PID || !s.Since.Equal(before.Since)
	}
	return true
}

// data returns the outputs that are known.
func (s status) data() map[string]any {
	data := map[string]any{outState: s.State}
	for name, text := range map[string]string{outSubstate: s.Substate, outEnabled: s.Enabled} {
		if text != "" {
			data[name] = text
		}
	}
	if s.PID > 0 {
		data[outPID] = s.PID
	}
	if !s.Since.IsZero() {
		data[outSince] = s.Since.UTC().Format(time.RFC3339)
	}
	if s.Result != "" {
		data[outResult] = s.Result
		if s.ExitStatus >= 0 {
			data[outExitStatus] = s.ExitStatus
		}
	}
	return data
}
