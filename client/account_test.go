package client_test

import (
	"maps"
	"strings"
	"testing"
	"time"

	"fleet/client"
	"fleet/identity"
	"fleet/job"
)

// Brokers differ, and one that has just started may not know everybody yet: who was named once in a run stays in it.
func TestAHostThatALaterListLacks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.host("web1", ok)
	w.host("gone", func(a asked) {
		if a.copy == 2 { // it is asked again because a list has named it
			w.forget(a.id())
		}
	})
	run, err := w.run(t.Context(), request())
	want := map[string]job.State{"web1": job.OK, "gone": job.Silent}
	if s := states(run); err != nil || !maps.Equal(s, want) {
		t.Errorf("%v, %v", s, err)
	}
}

// Who accepted owes an end, whether it has left or no broker has heard of it yet.
func TestWhoAcceptedIsAccountedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.host("web1", func(a asked) {
		if a.copy > 1 { // what the others said has been looked at by now
			ok(a)
		}
	})
	w.host("leaves", func(a asked) {
		a.reply(job.Accepted, "")
		w.is(a.id(), a.name, job.Left)
	})
	fresh := w.host("fresh", func(a asked) {
		if a.copy == 1 {
			a.reply(job.Accepted, "")
			return // and works for longer than the others
		}
		ok(a)
	})
	w.forget(fresh.id())
	run, err := w.run(t.Context(), request())
	want := map[string]job.State{"web1": job.OK, "leaves": job.Lost, "fresh": job.OK}
	if s := states(run); err != nil || !maps.Equal(s, want) {
		t.Errorf("%v, %v", s, err)
	}
	if o := outcome(t, run, "leaves"); !strings.Contains(o.Message, "accepted the job, but sent no result: left the fleet") {
		t.Errorf("%q", o.Message)
	}
}

// A host that accepts is alive, also where a broker has not heard of it yet since a partition healed and calls it failed.
func TestWhoAcceptedIsBelievedBeforeHearsay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	accepted := make(chan struct{})
	w.host("web1", func(a asked) {
		<-accepted
		ok(a)
	})
	back := w.host("back", func(a asked) {
		a.reply(job.Accepted, "")
		if a.copy == 1 {
			a.conn.Flush() // it has arrived before web1's answer leaves
			close(accepted)
		}
		time.Sleep(500 * time.Millisecond) // longer than web1 takes, and until it has been called failed
		ok(a)
	})
	w.is(back.id(), back.name, job.MemberFailed)
	run, err := w.run(t.Context(), request())
	want := map[string]job.State{"web1": job.OK, "back": job.OK}
	if s := states(run); err != nil || !maps.Equal(s, want) {
		t.Errorf("%v, %v", s, err)
	}
}

// One that answered and left afterwards is in the run and in its sum.
func TestAHostThatLeavesAfterItsEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.host("web1", func(a asked) {
		if a.copy > 2 {
			ok(a)
		}
	})
	w.is(identity.NewKey[identity.Node]().Public().ID(), "dead", job.MemberFailed)
	for name, end := range map[string]job.Kind{"other": job.NoMatch, "web2": job.Result} {
		w.host(name, func(a asked) {
			if end == job.NoMatch {
				a.reply(end, "")
			} else {
				ok(a)
			}
			w.is(a.id(), a.name, job.Left)
		})
	}
	run, err := w.run(t.Context(), request())
	if s := states(run); err != nil || s["web1"] != job.OK || s["web2"] != job.OK || s["dead"] != job.Silent || run.NoMatch != 1 || run.Expected != 4 {
		t.Errorf("%v of %d, %v", s, run.Expected, err)
	}
}

// A machine that died and was replaced by one of the same name: the name has its answer, and the dead one is not missed.
func TestAReplacedHostIsNotMissed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.host("web1", ok)
	w.is(identity.NewKey[identity.Node]().Public().ID(), "web1", job.MemberFailed)
	w.is(identity.NewKey[identity.Node]().Public().ID(), "web2", job.MemberFailed) // nobody has its name
	run, err := w.run(t.Context(), request())
	want := map[string]job.State{"web1": job.OK, "web2": job.Silent}
	if s := states(run); err != nil || !maps.Equal(s, want) || len(run.Outcomes) != 2 {
		t.Errorf("%v, %v", s, err)
	}
	r := request()
	r.Filter = named(t, "web1", "web2")
	run, err = w.run(t.Context(), r)
	if s := states(run); err != nil || !maps.Equal(s, want) || len(run.Outcomes) != 2 {
		t.Errorf("%v, %v", s, err)
	}
}

// A target that leaves after the plan is waited for: its node may be restarted, as in an upgrade. But not for long.
func TestATargetThatIsRestarted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	web1 := w.host("web1", ok)
	restarts := w.host("restarts", func(a asked) {
		switch a.copy {
		case 1:
			w.is(a.id(), a.name, job.Left)
		case 3:
			w.is(a.id(), a.name, job.Alive)
			ok(a)
		}
	})
	leaves := w.host("leaves", func(a asked) { w.is(a.id(), a.name, job.Left) })
	r := request()
	for _, h := range []*host{web1, restarts, leaves} {
		r.Targets = append(r.Targets, client.Target{Node: h.id(), Name: h.name})
	}
	run, err := w.run(t.Context(), r)
	want := map[string]job.State{"web1": job.OK, "restarts": job.OK, "leaves": job.Silent}
	if s := states(run); err != nil || !maps.Equal(s, want) {
		t.Errorf("%v, %v", s, err)
	}
	if o := outcome(t, run, "leaves"); !strings.Contains(o.Message, "left the fleet") {
		t.Errorf("%q", o.Message)
	}
}
