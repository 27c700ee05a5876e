package cli

import (
	"context"
	"strings"
	"time"

	"fleet/cli/report"
	"fleet/node"

	"github.com/coreos/go-systemd/v22/daemon"
)

// supervisor is what started the node and may restart it: systemd, where it did.
type supervisor struct {
	notify   func(state string) // tells it; never blocks for long, and what goes wrong is nobody's business
	watchdog time.Duration      // it ends the node unless told within this time that it is alive; 0: it does not
}

// statusEvery is how often the one line of `systemctl status` is looked at.
const statusEvery = 10 * time.Second

// systemd is the supervisor by the environment of this process; without one nothing is told.
func systemd() supervisor {
	s := supervisor{notify: func(state string) { daemon.SdNotify(false, state) }}
	if d, err := daemon.SdWatchdogEnabled(false); err == nil {
		s.watchdog = d
	}
	return s
}

func (s supervisor) ready() {
	if s.notify != nil {
		s.notify(daemon.SdNotifyReady)
	}
}

// during runs the node and tells meanwhile how it does. It says that the node lives only while the node's own loops turn:
// one that hangs is ended by the supervisor, with its goroutines in the log, and started again.
func (s supervisor) during(ctx context.Context, health func() node.Health, run func() error) error {
	if s.notify == nil {
		return run()
	}
	over, end := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.watch(ctx, over, health)
	}()
	defer func() { end(); <-done }()
	return run()
}

// watch tells until over, which is when the node has ended; ctx ends when it begins to stop.
func (s supervisor) watch(ctx, over context.Context, health func() node.Health) {
	every := statusEvery
	if s.watchdog > 0 {
		every = min(every, s.watchdog/3)
	}
	tick := time.NewTicker(max(every, 10*time.Millisecond))
	defer tick.Stop()
	stopping, last := ctx.Done(), ""
	for {
		h := health()
		if s.watchdog > 0 && h.Live == nil {
			s.notify(daemon.SdNotifyWatchdog)
		}
		if text := statusLine(h.Text); text != last && stopping != nil {
			s.notify("STATUS=" + text)
			last = text
		}
		select {
		case <-over.Done():
			return
		case <-stopping:
			stopping = nil
			s.notify(daemon.SdNotifyStopping + "\nSTATUS=stopping: no new jobs; waiting for running actions")
		case <-tick.C:
		}
	}
}

// maxStatus bounds what systemd is told, in bytes.
const maxStatus = 512

// statusLine keeps a status on one line: the next one would be another message.
func statusLine(s string) string {
	s = report.Sanitise(strings.ReplaceAll(s, "\n", " "))
	if len(s) > maxStatus {
		s = strings.ToValidUTF8(s[:maxStatus], "")
	}
	return s
}
