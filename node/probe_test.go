package node_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fleet/client"
	"fleet/internal/fleettest"
	"fleet/job"
	"fleet/plugins/plugin"
)

func TestMain(m *testing.M) {
	fleettest.Main(m, func(name string) []plugin.Plugin {
		return []plugin.Plugin{&probe{name: name, dir: os.Getenv(countsEnv)}}
	})
}

const countsEnv = "FLEETTEST_COUNTS" // for hosts in processes of their own

// probe is a plugin that behaves well and badly on demand.
type probe struct {
	name    string
	dir     string         // where changes leave a mark for each run
	began   chan struct{}  // gets a value when wait or hold begins; may be nil
	release chan struct{}  // what they wait for
	outputs map[string]any // what tell answers
	message string         // with this message
	state   plugin.State   // and this state
}

func (p *probe) Declaration() plugin.Declaration {
	action := func(name string, kind plugin.Kind) plugin.Action {
		return plugin.Action{Name: name, Description: "x", Kind: kind}
	}
	d := plugin.Declaration{Name: "probe", Description: "x", Timeout: time.Minute, Actions: []plugin.Action{
		action("count", plugin.Change), action("hold", plugin.Change), action("wait", plugin.Read), action("tell", plugin.Read), action("panic", plugin.Read),
		action("panic_change", plugin.Change), action("late", plugin.Read),
	}}
	d.Actions[0].Detached, d.Actions[1].Detached = true, true // where the node is given a runner
	d.Actions[6].Timeout = 50 * time.Millisecond
	return d
}

func (p *probe) Run(ctx context.Context, call plugin.Call) plugin.Result {
	done := plugin.Result{State: plugin.OK, Message: "done"}
	switch call.Action {
	case "count":
		p.mark()
	case "hold":
		p.mark()
		if call.Output != nil {
			io.WriteString(call.Output, "one line\nand half of")
		}
		p.block(ctx)
	case "wait":
		p.block(ctx)
	case "late":
		<-ctx.Done()
		return plugin.Failf("stopped: %v", ctx.Err())
	case "tell":
		return plugin.Result{State: p.state, Message: p.message, Data: p.outputs}
	case "panic", "panic_change":
		panic("as told")
	}
	if ctx.Err() != nil {
		return plugin.Failf("stopped: %v", ctx.Err())
	}
	return done
}

func (p *probe) block(ctx context.Context) {
	if p.began != nil {
		p.began <- struct{}{}
	}
	select {
	case <-p.release:
	case <-ctx.Done():
	}
}

// mark leaves one more byte in the host's file.
func (p *probe) mark() {
	f, err := os.OpenFile(filepath.Join(p.dir, p.name), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		f.WriteString("x")
		f.Close()
	}
}

// runs is how often changes ran on that host.
func runs(t *testing.T, dir, name string) int {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return bytes.Count(b, []byte("x"))
}

// one founds a fleet of one host with this probe and starts it.
func one(t *testing.T, p *probe) (*fleettest.Fleet, *client.Client) {
	t.Helper()
	f := fleettest.New(t)
	p.name, p.dir = "web1", t.TempDir()
	f.Plugin = func(string) []plugin.Plugin { return []plugin.Plugin{p} }
	f.First().Start()
	c := f.Client()
	f.Await(c, 1)
	return f, c
}

var discard = slog.New(slog.DiscardHandler)

const patience = 30 * time.Second

// planned is a change for the hosts that would make it, as the command sends it.
func planned(t *testing.T, c *client.Client, r client.Request) client.Request {
	t.Helper()
	plan, err := c.Plan(t.Context(), r, nil)
	if err != nil || len(plan.Targets) == 0 {
		t.Fatalf("%v: no host would %s %s: %+v", err, r.Plugin, r.Action, plan)
	}
	r.Targets = plan.Targets
	return r
}

// ask runs an action of the probe on all hosts that have one.
func ask(t *testing.T, c *client.Client, action string) client.Run {
	t.Helper()
	r := client.Request{Plugin: "probe", Action: action, Timeout: patience}
	if a, _ := (&probe{}).Declaration().Action(action); a.Kind == plugin.Change {
		r = planned(t, c, r)
	}
	run, err := c.Run(t.Context(), r, nil)
	if err != nil {
		t.Fatal(err)
	}
	if run.Rejected > 0 {
		t.Errorf("%d replies were rejected", run.Rejected)
	}
	return run
}

// only is the outcome of a run of one host.
func only(t *testing.T, run client.Run) client.Outcome {
	t.Helper()
	if len(run.Outcomes) != 1 {
		t.Fatalf("%d outcomes: %+v", len(run.Outcomes), run)
	}
	return run.Outcomes[0]
}

func wantOutcome(t *testing.T, o client.Outcome, state job.State, part string) {
	t.Helper()
	if o.State != state || !strings.Contains(o.Message, part) {
		t.Errorf("%s ended %s %q, want %s with %q", o.Name, o.State, o.Message, state, part)
	}
}
