package packages

import (
	"context"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fleet/plugins/plugin"
)

// world is a private root with a real package manager and a real repository of tiny packages, apart from this
// machine's own packages. The packages are "fleet-hello" with the configuration file /etc/fleet-hello.conf, and
// "fleet-guest", which needs it.
type world struct {
	manager   manager
	root      string
	base      int                                      // how many packages are there before
	publish   func(t *testing.T, version string)       // puts fleet-hello of that version, release 1, into the repository; "": takes all of it out
	holds     map[string]func(t *testing.T, held bool) // by what a package can be held -> to hold fleet-hello by it, or not
	configure func(t *testing.T, line string)          // nil: there is no need; dnf: one more line of its configuration
	older     bool                                     // install can be given an older version
	lock      func(t *testing.T) (unlock func())       // holds the manager's lock, as another program would
}

const hello = "fleet-hello"

func contractWorlds() map[string]func(*testing.T) world {
	return map[string]func(*testing.T) world{
		"apt": aptWorld, "dnf": dnfWorld, "yum by dnf 4": yumWorld, "zypper": zypperWorld, "pacman": pacmanWorld,
	}
}

// step is one action of the contract, run in order, with what must come of it.
type step struct {
	what    string
	before  func(t *testing.T, w world)
	call    plugin.Call
	state   plugin.State
	message string // in full; a trailing "..." matches any rest, a leading one any start
	data    map[string]any
	after   func(t *testing.T, w world)
}

func do(action string, words ...string) plugin.Call {
	c := plugin.Call{Action: action, Args: plugin.Args{}}
	if len(words) > 0 {
		c.Args["package"] = words[0]
	}
	if len(words) > 1 {
		c.Args["version"] = words[1]
	}
	return c
}

