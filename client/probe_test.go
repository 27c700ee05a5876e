package client_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"fleet/client"
	"fleet/identity"
	"fleet/job"
)

// witness has a broker's node answer probes: it gets no answer from these hosts, and one from all others that gossip.
func (w *world) witness(answer func(identity.ID) (answers, known bool)) {
	w.t.Helper()
	w.subscribe(w.connect(w.credentials("witness", identity.Peer)), job.ProbeSubject, func(m *nats.Msg) {
		p, err := job.DecodeProbe(m.Data)
		if err != nil {
			w.t.Error(err)
		}
		var probed job.Probed
		for _, id := range p.Nodes {
			switch answers, known := answer(id); {
			case !known:
			case answers:
				probed.Answered = append(probed.Answered, id)
			default:
				probed.Silent = append(probed.Silent, id)
			}
		}
		raw, err := probed.Encode()
		if err != nil {
			w.t.Error(err)
		}
		m.Respond(raw)
	})
}

// answersProbes has the host say that it is there.
func (h *host) answersProbes() *host {
	h.w.t.Helper()
	h.w.subscribe(h.conn, job.NodeProbeSubject(h.id()), func(m *nats.Msg) {
		h.conn.Publish(job.ProbedSubject(h.id(), identity.ID(m.Data)), nil)
	})
	return h
}

func none() func(identity.ID) (answers, known bool) {
	return func(identity.ID) (bool, bool) { return false, true }
}

// One that counts as alive and gives no sign of life is named and not waited for, long before the time limit is over.
func TestAHostThatGivesNoSignOfLifeIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.host("web1", ok)
	w.host("frozen", silent)
	w.witness(none())
	r := request()
	r.Timeout = 10 * time.Minute // the test would not end
	run, err := w.run(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if s := states(run); s["web1"] != job.OK || s["frozen"] != job.Silent {
		t.Errorf("%v", s)
	}
	if o := outcome(t, run, "frozen"); !strings.HasPrefix(o.Message, "does not answer: neither the job nor ") {
		t.Errorf("%q", o.Message)
	}
}

// One that is slow is waited for as long as it gives signs of life, whichever of the two reaches it.
func TestASlowHostIsWaitedFor(t *testing.T) {
	t.Parallel()
	slow := func(a asked) {
		if a.copy == 1 {
			time.AfterFunc(5*time.Second, func() { a.reply(job.Result, job.OK) })
		}
	}
	w := newWorld(t)
	w.host("by-itself", slow).answersProbes()
	reached := w.host("by-a-peer", slow)
	w.witness(func(id identity.ID) (bool, bool) { return id == reached.id(), true })
	run, err := w.run(t.Context(), request())
	if err != nil {
		t.Fatal(err)
	}
	if s := states(run); s["by-itself"] != job.OK || s["by-a-peer"] != job.OK {
		t.Errorf("%v", s)
	}
}

