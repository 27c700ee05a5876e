package cli

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"fleet/internal/bubble"
	"fleet/node"
)

// told is a supervisor that remembers.
type told struct {
	mu    sync.Mutex
	lines []string
}

func (s *told) notify(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, line)
}

func (s *told) count(line string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, l := range s.lines {
		if l == line {
			n++
		}
	}
	return n
}

// A node whose loops hang is not said to live, so that the supervisor ends it; nor is one said to live by habit.
func TestAHungLoopStopsThePings(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		h := node.Health{Text: "web1: 3 hosts alive"}
		set := func(live error, text string) {
			mu.Lock()
			defer mu.Unlock()
			h.Live, h.Text = live, text
		}
		health := func() node.Health {
			mu.Lock()
			defer mu.Unlock()
			return h
		}
		sv := &told{}
		ctx, stop := context.WithCancel(t.Context())
		over := make(chan struct{})
		done := make(chan error)
		go func() {
			done <- supervisor{notify: sv.notify, watchdog: time.Minute}.during(ctx, health, func() error { <-over; return errors.New("the end") })
		}()
		const ping = "WATCHDOG=1"
		time.Sleep(10 * time.Minute)
		well := sv.count(ping)
		if well < 20 {
			t.Errorf("%d pings in ten minutes; one each 20 s or oftener is needed", well)
		}
		if n := sv.count("STATUS=web1: 3 hosts alive"); n != 1 {
			t.Errorf("an unchanged status was told %d times", n)
		}
		set(errors.New("the mesh loop has not turned"), "hangs\nREADY=1")
		time.Sleep(10 * time.Minute)
		if n := sv.count(ping); n > well+1 { // one may have been under way
			t.Errorf("%d pings while the mesh loop hung", n-well)
		}
		if sv.count("STATUS=hangs READY=1") != 1 {
			t.Errorf("the status is not on one line: %q", sv.lines)
		}
		set(nil, "web1: 3 hosts alive")
		time.Sleep(time.Minute)
		again := sv.count(ping)
		if again <= well+1 {
			t.Error("no pings after it turned again")
		}
		stop()
		time.Sleep(time.Minute)
		if sv.count(ping) <= again {
			t.Error("no pings while it waits for actions that run")
		}
		if sv.count("STOPPING=1\nSTATUS=stopping: no new jobs; waiting for running actions") != 1 {
			t.Errorf("told %q", sv.lines)
		}
		close(over)
		if err := <-done; err == nil || err.Error() != "the end" {
			t.Errorf("got %v", err)
		}
		ended := sv.count(ping)
		time.Sleep(time.Minute)
		if sv.count(ping) != ended {
			t.Error("pings after the end")
		}
	})
}

func TestWithoutASupervisorTheNodeJustRuns(t *testing.T) {
	want := errors.New("x")
	if err := (supervisor{}).during(t.Context(), nil, func() error { return want }); err != want {
		t.Error(err)
	}
	supervisor{}.ready()
}
