package mixed

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// One version apart everything works, whichever side is the newer, and while hosts are upgraded one after the other. The
// joining, the brokers' routes and gossip are of different releases then, too.
func TestOneVersionApart(t *testing.T) {
	f := found(t, 1, "web1")
	f.join(1, "web2")
	f.join(2, "web3")
	works := func(release int) {
		t.Helper()
		f.await(release, "web1", "web2", "web3")
		doc := f.ask(release, "run", "service", "no-such-service", "restart", "--all")
		if got := doc.in("skipped"); doc.Exit != 3 || !slices.Equal(got, []string{"web1", "web2", "web3"}) {
			t.Errorf("a change by release %d: %s", release, doc)
		}
	}
	works(1)
	works(2)
	for _, name := range []string{"web1", "web2"} {
		f.nodes[name].stop(t)
		f.start(2, name)
		works(1)
		works(2)
	}
	works(3)
	if out := f.ask(2, "status"); !strings.Contains(out.raw, `"protocols"`) {
		t.Errorf("fleet status does not count the protocols: %s", out.raw)
	}
}

// Further apart, no host is silent for it: it is refused by name, and the message says who is to be upgraded.
func TestTwoVersionsApart(t *testing.T) {
	f := found(t, 1, "web1")
	f.join(2, "web2")
	f.await(1, "web1", "web2")
	for _, args := range [][]string{{"ping"}, {"ping", "-I", "web1"}, {"run", "service", "no-such-service", "restart", "--all"}} {
		doc := f.ask(3, args...)
		if got := doc.in("refused"); doc.Exit != 7 || !slices.Equal(got, []string{"web1"}) || !strings.Contains(doc.message("web1"), "upgrade fleet on that host") {
			t.Errorf("fleet %s: %s", strings.Join(args, " "), doc)
		}
	}
}

// Also where the admin's release is the older one. If who answers for the brokers is two ahead of it too, their list of hosts
// cannot be read, and it is said that this is why. Which peer that is, the brokers decide.
func TestTwoVersionsBehind(t *testing.T) {
	f := found(t, 2, "web1")
	f.join(4, "web2")
	f.await(3, "web1", "web2")
	for _, broker := range []string{"web1", "web2"} {
		doc := f.ask(1, "ping", "--broker", "127.0.0.1:"+f.ports[broker])
		says := doc.raw
		if doc.Exit == 7 && slices.Equal(doc.in("refused"), []string{"web2"}) && slices.Equal(doc.in("ok"), []string{"web1"}) {
			says = doc.message("web2")
		} else if doc.Exit != 1 {
			t.Errorf("by the broker of %s: %s", broker, doc)
		}
		if !strings.Contains(says, "upgrade fleet on this machine") {
			t.Errorf("by the broker of %s it is not said why: %s", broker, doc)
		}
	}
}

// document is what of fleet.run/v1 matters here.
type document struct {
	Hosts []struct{ Host, State, Message string }
	Exit  int
	raw   string
}

func (d document) String() string { return fmt.Sprintf("exit code %d: %s", d.Exit, d.raw) }

// in returns the hosts in that state.
func (d document) in(state string) (names []string) {
	for _, h := range d.Hosts {
		if h.State == state {
			names = append(names, h.Host)
		}
	}
	slices.Sort(names)
	return names
}

func (d document) message(host string) string {
	for _, h := range d.Hosts {
		if h.Host == host {
			return h.Message
		}
	}
	return ""
}

// ask runs a command as an admin with that release does.
func (f *fleet) ask(release int, args ...string) document {
	f.t.Helper()
	out, code := f.run(release, append(args, "-o", "json", "--timeout", "20s")...)
	d := document{raw: out}
	if err := json.Unmarshal([]byte(out), &d); err != nil {
		f.t.Fatalf("fleet %s: exit code %d, no document: %v\n%s", strings.Join(args, " "), code, err, out)
	}
	if code != d.Exit {
		f.t.Errorf("fleet %s ended with %d and says %s", strings.Join(args, " "), code, d)
	}
	return d
}

