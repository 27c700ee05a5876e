package detached

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/dbus"
	godbus "github.com/godbus/dbus/v5"

	"fleet/internal/logkey"
)

// stopFor is how long systemd waits for an action that it told to stop, when the machine goes down.
const stopFor = 60 * time.Second

// System returns how this machine starts processes that live on: as units, where systemd is pid 1 and this process is root; else in
// a session of their own, which ends with the agent's service if its manager ends all that the service started.
func System(log *slog.Logger) Starter {
	if info, err := os.Lstat("/run/systemd/system"); err == nil && info.IsDir() && os.Geteuid() == 0 {
		return either{units{}, sessions{}, log}
	}
	return sessions{}
}

// either takes the second where the first fails: what is to run makes sure itself that it runs once.
type either struct {
	first, second Starter
	log           *slog.Logger
}

func (e either) Start(ctx context.Context, id string, argv []string) error {
	err := e.first.Start(ctx, id, argv)
	if err == nil {
		return nil
	}
	e.log.Warn("cannot start the action as a systemd unit; a restart of the agent may end it", logkey.Job, id, logkey.Error, err)
	return e.second.Start(ctx, id, argv)
}

type units struct{}

// UnitName is the unit of a job.
func UnitName(id string) string { return "fleet-job-" + strings.ToLower(id) + ".service" }

func (units) Start(ctx context.Context, id string, argv []string) error {
	conn, err := dbus.NewSystemdConnectionContext(ctx)
	if err != nil {
		return fmt.Errorf("cannot reach systemd: %w", err)
	}
	defer conn.Close()
	done := make(chan string, 1)
	property := func(name string, v any) dbus.Property { return dbus.Property{Name: name, Value: godbus.MakeVariant(v)} }
	_, err = conn.StartTransientUnitContext(ctx, UnitName(id), "fail", []dbus.Property{
		dbus.PropDescription("fleet job " + id),
		dbus.PropExecStart(argv, false),
		property("Type", "exec"),
		property("KillMode", "mixed"), // the action is told to stop, and tells what it started
		property("TimeoutStopUSec", uint64(stopFor/time.Microsecond)),
		property("CollectMode", "inactive-or-failed"),
	}, done)
	if err != nil {
		return fmt.Errorf("systemd does not start %s: %w", UnitName(id), err)
	}
	select {
	case how := <-done:
		if how != "done" {
			return fmt.Errorf("systemd could not start %s: %s", UnitName(id), how)
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

type sessions struct{}

func (sessions) Start(_ context.Context, _ string, argv []string) error {
	cmd := exec.Command(argv[0], argv[1:]...) // not CommandContext: it is to live on
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() { _ = cmd.Wait() }() // how it ended stands in its files
	return nil
}
