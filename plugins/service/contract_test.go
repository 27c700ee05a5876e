package service

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"fleet/plugins/plugin"
)

// contract is what every init system has to keep. The host has these services, all stopped and disabled:
// "napper" is a good daemon with a reload, "breaker" fails to start, "sleeper" takes minutes to start.
// There are also services "napper-2" and "cron-like", only to be there.
func contract(t *testing.T, p *Plugin) {
	steps := []struct {
		action, service string
		state           plugin.State
		now             string // the state or, after enable and disable, whether it is enabled
		message         string // part of the message
	}{
		{"status", "napper", plugin.OK, stopped, "stopped"},
		{"stop", "napper", plugin.Unchanged, stopped, "already stopped"},
		{"reload", "napper", plugin.Failed, stopped, "cannot reload napper: it is stopped"},
		{"start", "napper", plugin.OK, running, "started"},
		{"start", "napper", plugin.Unchanged, running, "already running"},
		{"status", "napper", plugin.OK, running, "running"},
		{"reload", "napper", plugin.OK, running, "reloaded"},
		{"restart", "napper", plugin.OK, running, "restarted"},
		{"enable", "napper", plugin.OK, enabled, "enabled"},
		{"enable", "napper", plugin.Unchanged, enabled, "already enabled"},
		{"status", "napper", plugin.OK, running, "running, enabled"},
		{"disable", "napper", plugin.OK, disabled, "disabled"},
		{"disable", "napper", plugin.Unchanged, disabled, "not enabled"},
		{"stop", "napper", plugin.OK, stopped, "stopped"},
		{"restart", "napper", plugin.OK, running, "restarted"},
		{"stop", "napper", plugin.OK, stopped, "stopped"},
		{"start", "breaker", plugin.Failed, "", "start of breaker failed"},
		{"restart", "breaker", plugin.Failed, "", "restart of breaker failed"},
		{"start", "nappr", plugin.Skipped, absent, "no service nappr on this host; there is napper"},
		{"stop", "nappr", plugin.Skipped, absent, "no service nappr"},
		{"restart", "nappr", plugin.Skipped, absent, "no service nappr"},
		{"reload", "nappr", plugin.Skipped, absent, "no service nappr"},
		{"enable", "nappr", plugin.Skipped, absent, "no service nappr"},
		{"disable", "nappr", plugin.Skipped, absent, "no service nappr"},
		{"status", "nappr", plugin.Skipped, absent, "no service nappr"},
	}
	for _, step := range steps {
		res := act(t, t.Context(), p, step.action, step.service)
		now := res.Data[outState]
		if step.now == enabled || step.now == disabled {
			now = res.Data[outEnabled]
		}
		if res.State != step.state || step.now != "" && now != step.now || !strings.Contains(res.Message, step.message) {
			t.Fatalf("%s %s: %s, now %v, %q; want %s, now %s, a message with %q (data %v)",
				step.action, step.service, res.State, now, res.Message, step.state, step.now, step.message, res.Data)
		}
		if res.State == plugin.OK && step.action == "restart" && res.Data[outPreviousPID] == res.Data[outPID] {
			t.Errorf("a restart that kept pid %v is ok", res.Data[outPID])
		}
	}

	t.Run("what runs has a pid and a time, which are not in the message", func(t *testing.T) {
		act(t, t.Context(), p, "start", "napper")
		defer act(t, t.Context(), p, "stop", "napper")
		res := act(t, t.Context(), p, "status", "napper")
		pid, _ := res.Data[outPID].(int64)
		since, err := time.Parse(time.RFC3339, res.Data[outSince].(string))
		if pid <= 1 || err != nil || since.Year() < 2020 {
			t.Errorf("pid %v, since %v (%v)", pid, since, err)
		}
		if strings.ContainsFunc(res.Message, func(r rune) bool { return r >= '0' && r <= '9' }) {
			t.Errorf("%q would not fold with other hosts", res.Message)
		}
	})
	t.Run("nearest", func(t *testing.T) {
		res := act(t, t.Context(), p, "status", "nappr")
		if near, _ := res.Data[outNearest].([]any); len(near) == 0 || near[0] != "napper" {
			t.Errorf("nearest is %v", res.Data[outNearest])
		}
	})
	t.Run("data function", func(t *testing.T) {
		for name, want := range map[string]string{"napper": stopped, "nappr": absent} {
			if data, err := p.Query(t.Context(), name); err != nil || data[outStatus] != want {
				t.Errorf("service('%s').status is %v, %v; want %s", name, data, err, want)
			} else if pid, there := data[outPID]; !there || pid != nil {
				t.Errorf("service('%s').pid is %v, %v; want it to be there as nil", name, pid, there)
			}
		}
		for _, name := range []string{"", "-x", "../napper", "a/b", "a..b", "a  b", "a ", strings.Repeat("a", 256)} {
			if data, err := p.Query(t.Context(), name); err == nil {
				t.Errorf("service('%s') is answered: %v", name, data)
			}
		}
	})
	t.Run("a start that takes too long fails and says so", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		res := act(t, ctx, p, "start", "sleeper")
		if res.State != plugin.Failed || !strings.Contains(res.Message, "time limit") {
			t.Errorf("got %s, %q", res.State, res.Message)
		}
	})
	t.Run("many at once", func(t *testing.T) {
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() { act(t, t.Context(), p, "status", "napper") })
		}
		all.Wait()
	})
}

// act runs one action as a host does, and holds every result against the declaration.
func act(t *testing.T, ctx context.Context, p *Plugin, action, service string) plugin.Result {
	t.Helper()
	a, ok := p.Declaration().Action(action)
	if !ok {
		t.Fatalf("no action %s is declared", action)
	}
	args, err := a.Check(plugin.Args{"service": service})
	if err != nil {
		t.Fatal(err)
	}
	res := p.Run(ctx, plugin.Call{Action: action, Args: args})
	if res.Message == "" {
		t.Errorf("%s %s: no message", action, service)
	}
	declared := map[string]bool{}
	for _, out := range a.Outputs {
		declared[out.Name] = true
	}
	for name, v := range res.Data {
		if !declared[name] {
			t.Errorf("%s %s: output %s is not declared", action, service, name)
		}
		switch v.(type) {
		case string, int64, []any:
		default:
			t.Errorf("%s %s: output %s has the type %T", action, service, name, v)
		}
	}
	return res
}