// await waits until just these hosts answer an admin with that release.
func (f *fleet) await(release int, names ...string) {
	f.t.Helper()
	until(f.t, fmt.Sprintf("%v answer release %d", names, release), func() (string, bool) {
		d := f.ask(release, "ping")
		return d.String(), d.Exit == 0 && slices.Equal(d.in("ok"), names)
	})
}

// Releases of protocol 1 that declare the plugin service otherwise.
const (
	restartIsRead = 100*(iota+1) + 1
	restartHasOption
	restartHasDefault
)

// edits are what such a release has in plugins/service/declaration.go instead.
var edits = map[int][2]string{
	restartIsRead: {`verify that it came up anew", plugin.Change)`, `verify that it came up anew", plugin.Read)`},
	restartHasOption: {`MaxLength: maxName,
		}},`, `MaxLength: maxName,
		}, {Name: "force", Prompt: "Force", Type: plugin.Boolean, Optional: true}},`},
	restartHasDefault: {`MaxLength: maxName,
		}},`, `MaxLength: maxName,
		}, {Name: "force", Prompt: "Force", Type: plugin.Boolean, Default: true}},`},
}

// Releases that declare an action otherwise: whichever side is the newer, what would mean another thing is refused by each host that
// takes it so, and says why, and what means the same goes on.
func TestAnotherDeclaration(t *testing.T) {
	f := found(t, 1, "web1")
	f.join(restartHasDefault, "web2")
	f.await(1, "web1", "web2")
	restart := []string{"run", "service", "no-such-service", "restart", "--all"}
	for _, tt := range []struct {
		release int
		args    []string
		refused []string
		says    string
	}{
		{1, restart, []string{"web2"}, "web2 has another service.restart than the job's signer, with other inputs"},
		{restartHasOption, restart, []string{"web2"}, "web2 has another service.restart"},
		{restartHasOption, append(restart, "force=true"), []string{"web1", "web2"}, `no argument "force"`},
		{restartHasDefault, restart, []string{"web1"}, "web1 has another service.restart"},
		{restartIsRead, restart[:4], []string{"web1", "web2"}, "web1 takes service.restart for a change, the job's signer for a read"},
		{restartIsRead, []string{"ping"}, nil, ""},
	} {
		doc := f.ask(tt.release, tt.args...)
		if got := doc.in("refused"); !slices.Equal(got, tt.refused) || len(got) > 0 && (doc.Exit != 7 || !strings.Contains(doc.message(got[0]), tt.says)) {
			t.Errorf("release %d, fleet %s: %s", tt.release, strings.Join(tt.args, " "), doc)
		}
		for _, name := range []string{"web1", "web2"} {
			if !slices.Contains(tt.refused, name) && !slices.Contains(append(doc.in("skipped"), doc.in("ok")...), name) {
				t.Errorf("release %d, fleet %s: %s: %s", tt.release, strings.Join(tt.args, " "), name, doc)
			}
		}
	}
}

// build makes a release that adds that version of the protocol, or one of the edits.
func build(t *testing.T, dir string, version int) string {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) string {
		path := filepath.Join(dir, fmt.Sprintf("%s.%d", name, version))
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	replace := map[string]string{filepath.Join(root, "job", "newest.go"): write("newest.go", fmt.Sprintf("package job\n\nconst newest = %d\n", version%100))}
	if edit, altered := edits[version]; altered {
		file := filepath.Join(root, "plugins", "service", "declaration.go")
		text, err := os.ReadFile(file)
		if err != nil || strings.Count(string(text), edit[0]) != 1 {
			t.Fatalf("%s does not have %q once: %v", file, edit[0], err)
		}
		replace[file] = write("declaration.go", strings.Replace(string(text), edit[0], edit[1], 1))
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(dir, fmt.Sprintf("fleet.%d", version))
	command(t, root, "go", "build", "-overlay", write("overlay.json", string(overlay)), "-o", binary, ".")
	return binary
}
