package node_test

import (
	"testing"
	"time"

	"fleet/client"
	"fleet/identity"
	"fleet/job"
)

// aboutJob asks the one host's plugin jobs.
func aboutJob(t *testing.T, c *client.Client, action, id string) client.Outcome {
	t.Helper()
	return jobOn(t, c, action, id, nil)
}

// jobOn is aboutJob for one host of several; without targets all are asked.
func jobOn(t *testing.T, c *client.Client, action, id string, targets []client.Target) client.Outcome {
	t.Helper()
	r := client.Request{Plugin: "jobs", Action: action, Targets: targets, Timeout: patience}
	if id != "" {
		r.Args = map[string]any{"id": id}
	}
	if action == "cancel" && targets == nil {
		r = planned(t, c, r)
	}
	run, err := c.Run(t.Context(), r, nil)
	if err != nil {
		t.Fatal(err)
	}
	return only(t, run)
}

// prepared is a job for the one host that is signed and not sent, with its id.
func prepared(t *testing.T, c *client.Client, action string) (client.Pending, string) {
	t.Helper()
	pending, err := c.Prepare(planned(t, c, client.Request{Plugin: "probe", Action: action, Timeout: patience}))
	if err != nil {
		t.Fatal(err)
	}
	u, err := job.Decode(pending.Signed)
	if err != nil {
		t.Fatal(err)
	}
	return pending, u.ID()
}

func submitted(t *testing.T, c *client.Client, p client.Pending) client.Run {
	t.Helper()
	return <-sent(t, c, p, nil)
}

// sent sends the job and goes on; the run comes when it has ended.
func sent(t *testing.T, c *client.Client, p client.Pending, progress func(client.Progress)) <-chan client.Run {
	ended := make(chan client.Run, 1)
	go func() {
		run, err := c.Submit(t.Context(), p, patience, progress)
		if err != nil {
			t.Error(err)
		}
		ended <- run
	}()
	return ended
}

// What a job did is told later, to another admin too, and after the node was restarted.
func TestJobsAreKnownLater(t *testing.T) {
	f, c := one(t, &probe{outputs: map[string]any{"x": "y"}, message: "told", state: "ok"})
	change, read := ask(t, c, "count"), ask(t, c, "tell")
	bob := identity.NewKey[identity.Admin]()
	if err := c.PutDocument(t.Context(), roster(t, f, f.Root, 2, with(bob))); err != nil {
		t.Fatal(err)
	}
	awaitAll(t, f, bob, 1)
	other := f.ClientAs(bob)
	for range 2 {
		o := aboutJob(t, other, "show", change.JobID)
		if o.State != job.OK || o.Data["state"] != "ok" || o.Data["signer"] != "ann" || o.Data["plugin"] != "probe" || o.Data["action"] != "count" ||
			o.Data["message"] != "done" || o.Data["kept"] != true || o.Data["came"] == "" || o.Data["ended"] == "" {
			t.Errorf("%+v", o)
		}
		list, _ := aboutJob(t, other, "list", "").Data["jobs"].([]any)
		if len(list) != 1 || list[0].(map[string]any)["id"] != change.JobID {
			t.Errorf("%+v", list)
		}
		if o.Data["data"] != nil {
			t.Errorf("%+v", o)
		}
		f.First().Stop()
		f.First().Start()
		f.Await(other, 1)
	}
	wantOutcome(t, aboutJob(t, c, "show", read.JobID), job.Skipped, "not known here") // a read's answer ends with the node
	again := ask(t, c, "tell")
	o := aboutJob(t, other, "show", again.JobID)
	if data, _ := o.Data["data"].(map[string]any); o.Data["state"] != "ok" || data["x"] != "y" {
		t.Errorf("%+v", o)
	}
	wantOutcome(t, aboutJob(t, c, "show", job.NewID(time.Now())), job.Skipped, "not known here")
}

// A job that runs is stopped, and says so to who asked for it; afterwards there is nothing to stop.
func TestAJobIsCancelled(t *testing.T) {
	p := &probe{began: make(chan struct{}, 1), release: make(chan struct{})}
	_, c := one(t, p)
	for _, action := range []string{"hold", "wait"} {
		pending, id := prepared(t, c, action)
		ended := sent(t, c, pending, nil)
		<-p.began
		if o := aboutJob(t, c, "show", id); o.Data["state"] != "running" {
			t.Errorf("%+v", o)
		}
		wantOutcome(t, aboutJob(t, c, "cancel", id), job.OK, "told to stop")
		wantOutcome(t, only(t, <-ended), job.Failed, "told to stop: stopped: context canceled")
		if o := aboutJob(t, c, "show", id); o.Data["state"] != "failed" {
			t.Errorf("%+v", o)
		}
		if action == "hold" {
			wantOutcome(t, aboutJob(t, c, "cancel", id), job.Unchanged, "had ended: failed")
		}
	}
}

// A change that is cancelled before it comes does not run.
func TestACancelledJobComesTooLate(t *testing.T) {
	p := &probe{}
	_, c := one(t, p)
	pending, id := prepared(t, c, "count")
	wantOutcome(t, aboutJob(t, c, "cancel", id), job.OK, "will not run")
	o := only(t, submitted(t, c, pending))
	wantOutcome(t, o, job.Denied, "was cancelled before it came here")
	if o.Reason != job.ReasonCancelled {
		t.Error(o.Reason)
	}
	if n := runs(t, p.dir, "web1"); n != 0 {
		t.Errorf("it ran %d times", n)
	}
	if o := aboutJob(t, c, "show", id); o.Data["state"] != "cancelled" {
		t.Errorf("%+v", o)
	}
}
