package cli

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"fleet/client"
	"fleet/job"
)

func TestCodes(t *testing.T) {
	for e, want := range map[ending]int{
		endFine: 0, endFault: 1, endUsage: 2, endNothing: 3, endFailed: 4, endSilent: 5, endStopped: 6, endRefused: 7, endInterrupted: 130,
	} {
		if e.code() != want || e.meaning() == "" {
			t.Errorf("ending %d has code %d (%s), want %d", e, e.code(), e.meaning(), want)
		}
	}
}

func TestWorstWins(t *testing.T) {
	tests := []struct {
		states []job.State
		want   int
	}{
		{nil, 3},
		{[]job.State{job.OK, job.Unchanged}, 0},
		{[]job.State{job.OK, job.Skipped}, 0},
		{[]job.State{job.Skipped, job.Skipped}, 3},
		{[]job.State{job.Silent}, 5},
		{[]job.State{job.Lost, job.OK}, 5},
		{[]job.State{job.Skipped, job.Silent}, 5},
		{[]job.State{job.Silent, job.Failed}, 4},
		{[]job.State{job.TimedOut}, 4},
		{[]job.State{job.Failed, job.Denied, job.Lost}, 7},
		{[]job.State{"something new"}, 5},
	}
	for _, tt := range tests {
		var r client.Results
		for _, s := range tt.states {
			r.Outcomes = append(r.Outcomes, client.Outcome{State: s})
		}
		if got := endingOf(r).code(); got != tt.want {
			t.Errorf("%v ends with %d, want %d", tt.states, got, tt.want)
		}
	}
	if got := endingOf(client.Results{Outcomes: []client.Outcome{{State: job.OK, LeftOut: "no room"}}}); got != endFault {
		t.Errorf("an answer that is not all there ends with %d", got)
	}
	// 7 > 6 > 4 > 5 > 3 > 0
	order := []ending{endRefused, endStopped, endFailed, endSilent, endNothing, endFine}
	for i := 1; i < len(order); i++ {
		if max(order[i-1], order[i]) != order[i-1] {
			t.Errorf("%d does not win over %d", order[i-1].code(), order[i].code())
		}
	}
}

func TestErrorsHaveEndings(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want int
	}{
		{errors.New("x"), 1},
		{usagef("x"), 2},
		{fmt.Errorf("more: %w", usagef("x")), 2},
		{fmt.Errorf("more: %w", context.Canceled), 130},
		{context.DeadlineExceeded, 1},
	} {
		if got := asProblem(tt.err).ending.code(); got != tt.want {
			t.Errorf("%v ends with %d, want %d", tt.err, got, tt.want)
		}
	}
}

// No state leads to an ending of the command itself, such as wrong usage.
func TestEveryStateHasAnEnding(t *testing.T) {
	for _, m := range job.States() {
		if e := endingWith(m.Exit); e.code() != m.Exit {
			t.Errorf("%q: exit code %d is that of no ending of a run", m.State, m.Exit)
		}
	}
}
