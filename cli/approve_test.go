package cli

import (
	"context"
	"path/filepath"
	"regexp"
	"sync/atomic"
	"testing"

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
	held := bob.must(0, "service", "nginx", "restart", "-I", "web1", "--for-approval", file)
	id := regexp.MustCompile(`fleet approve (\S+);`).FindStringSubmatch(held)
	if id == nil {
		t.Fatalf("no id to approve by in %q", held)
	}
	expect(t, ann.must(2, "approve", id[1]), "bob signed: service restart service=nginx on 1 host: web1", "nothing was signed", "-y")
	expect(t, ann.must(0, "approve", id[1], "-y"), "fleet send "+id[1])
	expect(t, ann.must(1, "approve", id[1], "-y"), "this key has already approved")
	expect(t, bob.must(1, "approve", id[1], "-y"), "the job's signer cannot also approve it")
	expect(t, ann.must(2, "send", id[1]), "only the admin who signed the job first can send it")
	expect(t, bob.must(7, "send", file), "needs the signature of a second admin") // the file has one signature only
	expect(t, bob.must(2, "send", id[1]), "the job was sent already")
	if n.Load() != 0 {
		t.Fatalf("it ran %d times with one signature", n.Load())
	}

	held = bob.must(0, "service", "nginx", "restart", "-I", "web1", "--for-approval", file)
	id = regexp.MustCompile(`fleet approve (\S+);`).FindStringSubmatch(held)
	ann.must(0, "approve", id[1], "-y")
	expect(t, bob.must(0, "send", id[1]), "restarted")

	bob.must(0, "service", "nginx", "restart", "-I", "web1", "--for-approval", file)
	ann.must(0, "approve", file, "-y")
	expect(t, bob.must(0, "send", file), "restarted")
	if n.Load() != 2 {
		t.Errorf("it ran %d times, want 2", n.Load())
	}
	expect(t, ann.must(1, "approve", "01KANSNYG0XJ5B4V0D3F6A7C8E", "-y"), "no broker has a job 01KANSNYG0XJ5B4V0D3F6A7C8E")
}
