package node_test

import (
	"sync"
	"testing"
	"time"

	"fleet/client"
	"fleet/identity"
	"fleet/job"
)

// More changes of four admins than a host takes, that do not end, at one host: it runs as many as it takes, tells the others that it is busy,
// answers a ping, and cancels one, whose place the next one takes. When they end, all have run, once each.
func TestAHostFullOfChanges(t *testing.T) {
	const admins, each, room = 4, 30, 64
	p := &probe{began: make(chan struct{}, admins*each), release: make(chan struct{})}
	f, c := one(t, p)
	const patient = 10 * time.Minute // nobody may give up while the place is taken, however slow this machine
	keys := []identity.PrivateKey[identity.Admin]{f.Admin}
	for len(keys) < admins {
		keys = append(keys, identity.NewKey[identity.Admin]())
	}
	more := func(r *identity.Roster) {
		for i, key := range keys[1:] {
			r.Admins = append(r.Admins, identity.AdminEntry{Name: []string{"bob", "cem", "dan"}[i], Key: key.Public(), Roles: []string{"all"}})
		}
	}
	if err := c.PutDocument(t.Context(), roster(t, f, f.Root, 2, more)); err != nil {
		t.Fatal(err)
	}
	type asker struct {
		client *client.Client
		plan   client.Pending
	}
	var askers []asker // each for ten changes: a broker lets a connection have so many subscriptions
	for _, key := range keys {
		awaitAll(t, f, key, 1)
		pending, _ := prepared(t, f.ClientAs(key), "hold")
		for range each / 10 {
			askers = append(askers, asker{f.ClientAs(key), pending})
		}
	}
	var all sync.WaitGroup
	ends := make(chan client.Outcome, admins*each)
	for _, a := range askers {
		for range 10 {
			all.Go(func() {
				run, err := a.client.Run(t.Context(), client.Request{Plugin: "probe", Action: "hold", Targets: a.plan.Targets, Timeout: patient, TTL: patient}, nil)
				if err != nil || len(run.Outcomes) != 1 {
					t.Errorf("%v %+v", err, run)
					return
				}
				ends <- run.Outcomes[0]
			})
		}
	}
	for range room {
		<-p.began
	}
	ask := func() (client.Run, error) {
		return c.Run(t.Context(), client.Request{Plugin: "rpcutil", Action: "ping", Timeout: patience}, nil)
	}
	ping, err := ask()
	for tries := 0; err != nil && tries < 5; tries++ { // a slow machine does not say within 8 s who is there, with all these clients on it
		ping, err = ask()
	}
	if err != nil {
		t.Fatal(err)
	}
	wantOutcome(t, only(t, ping), job.OK, "")
	list, _ := aboutJob(t, c, "list", "").Data["jobs"].([]any)
	if len(list) == 0 {
		t.Fatal("it lists no changes")
	}
	wantOutcome(t, aboutJob(t, c, "cancel", list[0].(map[string]any)["id"].(string)), job.OK, "told to stop")
	wantOutcome(t, <-ends, job.Failed, "told to stop")
	<-p.began
	if n := runs(t, p.dir, "web1"); n != room+1 {
		t.Errorf("%d have begun", n)
	}
	close(p.release)
	all.Wait()
	for range admins*each - 1 {
		wantOutcome(t, <-ends, job.OK, "done")
	}
	if n := runs(t, p.dir, "web1"); n != admins*each {
		t.Errorf("%d changes ran %d times", admins*each, n)
	}
}
