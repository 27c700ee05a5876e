package rollout

import (
	"fmt"
	"slices"
	"time"
)

// Do is what the driver is to do next.
type Do int

const (
	Send  Do = iota // send a job to Step.Targets, and wait until it has ended on each
	Sleep           // wait for Step.Pause
	End             // nothing more
)

// Step is what to do next.
type Step struct {
	Do      Do
	Batch   int // the batch's place in the plan, from 0; for Send
	Targets []Target
	Pause   time.Duration // for Sleep
}

// State is a plan under way. One goroutine drives it.
type State struct {
	plan    Plan
	next    int // the batch to send next
	rested  bool
	stopped bool // nothing is sent any more
}

// Begin returns the state before anything was sent.
func (p Plan) Begin() *State { return &State{plan: p, rested: true} }

// Next says what to do. It says the same again until an event is reported.
func (s *State) Next() Step {
	switch {
	case s.stopped || s.next == len(s.plan.Batches):
		return Step{Do: End}
	case !s.rested:
		return Step{Do: Sleep, Pause: s.plan.Sleep}
	}
	return Step{Do: Send, Batch: s.next, Targets: s.plan.Batches[s.next]}
}

// Ended reports that the batch to send was sent and has ended on each of its hosts, however.
func (s *State) Ended() {
	s.expect(Send)
	s.next++
	s.rested = s.plan.Sleep == 0
}

// Failed reports that the driver could not go on with the batch to send. sent says whether the job may have reached any of
// its hosts; if not, all of them count as not started. Nothing is sent after it.
func (s *State) Failed(sent bool) {
	s.expect(Send)
	if sent {
		s.next++
	}
	s.stopped = true
}

// Slept reports that the pause is over.
func (s *State) Slept() {
	s.expect(Sleep)
	s.rested = true
}

// Interrupted reports that nothing more is to be sent, between two batches.
func (s *State) Interrupted() { s.stopped = true }

// NotStarted are the targets that nothing was sent to so far, in the plan's order.
func (s *State) NotStarted() []Target { return slices.Concat(s.plan.Batches[s.next:]...) }

// expect panics on an event that does not belong to the step: the driver is wrong, and would send something twice.
func (s *State) expect(do Do) {
	if step := s.Next(); step.Do != do {
		panic(fmt.Sprintf("rollout: an event of step %d was reported in step %d", do, step.Do))
	}
}
