package node_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"runtime/pprof"
	"strings"
	"testing"
	"time"

	"fleet/client"
	"fleet/facts"
	"fleet/gossip"
	"fleet/identity"
	"fleet/internal/fleettest"
	"fleet/job"
	"fleet/node"
	"fleet/plugins"
	"fleet/plugins/plugin"
	"fleet/plugins/rpcutil"
)

// until waits for something that no event tells of.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-ctx.Done():
			t.Fatalf("%s did not happen", what)
		case <-tick.C:
		}
	}
}

func ping(t *testing.T, c *client.Client) client.Run {
	t.Helper()
	run, err := c.Run(t.Context(), client.Request{Plugin: "rpcutil", Action: "ping", Timeout: patience}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return run
}

func named(t *testing.T, run client.Run, name string) client.Outcome {
	t.Helper()
	for _, o := range run.Outcomes {
		if o.Name == name {
			return o
		}
	}
	t.Fatalf("%s is not in the run: %+v", name, run)
	return client.Outcome{}
}

// A host that left in order is not missed; one that was killed is named, with what is known of it, and the run ends
// without waiting for the time limit.
func TestAKilledHostIsNamedAndOneThatLeftIsNot(t *testing.T) {
	f := fleettest.New(t)
	f.First().Start()
	c := f.Client()
	for _, name := range []string{"leaves", "dies"} {
		f.Join(name, f.Token(identity.Record{Role: identity.Member}))
	}
	f.Await(c, 3)
	f.Hosts()[1].Stop()
	dies := f.Hosts()[2].StartProcess()
	f.Await(c, 2)
	if run := ping(t, c); len(run.Outcomes) != 2 || named(t, run, "dies").State != job.OK {
		t.Errorf("%+v", run)
	}
	dies.Kill()
	run := ping(t, c)
	if len(run.Outcomes) != 2 {
		t.Errorf("%+v", run)
	}
	wantOutcome(t, named(t, run, "dies"), job.Silent, "") // it answers no probe, or gossip has noticed already
	awaitPresence(t, c, "dies", job.MemberFailed)
	wantOutcome(t, named(t, ping(t, c), "dies"), job.Silent, "last seen")
	if o := named(t, run, "web1"); o.State != job.OK {
		t.Errorf("%+v", o)
	}
}

// A change that its node did not survive is lost, and is not begun again when the node is back.
func TestAChangeThatItsNodeDidNotSurvive(t *testing.T) {
	dir := t.TempDir()
	t.Setenv(countsEnv, dir)
	f := fleettest.New(t)
	f.Plugin = func(name string) []plugin.Plugin { return []plugin.Plugin{&probe{name: name, dir: dir}} }
	f.First().Start()
	c := f.Client()
	web2 := f.Join("web2", f.Token(identity.Record{Role: identity.Member}))
	p := web2.StartProcess()
	f.Await(c, 2)
	var target []client.Target
	members, err := c.Members(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range members {
		if m.Name == "web2" {
			target = []client.Target{{Node: m.Node, Name: m.Name}}
		}
	}
	w := newWire(t, f)
	signed := w.sign("hold", func(j *job.Job) { j.Targets = []identity.ID{target[0].Node} })
	w.send(signed)
	if v := w.next(signed); v.Kind == job.NoMatch { // web1's answer
		v = w.next(signed)
		if v.Kind != job.Accepted {
			t.Fatalf("%+v", v.Reply)
		}
	}
	until(t, "the change", func() bool { return runs(t, dir, "web2") == 1 })
	go func() {
		// The second change is under way for sure when it has left its mark.
		until(t, "the second change", func() bool { return runs(t, dir, "web2") == 2 })
		p.Kill()
	}()
	run, err := c.Run(t.Context(), client.Request{Plugin: "probe", Action: "hold", Targets: target, Timeout: patience}, nil)
	if err != nil {
		t.Fatal(err)
	}
	wantOutcome(t, only(t, run), job.Lost, "accepted the job, but sent no result: failed")

	web2.Start()
	f.Await(c, 2)
	w.send(signed)
	for {
		if v := w.end(signed); v.Kind != job.NoMatch {
			if v.State != job.Lost || !strings.Contains(v.Message, "the node ended before the action did") {
				t.Errorf("%+v", v.Reply)
			}
			break
		}
	}
	if n := runs(t, dir, "web2"); n != 2 {
		t.Errorf("two changes ran %d times", n)
	}
}

// bare is a node on the data directory of the first host, not run yet.
func bare(t *testing.T, f *fleettest.Fleet, change func(*node.Config)) *node.Node {
	t.Helper()
	d, err := node.OpenDataDir(f.First().Dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	c := node.Config{
		Dir: d, Bind: netip.MustParseAddr("127.0.0.1"), Profile: gossip.Loopback, Facts: facts.Config{}, Version: "test", Log: discard,
		Plugins: func(h plugins.Host) (*plugins.Set, error) { return plugins.New(rpcutil.New(h, h)) },
	}
	change(&c)
	n, err := node.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// When Run has returned, nothing of the node is left.
func TestRunLeavesNothingBehind(t *testing.T) {
	before := goroutines()
	for name, end := range map[string]func(ready <-chan struct{}, stop context.CancelFunc){
		"before it is up": func(_ <-chan struct{}, stop context.CancelFunc) { stop() },
		"once it is up":   func(ready <-chan struct{}, stop context.CancelFunc) { <-ready; stop() },
	} {
		t.Run(name, func(t *testing.T) {
			f := fleettest.New(t)
			ready := make(chan struct{})
			n := bare(t, f, func(c *node.Config) { c.Ready = func() { close(ready) } })
			ctx, stop := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- n.Run(ctx) }()
			end(ready, stop)
			if err := <-done; err != nil {
				t.Error(err)
			}
			if left := leaked(before); left != "" {
				// Closed connections may take a moment to be noticed.
				until(t, "the end of "+left, func() bool { return leaked(before) == "" })
			}
		})
	}
}

// goroutines counts what runs, by its stack.
func goroutines() map[string]int {
	var text strings.Builder
	pprof.Lookup("goroutine").WriteTo(&text, 1)
	count := map[string]int{}
	for _, block := range strings.Split(text.String(), "\n\n") {
		var n int
		head, stack, _ := strings.Cut(block, "\n")
		if fmt.Sscanf(head, "%d @", &n); n > 0 {
			count[stack] += n
		}
	}
	return count
}

func leaked(before map[string]int) string {
	for stack, n := range goroutines() {
		if n > before[stack] && (strings.Contains(stack, "fleet/node.") || strings.Contains(stack, "fleet/gossip.") || strings.Contains(stack, "nats") || strings.Contains(stack, "memberlist")) {
			return stack
		}
	}
	return ""
}

// A node that cannot be made holds nothing: the next attempt finds ports and files free.
func TestANodeThatCannotBeMadeHoldsNothing(t *testing.T) {
	f := fleettest.New(t)
	before := goroutines()
	d, err := node.OpenDataDir(f.First().Dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	c := node.Config{
		Dir: d, Bind: netip.MustParseAddr("127.0.0.1"), Profile: gossip.Loopback, Version: "test", Log: discard,
		Plugins: func(h plugins.Host) (*plugins.Set, error) { return plugins.New(rpcutil.New(h, h)) },
	}
	held, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	taken := c
	taken.GossipPort = uint16(held.LocalAddr().(*net.UDPAddr).Port)
	if _, err := node.New(taken); err == nil {
		t.Fatal("a gossip port that is taken was no error")
	}
	first, err := node.New(c)
	if err != nil {
		t.Fatalf("after a failed attempt: %v", err)
	}
	if _, err := node.New(c); err == nil {
		t.Error("the journal is open twice")
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	if err := first.Run(stopped); err != nil {
		t.Error(err)
	}
	if left := leaked(before); left != "" {
		until(t, "the end of "+left, func() bool { return leaked(before) == "" })
	}
}

// A host whose broker port another program has is still a node: it uses the brokers of others, and says what is wrong.
func TestATakenBrokerPort(t *testing.T) {
	f := fleettest.New(t)
	f.First().Start()
	c := f.Client()
	f.Join("web2", f.Token(identity.Record{Role: identity.Peer}))
	f.Await(c, 2)
	f.First().Stop() // and another program takes its port
	l, err := net.Listen("tcp", f.Broker())
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f.First().Start() // returns when it listens for jobs: at the other's broker
}

// A fleet's first host that is started anew knows the others before it says who is there.
func TestARestartedHostDoesNotTakeItselfForTheFleet(t *testing.T) {
	f, c := fleettest.Up(t, 3)
	for range 3 {
		f.First().Stop()
		f.First().Start()
		var members []job.Member
		until(t, "an answer", func() bool {
			var err error
			members, err = c.Members(t.Context())
			return err == nil
		})
		if len(members) != 3 {
			t.Errorf("it knows %d hosts: %+v", len(members), members)
		}
		f.Await(c, 3)
	}
}
