package rollout

import (
	"fmt"
	"slices"
	"time"
)

// Do is what the driver is to do next.
type Do int

const (
	Send  Do = iota // send a job to Step.Targets
	Wait            // until something becomes of the batches under way
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
	next    int         // the batch to send next
	owing   map[int]int // of each batch under way, how many hosts have not ended
	missed  []int       // batches that never left
	rested  bool
	stopped bool // nothing is sent any more
}

// Begin returns the state before anything was sent.
func (p Plan) Begin() *State { return &State{plan: p, owing: map[int]int{}, rested: true} }

// Next says what to do. It says the same again until an event is reported.
func (s *State) Next() Step {
	under := len(s.owing) > 0
	switch {
	case under && (s.stopped || s.next == len(s.plan.Batches) || !s.room()):
		return Step{Do: Wait}
	case s.stopped || s.next == len(s.plan.Batches):
		return Step{Do: End}
	case !s.rested:
		return Step{Do: Sleep, Pause: s.plan.Sleep}
	}
	return Step{Do: Send, Batch: s.next, Targets: s.plan.Batches[s.next]}
}

// room reports whether the next batch fits beside those under way. With pauses between them none does.
func (s *State) room() bool {
	hosts := len(s.plan.Batches[s.next])
	for _, n := range s.owing {
		hosts += n
	}
	return s.plan.Sleep == 0 && hosts <= s.plan.Window
}

// Sending reports that the batch to send is being sent.
func (s *State) Sending() {
	s.expect(Send)
	s.owing[s.next] = len(s.plan.Batches[s.next])
	s.next++
}

// Owing reports how many hosts of a batch under way have not ended yet.
func (s *State) Owing(batch, hosts int) {
	s.under(batch)
	s.owing[batch] = hosts
}

// Ended reports that a batch has ended on each of its hosts, however.
func (s *State) Ended(batch int) {
	s.under(batch)
	delete(s.owing, batch)
	s.rested = s.plan.Sleep == 0
}

// Failed reports that the driver could not go on with a batch. sent says whether the job may have reached any of its hosts; if not,
// all of them count as not started. Nothing is sent after it; those under way still end.
func (s *State) Failed(batch int, sent bool) {
	s.Ended(batch)
	if !sent {
		s.missed = append(s.missed, batch)
	}
	s.stopped = true
}

// Slept reports that the pause is over.
func (s *State) Slept() {
	s.expect(Sleep)
	s.rested = true
}

// Interrupted reports that nothing more is to be sent.
func (s *State) Interrupted() { s.stopped = true }

// NotStarted are the targets that nothing was sent to so far, in the plan's order.
func (s *State) NotStarted() (list []Target) {
	for batch, targets := range s.plan.Batches {
		if batch >= s.next || slices.Contains(s.missed, batch) {
			list = append(list, targets...)
		}
	}
	return list
}

// expect panics on an event that does not belong to the step: the driver is wrong, and would send something twice.
func (s *State) expect(do Do) {
	if step := s.Next(); step.Do != do {
		panic(fmt.Sprintf("rollout: an event of step %d was reported in step %d", do, step.Do))
	}
}

// under panics where a batch is not under way.
func (s *State) under(batch int) {
	if _, ok := s.owing[batch]; !ok {
		panic(fmt.Sprintf("rollout: batch %d is not under way", batch))
	}
}
