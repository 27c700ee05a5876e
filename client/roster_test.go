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

// revoke shuts hosts out; the broker is not told to judge its connections, as one that has not heard of it.
func (w *world) revoke(ids ...identity.ID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range ids {
		w.revocations = append(w.revocations, identity.RevokeNode(id, time.Now()))
	}
}

// Whoever is revoked may still be connected to a broker that has not heard of it. Its answers count for nothing, and
// nobody waits for it.
func TestARevokedHostIsNotBelieved(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	sent := make(chan struct{}, 16)
	w.host("web1", func(a asked) {
		<-sent // so that the revoked one is quicker
		ok(a)
	})
	taken := w.host("taken", func(a asked) {
		a.reply(job.Result, job.OK)
		sent <- struct{}{}
	})
	w.revoke(taken.id())
	r := request()
	run, err := w.run(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if got := states(run); !maps.Equal(got, map[string]job.State{"web1": job.OK}) || run.Expected != 1 {
		t.Errorf("got %v of %d", got, run.Expected)
	}

	r.Targets = []client.Target{{Node: taken.id(), Name: "taken"}}
	run, err = w.run(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if o := outcome(t, run, "taken"); o.State != job.Silent || !strings.Contains(o.Message, "revoked") {
		t.Errorf("asked for by name: %+v", o)
	}
}

// A run that waits for the revoked one's neighbour counts what the revoked one says as rejected.
func TestARevokedHostsAnswerIsRejected(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	taken := w.host("taken", ok)
	w.host("web1", func(a asked) {
		if a.copy > 1 { // a second later what the other said has been looked at
			ok(a)
		}
	})
	w.revoke(taken.id())
	run, err := w.run(t.Context(), request())
	if err != nil {
		t.Fatal(err)
	}
	if s := states(run); len(s) != 1 || s["web1"] != job.OK || run.Rejected == 0 {
		t.Errorf("%v, rejected %d", s, run.Rejected)
	}
}

// Without a roster nobody knows who is revoked, so nobody is believed, and the run says why.
func TestWithoutARosterNobodyIsBelieved(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.host("web1", ok)
	c := w.client()
	w.mu.Lock()
	w.rosterless = true
	w.mu.Unlock()
	r := request()
	r.Timeout = time.Second
	run, err := c.Run(t.Context(), r, nil)
	if err == nil || !strings.Contains(err.Error(), "no broker returned the roster") || states(run)["web1"] == job.OK {
		t.Errorf("%v %v", states(run), err)
	}
}
