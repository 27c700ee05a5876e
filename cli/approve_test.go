package cli

import (
	"context"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"fleet/client"
	"fleet/identity"
	"fleet/internal/fleettest"
	"fleet/plugins/plugin"
	"fleet/plugins/service"
)

// counted is the service plugin, which counts what it is told to do.
type counted struct{ n *atomic.Int64 }

func (counted) Declaration() plugin.Declaration { return service.Declaration() }
func (c counted) Run(context.Context, plugin.Call) plugin.Result {
	c.n.Add(1)
	return plugin.Result{State: plugin.OK, Message: "restarted"}
}

// A rule asks for two keys. The second admin approves by the job's id, or by the file; what is sent without is refused.
func TestASecondKeyByIdAndByFile(t *testing.T) {
	var n atomic.Int64
	f := fleettest.New(t)
	f.Plugin = func(string) []plugin.Plugin { return []plugin.Plugin{counted{&n}} }
	f.First().Start()
	ann := person{t: t, home: homeOfFleet(t, f)}
	dir := t.TempDir()
	bob := person{t: t, home: filepath.Join(dir, "bob")}
	ann.must(0, "role", "allow", "ops", "--action", "service.*", "--second-key")
	_, line, _ := bob.run("admin", "keygen", "bob", "--role", "ops")
	back := ann.pasted(0, line)
	bob.pasted(0, regexp.MustCompile(`fleet admin accept \S+`).FindString(back))
	expect(t, bob.within(7, "service", "nginx", "restart", "-I", "web1"), "needs the signature of a second admin")

	file := filepath.Join(dir, "restart.job")
	held := bob.must(0, "service", "nginx", "restart", "-I", "web1", "--for-approval", file, "--reason", "ticket 4711")
	id := regexp.MustCompile(`fleet approve (\S+);`).FindStringSubmatch(held)
	if id == nil {
		t.Fatalf("no id to approve by in %q", held)
	}
	web1, err := f.First().Membership()
	if err != nil {
		t.Fatal(err)
	}
	expect(t, ann.must(2, "approve", id[1]), "  signed by  bob (key", "  reason     \"ticket 4711\"", "  action     service restart (changes hosts)",
		"  arguments  service=\"nginx\"", "  hosts      exactly 1 host:\n             web1  "+string(web1.Key.Public().ID())+"  no labels  (your signature counts there)",
		"  approved   by nobody yet", "nothing was signed", "-y")
	expect(t, ann.must(0, "approve", id[1], "-y"), "fleet send "+id[1])
	expect(t, ann.must(1, "approve", id[1], "-y"), "  approved   by ann (key", "this key has already approved")
	expect(t, bob.must(1, "approve", id[1], "-y"), "the job's signer cannot also approve it")
	expect(t, ann.must(2, "send", id[1]), "only the admin who signed the job first can send it")
	expect(t, bob.must(7, "send", file), "needs the signature of a second admin") // the file has one signature only
	expect(t, bob.must(2, "send", id[1]), "the job was sent already")
	if n.Load() != 0 {
		t.Fatalf("it ran %d times with one signature", n.Load())
	}

	held = bob.must(0, "service", "nginx", "restart", "-I", "web1", "--for-approval", file, "--reason", "ticket 4711")
	id = regexp.MustCompile(`fleet approve (\S+);`).FindStringSubmatch(held)
	ann.must(0, "approve", id[1], "-y")
	expect(t, bob.must(0, "send", id[1]), "restarted")
	expect(t, ann.must(0, "job", "show", id[1]), `bob: service restart service=nginx --reason "ticket 4711"`)
	expect(t, ann.must(0, "job", "list"), `service restart service=nginx --reason "ticket 4711"`)
	expect(t, ann.must(0, "audit", "--job", id[1], "-o", "json"), `"job_reason": "ticket 4711"`, `"second": "ann"`)

	bob.must(0, "service", "nginx", "restart", "-I", "web1", "--for-approval", file)
	ann.must(0, "approve", file, "-y")
	expect(t, bob.must(0, "send", file), "restarted")
	if n.Load() != 2 {
		t.Errorf("it ran %d times, want 2", n.Load())
	}
	expect(t, ann.must(1, "approve", "01KANSNYG0XJ5B4V0D3F6A7C8E", "-y"), "no broker has a job 01KANSNYG0XJ5B4V0D3F6A7C8E")
}

// Which host an id means, nobody says but the host itself and, unverified, a broker: what neither names is marked.
func TestATargetThatNobodyCanName(t *testing.T) {
	f := fleettest.New(t)
	f.Plugin = func(string) []plugin.Plugin { return []plugin.Plugin{pretend{}} }
	f.First().Start()
	ann := person{t: t, home: homeOfFleet(t, f)}
	c := f.Client()
	request := client.Request{Plugin: "service", Action: "restart", Args: map[string]any{"service": "nginx"}, Timeout: time.Minute}
	plan, err := c.Plan(t.Context(), request, nil)
	if err != nil || len(plan.Targets) != 1 {
		t.Fatalf("%+v, %v", plan, err)
	}
	stranger := identity.NewKey[identity.Node]().Public().ID()
	request.Targets = append(plan.Targets, client.Target{Node: stranger, Name: "web2"})
	p, err := c.Prepare(request)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "both.job")
	if err := writeJob(file, p.Signed); err != nil {
		t.Fatal(err)
	}
	expect(t, ann.must(2, "approve", file), "  reason     none", "exactly 2 hosts; nobody can name 1 of them:",
		"(no name)  "+string(stranger)+"  labels not known  (it did not answer: the brokers no longer know it)",
		"web1  "+string(plan.Targets[0].Node)+"  no labels  (your signature counts there)")
}

func TestReasons(t *testing.T) {
	nobody := person{t: t, home: t.TempDir()}
	for text, why := range map[string]string{
		"": "--reason has an empty value", "a\nb": "cannot be printed", "a\x1b[2J": "cannot be printed", "a\u202eb": "cannot be printed",
		"\xff": "cannot be printed", strings.Repeat("a", 257): "257 bytes, at most 256",
	} {
		expect(t, nobody.must(2, "service", "nginx", "restart", "-I", "web1", "--reason", text), why)
	}
}
