package node_test

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"fleet/client"
	"fleet/identity"
	"fleet/internal/fleettest"
	"fleet/job"
	"fleet/plugins/plugin"
)

// counting is a change that counts how often it ran.
type counting struct{ ran *atomic.Int64 }

func (counting) Declaration() plugin.Declaration {
	return plugin.Declaration{Name: "counting", Description: "Counts.", Timeout: time.Minute,
		Actions: []plugin.Action{{Name: "up", Description: "Counts up.", Kind: plugin.Change}}}
}

func (c counting) Run(context.Context, plugin.Call) plugin.Result {
	c.ran.Add(1)
	return plugin.Result{State: plugin.OK, Message: "counted"}
}

// A rule for two keys, live: one admin alone is refused, the approved job runs once, and sent again it runs no more.
func TestTwoKeysLive(t *testing.T) {
	var ran atomic.Int64
	f := fleettest.New(t)
	f.Plugin = func(string) []plugin.Plugin { return []plugin.Plugin{counting{&ran}} }
	f.First().Start()
	c := f.Client()
	bob := identity.NewKey[identity.Admin]()
	r := f.Roster
	r.Version = 2
	r.Roles = append(r.Roles[:0:0], identity.RoleEntry{Name: "all", Rules: []identity.Rule{{Action: "rpcutil.*"}, {Action: "counting.*", Second: 1}}})
	r.Admins = append(r.Admins[:1:1], identity.AdminEntry{Name: "bob", Key: bob.Public(), Roles: []string{"all"}})
	doc, err := identity.SignRoster(f.Root, r, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.PutDocument(t.Context(), doc); err != nil {
		t.Fatal(err)
	}
	until(t, "the new roster to be in force", func() bool {
		second, err := client.Connect(t.Context(), client.Config{Root: f.Root.Anchor(), Key: bob, Brokers: []string{f.Broker()}, Log: slog.New(slog.DiscardHandler), Declared: f.Declared})
		if err == nil {
			second.Close()
		}
		return err == nil
	})
	request := client.Request{Plugin: "counting", Action: "up", Timeout: 20 * time.Second}
	plan, err := c.Plan(t.Context(), request, nil)
	if err != nil || len(plan.Targets) != 1 {
		t.Fatalf("%+v, %v", plan, err)
	}
	request.Targets = plan.Targets
	run, err := c.Run(t.Context(), request, nil)
	if err != nil || len(run.Outcomes) != 1 || run.Outcomes[0].Reason != job.ReasonSecond {
		t.Fatalf("with one key: %+v, %v", run, err)
	}
	p, err := c.Prepare(request)
	if err != nil {
		t.Fatal(err)
	}
	if p.Signed, err = job.Approve(p.Signed, bob); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time it is answered from the journal
		run, err = c.Submit(t.Context(), p, 20*time.Second, nil)
		if err != nil || len(run.Outcomes) != 1 || run.Outcomes[0].State != job.OK || run.Outcomes[0].Message != "counted" {
			t.Fatalf("with two keys: %+v, %v", run, err)
		}
	}
	if ran.Load() != 1 {
		t.Errorf("it ran %d times", ran.Load())
	}
}

// A job that waits is at every broker's node, whichever took it.
func TestAWaitingJobIsWithAllBrokers(t *testing.T) {
	f, c := fleettest.Up(t, 3)
	plan, err := c.Plan(t.Context(), client.Request{Plugin: "rpcutil", Action: "ping", Timeout: 20 * time.Second}, nil)
	if err != nil {
		t.Fatal(err)
	}
	p, err := c.Prepare(client.Request{Plugin: "rpcutil", Action: "ping", Targets: plan.Targets})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.PutWaiting(t.Context(), p.Signed); err != nil {
		t.Fatal(err)
	}
	u, err := job.Decode(p.Signed)
	if err != nil {
		t.Fatal(err)
	}
	until(t, "ten answers in a row to have it", func() bool {
		for range 10 {
			if got, err := f.Client().Waiting(t.Context(), u.ID()); err != nil || string(got) != string(p.Signed) {
				return false
			}
		}
		return true
	})
}