// One that has accepted and gives no sign of life any more is lost, long before the time limit is over; one that does is waited for.
func TestAHostThatAcceptedAndGivesNoSignOfLife(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	accepts := func(a asked) {
		if a.copy == 1 {
			a.reply(job.Accepted, "")
		}
	}
	w.host("died", accepts)
	w.host("works", func(a asked) {
		accepts(a)
		if a.copy == 1 {
			time.AfterFunc(20*time.Second, func() { a.reply(job.Result, job.OK) })
		}
	}).answersProbes()
	w.witness(none())
	r := request()
	r.Timeout = 10 * time.Minute // the test would not end
	run, err := w.run(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if s := states(run); s["works"] != job.OK || s["died"] != job.Lost {
		t.Errorf("%v", s)
	}
	if o := outcome(t, run, "died"); !strings.HasPrefix(o.Message, "accepted the job, but sent no result: no sign of life for ") {
		t.Errorf("%q", o.Message)
	}
}

// One that comes back for a moment after it was silent is asked for its answer at once, not when the next copy is due.
func TestAHostThatComesBackForAMoment(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var here atomic.Bool
	h := w.host("flaps", func(a asked) {
		switch {
		case a.copy == 1:
			a.reply(job.Accepted, "")
			time.AfterFunc(7*time.Second, func() { here.Store(true) })
			time.AfterFunc(8500*time.Millisecond, func() { here.Store(false) }) // copies to those that accepted come every 5 s
		case here.Load():
			a.reply(job.Result, job.OK)
		}
	})
	w.subscribe(h.conn, job.NodeProbeSubject(h.id()), func(m *nats.Msg) {
		if here.Load() {
			h.conn.Publish(job.ProbedSubject(h.id(), identity.ID(m.Data)), nil)
		}
	})
	w.witness(none())
	run, err := w.run(t.Context(), request())
	if err != nil {
		t.Fatal(err)
	}
	if s := states(run); s["flaps"] != job.OK {
		t.Errorf("%v: %s", s, outcome(t, run, "flaps").Message)
	}
}

// Nobody is given up on this client's word alone: it may be its own line that is down.
func TestWithoutAWitnessNobodyIsGivenUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.host("frozen", silent)
	r := request()
	r.Timeout = 4 * time.Second
	run, err := w.run(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if o := outcome(t, run, "frozen"); !strings.HasPrefix(o.Message, "alive in the mesh, but no answer within") {
		t.Errorf("%q", o.Message)
	}
}

// A host that does not gossip is probed for longer: nobody can send it packets.
func TestAHostWithoutGossipThatGivesNoSignOfLife(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.host("outside", silent)
	w.witness(func(identity.ID) (bool, bool) { return false, false })
	r := request()
	r.Timeout = 10 * time.Minute
	run, err := w.run(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if o := outcome(t, run, "outside"); !strings.HasPrefix(o.Message, "does not answer: neither the job nor ") {
		t.Errorf("%q", o.Message)
	}
}

// A host that was given up counts when it answers after all, as long as the run goes on.
func TestAHostThatAnswersAfterItWasGivenUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.host("slow", func(a asked) {
		if a.copy == 1 {
			time.AfterFunc(6*time.Second, func() { a.reply(job.Result, job.OK) })
		}
	}).answersProbes()
	w.host("thawed", func(a asked) {
		if a.copy == 1 {
			time.AfterFunc(4*time.Second, func() { a.reply(job.Result, job.OK) })
		}
	})
	w.witness(none())
	run, err := w.run(t.Context(), request())
	if err != nil {
		t.Fatal(err)
	}
	if s := states(run); s["slow"] != job.OK || s["thawed"] != job.OK {
		t.Errorf("%v", s)
	}
}

// More hosts than one message names are all known.
func TestAMemberListOfSeveralPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const hosts = 2*job.MaxMembers + 10
	w.members = make([]job.Member, 0, hosts)
	for i := range hosts {
		id := identity.ID(fmt.Sprintf("%s%05s", strings.Repeat("a", 21), strconv.FormatInt(int64(i), 26)))
		id = identity.ID(strings.NewReplacer("0", "q", "1", "r", "8", "s", "9", "t", " ", "z").Replace(string(id)))
		w.members = append(w.members, job.Member{Node: id, Name: fmt.Sprint("web", i), Presence: job.Alive, Role: identity.Member})
	}
	members, err := w.client().Members(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, m := range members {
		names[m.Name] = true
	}
	if len(members) != hosts || len(names) != hosts {
		t.Errorf("%d members, %d names of %d hosts", len(members), len(names), hosts)
	}
}

// Hundreds that are cut off at once are all named.
func TestManyHostsThatGiveNoSignOfLife(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.host("web1", ok)
	const cut = job.MaxProbe + 100
	for range cut {
		id := identity.NewKey[identity.Node]().Public().ID()
		w.is(id, "cut-"+string(id[:8]), job.Alive)
	}
	w.witness(none())
	r := request()
	r.Timeout = 10 * time.Minute
	run, err := w.run(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	named := 0
	for _, o := range run.Outcomes {
		if o.State == job.Silent && strings.HasPrefix(o.Message, "does not answer") {
			named++
		}
	}
	if named != cut || !slices.ContainsFunc(run.Outcomes, func(o client.Outcome) bool { return o.Name == "web1" && o.State == job.OK }) {
		t.Errorf("%d of %d are named", named, cut)
	}
}