func contract(w world) []step {
	provider := w.manager.provider()
	arch := map[string]string{"apt": "amd64"}[provider]
	if arch == "" {
		arch = "x86_64"
	}
	publish := func(version string) func(*testing.T, world) {
		return func(t *testing.T, w world) { w.publish(t, version) }
	}
	steps := []step{
		{what: "absent is an answer", before: publish("1.0"), call: do("status", hello), state: plugin.OK, message: "absent",
			data: map[string]any{"ensure": "absent", "status": "absent", "name": hello, "provider": provider, "arch": nil}},
		{what: "no update of what is not here", call: do("update", hello), state: plugin.Skipped, message: "not installed here"},
		{what: "nothing to uninstall", call: do("uninstall", hello), state: plugin.Unchanged, message: "absent"},
		{what: "nothing to purge", call: do("purge", hello), state: plugin.Unchanged, message: "absent"},
		{what: "nothing to count", call: do("count"), state: plugin.OK, message: plural(w.base, "package"),
			data: map[string]any{"count": int64(w.base)}},

		{what: "install refreshes lists that were never there", call: do("install", hello), state: plugin.OK, message: "installed 1:1.0-1",
			data: map[string]any{"ensure": "1:1.0-1", "old": "absent", "new": "1:1.0-1", "changed": true, "arch": arch}},
		{what: "what is installed is told in parts", call: do("status", hello), state: plugin.OK, message: "fleet-hello-1:1.0-1." + arch,
			data: map[string]any{"ensure": "1:1.0-1", "status": "installed", "version": "1.0", "release": "1", "epoch": "1", "arch": arch}},
		{what: "install is idempotent", call: do("install", hello), state: plugin.Unchanged, message: "already 1:1.0-1",
			data: map[string]any{"changed": false}},
		{what: "install of the version that is there", call: do("install", hello, "1:1.0-1"), state: plugin.Unchanged, message: "already 1:1.0-1"},
		{what: "install of that version in short", call: do("install", hello, "1.0"), state: plugin.Unchanged, message: "already 1:1.0-1"},
		{what: "nothing newer", call: do("update", hello), state: plugin.Unchanged, message: "already 1:1.0-1",
			data: map[string]any{"old": "1:1.0-1", "new": "1:1.0-1", "changed": false}},
		{what: "one to count", call: do("count"), state: plugin.OK, message: plural(w.base+1, "package"),
			data: map[string]any{"count": int64(w.base + 1)}},
		{what: "up to date", call: do("checkupdates"), state: plugin.OK, message: "up to date", data: map[string]any{"count": int64(0)}},

		{what: "refresh", before: publish("2.0"), call: do("refresh"), state: plugin.OK, message: "lists refreshed"},
		{what: "checkupdates says old and new", call: do("checkupdates"), state: plugin.OK,
			message: "1 update: fleet-hello 1:1.0-1 -> 1:2.0-1", data: map[string]any{"count": int64(1)}},
	}
	for i, by := range slices.Sorted(maps.Keys(w.holds)) {
		hold := w.holds[by]
		steps = append(steps, step{what: "a package stays that is held by " + by, before: func(t *testing.T, _ world) { hold(t, true) },
			call: do("update", hello), state: plugin.Skipped, message: "held by " + by + " at 1:1.0-1; 1:2.0-1 is available",
			data: map[string]any{"ensure": "1:1.0-1"}})
		if i == len(w.holds)-1 {
			steps = append(steps, step{what: "checkupdates says what is held", call: do("checkupdates"), state: plugin.OK,
				message: "up to date; 1 update held back: fleet-hello 1:1.0-1 -> 1:2.0-1", data: map[string]any{"count": int64(0)}})
		}
		steps[len(steps)-1].after = func(t *testing.T, _ world) { hold(t, false) }
	}
	steps = append(steps, []step{
		{what: "update says old and new", before: editConf, call: do("update", hello), state: plugin.OK, message: "1:1.0-1 -> 1:2.0-1",
			data:  map[string]any{"ensure": "1:2.0-1", "old": "1:1.0-1", "new": "1:2.0-1", "changed": true},
			after: confIsEdited},
		{what: "update refreshes by itself", before: publish("3.0"), call: do("update", hello), state: plugin.OK, message: "1:2.0-1 -> 1:3.0-1",
			after: confIsEdited},
		{what: "update is idempotent", call: do("update", hello), state: plugin.Unchanged, message: "already 1:3.0-1"},
		{what: "a version that nobody has", call: do("install", hello, "9.9-1"), state: plugin.Failed,
			message: "no repository of this host has fleet-hello 9.9-1; they have 1:3.0-1..."},
		{what: "a name that nobody has", call: do("install", "fleet-helo"), state: plugin.Failed,
			message: "no repository of this host has a package fleet-helo; the nearest name is fleet-hello"},
		{what: "a name like no other", call: do("install", "qqqqqqqqqqqqqq"), state: plugin.Failed,
			message: "no repository of this host has a package qqqqqqqqqqqqqq"},
		{what: "what needs it comes with it", call: do("install", "fleet-guest"), state: plugin.OK, message: "installed 1-1"},
		{what: "two to count", call: do("count"), state: plugin.OK, message: plural(w.base+2, "package")},
	}...)
	if provider != "yum" { // which tells it only in words for people
		steps = append(steps, step{what: "a name that others provide", call: do("install", "fleet-greeter"), state: plugin.Failed,
			message: "no repository of this host has a package fleet-greeter; it is provided by fleet-hello: ask for one of them by name"})
	}
	if w.older {
		steps = append(steps,
			step{what: "an older version, in short", call: do("install", hello, "2.0"), state: plugin.OK, message: "1:3.0-1 -> 1:2.0-1",
				after: confIsEdited},
			step{what: "and back", call: do("install", hello, "1:3.0-1"), state: plugin.OK, message: "1:2.0-1 -> 1:3.0-1"})
	}
	return append(steps, removal(provider)...)
}

