package node_test

import (
	"context"
	"path/filepath"
	"testing"

	"fleet/client"
	"fleet/identity"
	"fleet/internal/fleettest"
	"fleet/job"
	"fleet/node"
	"fleet/node/detached"
	"fleet/plugins/plugin"
)

// beside stands in for a process that outlives the node: it goes on in this one.
type beside struct{ p plugin.Plugin }

func (b beside) Start(_ context.Context, _ string, argv []string) error {
	go detached.Act(context.Background(), argv[0], func(string) (plugin.Plugin, bool) { return b.p, true })
	return nil
}

// outliving is a fleet of two hosts, of which web2 runs changes beside itself.
func outliving(t *testing.T, p *probe) (f *fleettest.Fleet, c *client.Client, web2 *fleettest.Host) {
	t.Helper()
	f = fleettest.New(t)
	f.First().Start()
	c = f.Client()
	p.name, p.dir = "web2", t.TempDir()
	dir := filepath.Join(t.TempDir(), "jobs")
	r, err := detached.New(dir, beside{p}, func(id string) []string { return []string{filepath.Join(dir, id)} }, discard)
	if err != nil {
		t.Fatal(err)
	}
	f.Plugin = func(string) []plugin.Plugin { return []plugin.Plugin{p} }
	f.Config = func(c *node.Config) { c.Detached = r }
	web2 = f.Join("web2", f.Token(identity.Record{Role: identity.Member}))
	f.Await(c, 2)
	return f, c, web2
}

// A change goes on while the agent is restarted, and who asked for it is told how it ended. It runs once.
func TestAChangeOutlivesTheAgent(t *testing.T) {
	p := &probe{began: make(chan struct{}, 1), release: make(chan struct{})}
	f, c, web2 := outliving(t, p)
	pending, id := prepared(t, c, "hold")
	ended := sent(t, c, pending, nil)
	<-p.began
	web2.Stop()
	web2.Start()
	f.Await(c, 2)
	show := func() client.Outcome { t.Helper(); return jobOn(t, c, "show", id, pending.Targets) }
	if o := show(); o.Data["state"] != "running" {
		t.Errorf("%+v", o)
	}
	close(p.release)
	wantOutcome(t, only(t, <-ended), job.OK, "done")
	if o := show(); o.Data["state"] != "ok" || o.Data["message"] != "done" || o.Data["signer"] != "ann" {
		t.Errorf("%+v", o)
	}
	if n := runs(t, p.dir, "web2"); n != 1 {
		t.Errorf("ran %d times", n)
	}
}

// While an action runs, who asked hears of it, and of what it prints; later everybody may ask for that.
func TestWhatAnActionPrints(t *testing.T) {
	p := &probe{began: make(chan struct{}, 1), release: make(chan struct{})}
	_, c, _ := outliving(t, p)
	pending, id := prepared(t, c, "hold")
	said := make(chan client.Said, 16)
	ended := sent(t, c, pending, func(p client.Progress) {
		if p.Says != nil {
			said <- *p.Says
		}
	})
	if got := <-said; got != (client.Said{Name: "web2", Text: "one line\n"}) {
		t.Errorf("%+v", got)
	}
	output := func() client.Outcome { t.Helper(); return jobOn(t, c, "output", id, pending.Targets) }
	if o := output(); o.Data["text"] != "one line\nand half of" || o.Data["running"] != true {
		t.Errorf("%+v", o)
	}
	close(p.release)
	wantOutcome(t, only(t, <-ended), job.OK, "done")
	if o := output(); o.Data["text"] != "one line\nand half of" || o.Data["running"] != false || o.Data["next"] != o.Data["size"] {
		t.Errorf("%+v", o)
	}
}

// It may have ended before the next agent is there.
func TestAChangeEndsWithoutAnAgent(t *testing.T) {
	p := &probe{began: make(chan struct{}, 1), release: make(chan struct{})}
	f, c, web2 := outliving(t, p)
	pending, _ := prepared(t, c, "hold")
	ended := sent(t, c, pending, nil)
	<-p.began
	web2.Stop()
	close(p.release)
	web2.Start()
	f.Await(c, 2)
	wantOutcome(t, only(t, <-ended), job.OK, "done")
	if n := runs(t, p.dir, "web2"); n != 1 {
		t.Errorf("ran %d times", n)
	}
}
