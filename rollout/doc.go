// Package rollout decides how a change goes over its hosts: which of those that match, how many at a time, what comes next
// after each event, and what was never started. It is pure: no clock, no network, no printing. Package client drives it and
// tells it what happened; package cli says in words what it decided.
//
// Build turns a Spec and the hosts that match into a Plan: the targets, chosen at random where there is a limit, cut into
// batches that one job can name. Plan.Begin returns the State of a plan under way. The driver asks Next for the next Step,
// does it, and reports the event:
//
//	Send   send a job to this batch                       -> Sending; later Owing, and Ended or Failed
//	Wait   until something becomes of a batch under way   -> Owing, Ended, Failed, or Interrupted
//	Sleep  wait this long before the next batch           -> Slept, or Interrupted
//	End    nothing more to do; NotStarted says what is left
//
// Batches go out in a sliding window: the next one as soon as it and the hosts that have not ended yet are no more than
// Plan.Window, so that one slow host holds up nothing but itself. With a pause between them they go one after another.
//
// What must hold, whatever the events: each target is in exactly one batch; a batch is sent at most once and in the plan's
// order; the change is never at more hosts than the window; after a failure or an interrupt nothing is sent any more; what
// was sent and what NotStarted names are together the plan.
//
// Stages will be a level above batches in the Plan, built from the targets' facts; a budget for failed hosts, gates and
// retries will be further events that decide in Next whether another batch may start.
package rollout
