package service

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/coreos/go-systemd/v22/dbus"
)

// systemBus is systemd's real D-Bus API. Its connections live for one call of the plugin and end with ctx at the latest.
type systemBus struct{ conn *dbus.Conn }

// dialSystemd connects to systemd: root goes straight to systemd's own socket, as systemctl does, so that it also
// works while the bus daemon is down or is itself what gets restarted; others, and root if need be, take the bus.
func dialSystemd(ctx context.Context) (bus, error) {
	if os.Geteuid() == 0 {
		if conn, err := dbus.NewSystemdConnectionContext(ctx); err == nil {
			return systemBus{conn}, nil
		}
	}
	conn, err := dbus.NewSystemConnectionContext(ctx)
	if err != nil {
		return nil, fmt.Errorf("cannot reach systemd over D-Bus: %w; is dbus running?", err)
	}
	return systemBus{conn}, nil
}

func (b systemBus) close() { b.conn.Close() }

func (b systemBus) properties(ctx context.Context, unit string) (map[string]any, error) {
	return b.conn.GetAllPropertiesContext(ctx, unit)
}

// errLost is a job whose end cannot be heard of any more.
var errLost = errors.New("the connection to systemd was lost while the job ran; ask for the status")

func (b systemBus) job(ctx context.Context, verb, unit string) (string, bool, error) {
	queue := map[string]func(context.Context, string, string, chan<- string) (int, error){
		"start":   b.conn.StartUnitContext,
		"stop":    b.conn.StopUnitContext,
		"restart": b.conn.RestartUnitContext,
		"reload":  b.conn.ReloadUnitContext,
	}[verb]
	if queue == nil {
		return "", false, fmt.Errorf("systemd has no job %q", verb)
	}
	updates := make(chan *dbus.PropertiesUpdate, 256) // of all units, while the job runs; read below as they come
	b.conn.SetPropertiesSubscriber(updates, make(chan error, 1))
	defer b.conn.SetPropertiesSubscriber(nil, nil)
	if err := b.conn.Subscribe(); err != nil {
		return "", false, fmt.Errorf("cannot listen to systemd: %w", err)
	}
	done := make(chan string, 1) // buffered: nobody may be left to read it
	if _, err := queue(ctx, unit, "replace", done); err != nil {
		return "", false, err
	}
	return b.await(ctx, unit, updates, done)
}

// await blocks until the job is done. Updates of the unit were put into the channel before the job's result.
func (b systemBus) await(ctx context.Context, unit string, updates <-chan *dbus.PropertiesUpdate, done <-chan string) (result string, unmet bool, err error) {
	note := func(u *dbus.PropertiesUpdate) {
		if holds, ok := u.Changed["ConditionResult"].Value().(bool); ok && u.UnitName == unit {
			unmet = !holds
		}
	}
	alive := time.NewTicker(time.Second)
	defer alive.Stop()
	for {
		select {
		case u := <-updates:
			note(u)
		case result := <-done:
			for len(updates) > 0 {
				note(<-updates)
			}
			return result, unmet, nil
		case <-ctx.Done():
			return "", false, ctx.Err()
		case <-alive.C:
			if !b.conn.Connected() {
				return "", false, errLost
			}
		}
	}
}

func (b systemBus) enable(ctx context.Context, unit string, on, runtime bool) (int, error) {
	if on {
		_, changes, err := b.conn.EnableUnitFilesContext(ctx, []string{unit}, runtime, false)
		return len(changes), err
	}
	changes, err := b.conn.DisableUnitFilesContext(ctx, []string{unit}, runtime)
	return len(changes), err
}

func (b systemBus) reread(ctx context.Context) error { return b.conn.ReloadContext(ctx) }
