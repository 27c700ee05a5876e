package cli

import (
	"context"
	"errors"
	"fmt"

	"fleet/client"
	"fleet/job"
)

// ending is how a command ended. The order is by what an admin must know first: the worst wins.
type ending int

const (
	endFine        ending = iota
	endNothing            // no host matched, or every target was skipped
	endSilent             // some hosts were silent, busy or lost
	endFailed             // some hosts failed
	endStopped            // stopped by a budget or a gate
	endRefused            // some hosts refused
	endFault              // our own fault or the network's
	endUsage              // the command line or the config file is wrong: nothing was sent
	endInterrupted        // by a signal, or by a no to the question
)

// code is the exit code: part of the interface, and said in every command's help.
func (e ending) code() int {
	switch e {
	case endFine:
		return job.ExitOK
	case endUsage:
		return 2
	case endNothing:
		return job.ExitNothing
	case endFailed:
		return job.ExitFailed
	case endSilent:
		return job.ExitSilent
	case endStopped:
		return 6
	case endRefused:
		return job.ExitRefused
	case endInterrupted:
		return 130
	}
	return 1 // endFault
}

// endingWith is the ending that a state's exit code stands for.
func endingWith(code int) ending {
	for _, e := range [...]ending{endFine, endNothing, endSilent, endFailed, endRefused} {
		if e.code() == code {
			return e
		}
	}
	return endFault // TestEveryStateHasAnEnding: no state leads here
}

// meaning is the line for the help.
func (e ending) meaning() string {
	return map[ending]string{
		endFine:        "every target is ok",
		endFault:       "an error in fleet or the network",
		endUsage:       "wrong usage or config; nothing was sent",
		endNothing:     "no host matched, or every target was skipped",
		endFailed:      "some hosts failed or timed out",
		endSilent:      "some hosts were silent, busy or lost",
		endStopped:     "stopped by a budget or a gate",
		endRefused:     "some hosts refused",
		endInterrupted: "interrupted, or you answered no",
	}[e]
}

// problem is an error with its ending and with what to do next. Commands return it; run prints it.
type problem struct {
	ending ending
	err    error // nil: the report has said it all
	hints  []string
}

func (p *problem) Error() string {
	if p.err == nil {
		return fmt.Sprintf("ended with code %d", p.ending.code())
	}
	return p.err.Error()
}

func (p *problem) Unwrap() error { return p.err }

// with adds hints; empty ones are left out.
func (p *problem) with(hints ...string) *problem {
	for _, h := range hints {
		if h != "" {
			p.hints = append(p.hints, h)
		}
	}
	return p
}

func usagef(format string, args ...any) *problem {
	return &problem{ending: endUsage, err: fmt.Errorf(format, args...)}
}

func faultf(format string, args ...any) *problem {
	return &problem{ending: endFault, err: fmt.Errorf(format, args...)}
}

// ended turns an ending that the report has already told into a command's return value.
func ended(e ending) error {
	if e == endFine {
		return nil
	}
	return &problem{ending: e}
}

// asProblem gives every error its ending.
func asProblem(err error) *problem {
	if p, ok := errors.AsType[*problem](err); ok {
		return p
	}
	if errors.Is(err, context.Canceled) {
		return &problem{ending: endInterrupted, err: errors.New("interrupted")}
	}
	return &problem{ending: endFault, err: err}
}

// endingOf is the worst that happened to any host of a run.
func endingOf(r client.Results) ending {
	worst, unaffected := endFine, 0
	for _, o := range r.Outcomes {
		if o.LeftOut != "" {
			worst = max(worst, endFault)
		}
		end := endingWith(o.State.Meaning().Exit)
		if end == endNothing {
			unaffected++
			continue
		}
		worst = max(worst, end)
	}
	if worst == endFine && len(r.NotStarted) == 0 && unaffected == len(r.Outcomes) {
		return endNothing
	}
	return worst
}