// removal differs in what a manager keeps: dpkg remembers configuration files, pacman refuses while another needs it.
func removal(provider string) []step {
	gone := func(t *testing.T, w world) {
		if _, err := os.Stat(confPath(w)); err == nil {
			t.Errorf("%s is still there", confPath(w))
		}
	}
	switch provider {
	case "apt":
		return []step{
			{what: "uninstall says what went with it", call: do("uninstall", hello), state: plugin.OK,
				message: "removed 1:3.0-1, its configuration files stay; with it went fleet-guest",
				data:    map[string]any{"ensure": "absent", "status": "config-files", "changed": true}, after: confIsEdited},
			{what: "leftovers are told", call: do("status", hello), state: plugin.OK, message: "absent (its configuration files are still here)"},
			{what: "uninstall is idempotent", call: do("uninstall", hello), state: plugin.Unchanged, message: "absent (its configuration files are still here)"},
			{what: "purge of leftovers", call: do("purge", hello), state: plugin.OK, message: "purged its configuration files", after: gone},
			{what: "purge is idempotent", call: do("purge", hello), state: plugin.Unchanged, message: "absent"},
			{what: "again", call: do("install", hello), state: plugin.OK, message: "installed 1:3.0-1"},
			{what: "purge", call: do("purge", hello), state: plugin.OK, message: "purged 1:3.0-1", after: gone},
		}
	case "pacman":
		return []step{
			{what: "pacman keeps what is needed", call: do("uninstall", hello), state: plugin.Failed, message: "...could not satisfy dependencies...",
				data: map[string]any{"ensure": "1:3.0-1", "changed": false}},
			{what: "first the guest", call: do("uninstall", "fleet-guest"), state: plugin.OK, message: "removed 1-1"},
			{what: "uninstall", call: do("uninstall", hello), state: plugin.OK, message: "removed 1:3.0-1", after: gone},
			{what: "uninstall is idempotent", call: do("uninstall", hello), state: plugin.Unchanged, message: "absent"},
			{what: "again", call: do("install", hello), state: plugin.OK, message: "installed 1:3.0-1"},
			{what: "purge", call: do("purge", hello), state: plugin.OK, message: "purged 1:3.0-1", after: gone},
		}
	}
	return []step{
		{what: "uninstall says what went with it", call: do("uninstall", hello), state: plugin.OK,
			message: "removed 1:3.0-1; with it went fleet-guest", data: map[string]any{"ensure": "absent"}, after: gone},
		{what: "uninstall is idempotent", call: do("uninstall", hello), state: plugin.Unchanged, message: "absent"},
		{what: "again", call: do("install", hello), state: plugin.OK, message: "installed 1:3.0-1"},
		{what: "purge", call: do("purge", hello), state: plugin.OK, message: "purged 1:3.0-1", after: gone},
	}
}

func confPath(w world) string { return filepath.Join(w.root, "etc/fleet-hello.conf") }

func editConf(t *testing.T, w world) {
	if err := os.WriteFile(confPath(w), []byte("mine\n"), 0o644); err != nil {
		t.Fatal(err)
	}
}

func confIsEdited(t *testing.T, w world) {
	if got, err := os.ReadFile(confPath(w)); err != nil || string(got) != "mine\n" {
		t.Errorf("the edited configuration file reads %q, %v", got, err)
	}
}

// TestContract runs the same story against every manager, each in its own root with its own repository.
func TestContract(t *testing.T) {
	for name, build := range contractWorlds() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := build(t)
			p := newPackages(w.manager, slog.New(slog.DiscardHandler))
			ctx, cancel := context.WithTimeout(context.Background(), 8*time.Minute)
			defer cancel()
			for _, s := range contract(w) {
				runStep(ctx, t, p, w, s)
			}
		})
	}
}

func runStep(ctx context.Context, t *testing.T, p *Packages, w world, s step) {
	t.Helper()
	if s.before != nil {
		s.before(t, w)
	}
	action, _ := Declaration().Action(s.call.Action)
	if _, err := action.Check(s.call.Args); err != nil {
		t.Fatalf("%s: the declaration refuses the call: %v", s.what, err)
	}
	got := p.Run(ctx, s.call)
	if got.State != s.state || !matches(s.message, got.Message) {
		t.Errorf("%s: %s %v\n got %s %q\nwant %s %q", s.what, s.call.Action, s.call.Args, got.State, got.Message, s.state, s.message)
	}
	for k, want := range s.data {
		if got.Data[k] != want {
			t.Errorf("%s: %s = %#v, want %#v", s.what, k, got.Data[k], want)
		}
	}
	onlyDeclared(t, action, got)
	if s.after != nil {
		s.after(t, w)
	}
}

func matches(want, got string) bool {
	head, tail := strings.HasPrefix(want, "..."), strings.HasSuffix(want, "...")
	core := strings.TrimSuffix(strings.TrimPrefix(want, "..."), "...")
	switch {
	case head && tail:
		return strings.Contains(got, core)
	case head:
		return strings.HasSuffix(got, core)
	case tail:
		return strings.HasPrefix(got, core)
	}
	return got == want
}

// onlyDeclared holds that a result has no output that the declaration does not know.
func onlyDeclared(t *testing.T, action plugin.Action, got plugin.Result) {
	t.Helper()
	known := map[string]bool{}
	for _, o := range action.Outputs {
		known[o.Name] = true
	}
	for k := range got.Data {
		if !known[k] {
			t.Errorf("%s answers %q, which its declaration does not have", action.Name, k)
		}
	}
}
