package attack

import (
	"testing"

	"fleet/job"
)

// This file comes last: for some seconds after the restart gossip may still take web4 for dead at its old address.

// A question is no change, but what was asked once is not asked again in the admin's name either.
func TestReplayAfterARestart(t *testing.T) {
	web4 := shared.hosts[3]
	signed := only(t, "replay-restart")
	shared.honest(t, signed, "replay-restart", web4)
	question := asks(shared.change(""), "rpcutil", "ping", nil)
	question.Targets = nil
	asked := sign(t, question, shared.admin)
	before := shared.stats(t)
	shared.send(t, job.AllSubject, asked)
	shared.counted(t, before, "jobs_ran", 2, web4) // the question, and stats itself

	web4.stop()
	if err := web4.start(); err != nil {
		t.Fatal(err)
	}
	before = nil
	until(t, "web4 answers again", func() (ok bool) { before, ok = answered(t); return ok })
	for _, raw := range [][]byte{signed, asked} {
		shared.send(t, job.NodeSubject(web4.id), raw)
	}
	shared.counted(t, before, "jobs_repeated", 2, web4)
	if n := web4.ran("replay-restart"); n != 1 {
		t.Errorf("it ran %d times", n)
	}
}

func answered(t *testing.T) (counters, bool) {
	all, err := shared.ask(t.Context())
	return all, err == nil
}
