package packages

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"fleet/plugins/plugin"
)

func TestDeclarationNames(t *testing.T) {
	install, _ := Declaration().Action("install")
	tests := []struct {
		pkg, version string
		ok           bool
	}{
		{"openssl", "3.0.19-1~deb12u2", true}, {"libc6:amd64", "1:2.36-9+deb12u14", true}, {"g++", "", true}, {"mod_ssl", "", true},
		{"python3.11", "3.11.2-6+deb12u6", true}, {"7zip", "22.01+really22.01", true}, {"kernel-core", "6.1.0-1.el9_4", true},
		{"musl", "1.2.4_git20230717-r4", true}, {"perl", "4:5.36^20240101-1.fc40", true},
		{"-rf", "", false}, {"--purge", "", false}, {"nginx-", "", false}, // apt-get would remove nginx
		{"a b", "", false}, {"a=1", "", false}, {"a/b", "", false}, {"a*", "", false}, {"?name", "", false}, {"~n", "", false},
		{"@core", "", false}, {"", "", false}, {"a\n", "", false}, {strings.Repeat("a", 91), "", false},
		{"a", "-1", false}, {"a", "1 2", false}, {"a", "1*", false}, {"a", "1;x", false}, {"a", strings.Repeat("1", 91), false},
	}
	for _, tt := range tests {
		args := plugin.Args{"package": tt.pkg}
		if tt.version != "" {
			args["version"] = tt.version
		}
		if _, err := install.Check(args); (err == nil) != tt.ok {
			t.Errorf("install %q %q: %v, want ok = %t", tt.pkg, tt.version, err, tt.ok)
		}
	}
}

// Every summary and every action of the declaration has something behind it.
func TestDeclarationHoldsTogether(t *testing.T) {
	for _, a := range Declaration().Actions {
		outputs := map[string]bool{}
		for _, o := range a.Outputs {
			outputs[o.Name] = true
		}
		for _, s := range a.Summaries {
			if !outputs[s.Output] {
				t.Errorf("%s sums up %s, which is no output of it", a.Name, s.Output)
			}
		}
		if d := Declaration(); d.Limit(a) <= 0 {
			t.Errorf("%s has no time limit", a.Name)
		}
	}
}

func TestWithoutManager(t *testing.T) {
	p := newPackages(nil, slog.New(slog.DiscardHandler))
	if got := p.Run(t.Context(), do("status", hello)); got.State != plugin.Skipped || got.Message == "" {
		t.Errorf("got %+v", got)
	}
	if got := p.Run(t.Context(), do("explode")); got.State != plugin.Failed || got.Message != `package has no action "explode"` {
		t.Errorf("got %+v", got)
	}
	if _, err := p.Query(t.Context(), hello); err == nil {
		t.Error("Query answers without a manager")
	}
}

func TestEVR(t *testing.T) {
	tests := []struct {
		in   string
		want evr
		fits []string
		not  []string
	}{
		{"1:9.2p1-2+deb12u3", evr{"1", "9.2p1", "2+deb12u3"}, []string{"1:9.2p1-2+deb12u3", "9.2p1-2+deb12u3", "9.2p1", "1:9.2p1"}, []string{"9.2", "2:9.2p1", "1:"}},
		{"0:1.1.1k-7.el8_6", evr{"", "1.1.1k", "7.el8_6"}, []string{"1.1.1k-7.el8_6", "1.1.1k"}, []string{"1.1.1k-7"}},
		{"2.36-9-1", evr{"", "2.36-9", "1"}, []string{"2.36-9"}, []string{"2.36"}},
		{"20230311", evr{"", "20230311", ""}, []string{"20230311"}, []string{""}},
		{"a:b", evr{"", "a:b", ""}, nil, nil}, {"1-", evr{"", "1-", ""}, nil, nil}, {"-1", evr{"", "-1", ""}, nil, nil}, {"", evr{}, nil, nil},
	}
	for _, tt := range tests {
		got := parseEVR(tt.in)
		if got != tt.want {
			t.Errorf("parseEVR(%q) = %#v, want %#v", tt.in, got, tt.want)
		}
		for _, w := range tt.fits {
			if !got.fits(w) {
				t.Errorf("%q does not fit %q", w, tt.in)
			}
		}
		for _, w := range tt.not {
			if got.fits(w) {
				t.Errorf("%q fits %q", w, tt.in)
			}
		}
	}
}

// The data function answers with status' outputs, for what is here, for what is not, and refuses what is no name.
func TestQuery(t *testing.T) {
	w := aptWorld(t)
	p := newPackages(w.manager, slog.New(slog.DiscardHandler))
	got, err := p.Query(t.Context(), hello)
	if want := (map[string]any{"ensure": "absent", "status": "absent", "name": hello, "provider": "apt"}); err != nil || !maps.Equal(got, want) {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
	w.publish(t, "1.0")
	if r := p.Run(t.Context(), do("install", hello)); r.State != plugin.OK {
		t.Fatal(r.Message)
	}
	got, err = p.Query(t.Context(), hello)
	want := map[string]any{"ensure": "1:1.0-1", "status": "installed", "name": hello, "provider": "apt",
		"version": "1.0", "release": "1", "epoch": "1", "arch": "amd64", "held": false}
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
	if _, err := p.Query(t.Context(), "--help"); err == nil {
		t.Error("an option passes for a package name")
	}
}

// What dpkg calls half-configured is told as such, is not "already installed", and install finishes it.
func TestHalfConfiguredIsToldAndFinished(t *testing.T) {
	w := aptWorld(t)
	p := newPackages(w.manager, slog.New(slog.DiscardHandler))
	w.publish(t, "1.0")
	if r := p.Run(t.Context(), do("install", hello)); r.State != plugin.OK {
		t.Fatal(r.Message)
	}
	status := filepath.Join(w.root, "var/lib/dpkg/status")
	text, err := os.ReadFile(status)
	if err != nil {
		t.Fatal(err)
	}
	// As dpkg leaves it when a postinst fails: unpacked, its configuration begun.
	broken := strings.Replace(string(text), "Status: install ok installed\n", "Status: install ok half-configured\n", 1)
	write(t, status, broken)
	for _, s := range []step{
		{what: "told", call: do("status", hello), state: plugin.OK,
			message: "fleet-hello-1:1.0-1.amd64 (half-configured: a change was broken off; install finishes it)",
			data:    map[string]any{"status": "half-configured", "ensure": "1:1.0-1"}},
		{what: "finished", call: do("install", hello), state: plugin.OK, message: "installed 1:1.0-1", data: map[string]any{"changed": true}},
		{what: "whole", call: do("status", hello), state: plugin.OK, message: "fleet-hello-1:1.0-1.amd64"},
	} {
		runStep(t.Context(), t, p, w, s)
	}
}

// One repository that is away must neither stop an update nor let old lists pass for new ones.
func TestUpdateWithABrokenRepository(t *testing.T) {
	w := aptWorld(t)
	p := newPackages(w.manager, slog.New(slog.DiscardHandler))
	w.publish(t, "1.0")
	for _, s := range []step{
		{what: "install", call: do("install", hello), state: plugin.OK, message: "installed 1:1.0-1"},
		{what: "still updates", before: func(t *testing.T, w world) {
			write(t, filepath.Join(w.root, "etc/apt/sources.list.d/away.list"), "deb [trusted=yes] file:/no/such/repository ./\n")
			w.publish(t, "2.0")
		}, call: do("update", hello), state: plugin.OK, message: "1:1.0-1 -> 1:2.0-1 (the lists were not all refreshed: ..."},
		{what: "nobody knows", call: do("update", hello), state: plugin.Failed, message: "still 1:2.0-1 (the lists were not all refreshed: ..."},
		{what: "refresh", call: do("refresh"), state: plugin.Failed, message: "the lists were not all refreshed: ..."},
	} {
		runStep(t.Context(), t, p, w, s)
	}
}

// unlocking frees a lock as soon as the manager has run into it once.
type unlocking struct {
	runner
	locked func(output) bool
	unlock func()
	met    int
}

func (u *unlocking) run(ctx context.Context, c command) (output, error) {
	out, err := u.runner.run(ctx, c)
	if err == nil && u.locked(out) {
		u.met++
		u.unlock()
	}
	return out, err
}

// The locks that managers do not wait for themselves, with the real ones.
func TestForeignLockIsWaitedFor(t *testing.T) {
	t.Run("apt's lists", func(t *testing.T) {
		w := aptWorld(t)
		w.publish(t, "1.0")
		m := w.manager.(apt)
		u := &unlocking{runner: m.run, locked: aptLocked, unlock: w.lock(t)}
		m.run = u
		if err := m.refresh(t.Context()); err != nil || u.met == 0 {
			t.Errorf("got %v, met the lock %d times", err, u.met)
		}
	})
	t.Run("pacman", func(t *testing.T) {
		w := pacmanWorld(t)
		w.publish(t, "1.0")
		m := w.manager.(pacman)
		u := &unlocking{runner: m.run, locked: pacmanLocked, unlock: w.lock(t)}
		m.run = u
		if err := m.refresh(t.Context()); err != nil || u.met == 0 {
			t.Errorf("got %v, met the lock %d times", err, u.met)
		}
	})
}

// A lock that is never freed ends with the time limit, and the answer says who has it.
func TestLockHeldForGood(t *testing.T) {
	w := aptWorld(t)
	w.publish(t, "1.0")
	p := newPackages(w.manager, slog.New(slog.DiscardHandler))
	if r := p.Run(t.Context(), do("refresh")); r.State != plugin.OK {
		t.Fatal(r.Message)
	}
	defer fcntlLock(t, filepath.Join(w.root, "var/lib/dpkg/lock-frontend"))()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
	defer cancel()
	got := p.Run(ctx, do("install", hello))
	if got.State != plugin.Failed || !strings.Contains(got.Message, fmt.Sprintf("until the time limit: process %d (", os.Getpid())) {
		t.Errorf("got %s %q", got.State, got.Message)
	}
}

// A time limit in the middle of apt's work ends apt and what it started, and the answer says how things stand.
func TestInstallIsStopped(t *testing.T) {
	w := aptWorld(t)
	w.publish(t, "1.0")
	p := newPackages(w.manager, slog.New(slog.DiscardHandler))
	if r := p.Run(t.Context(), do("refresh")); r.State != plugin.OK {
		t.Fatal(r.Message)
	}
	fifo := filepath.Join(w.root, "ready")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(w.root, "etc/apt/apt.conf.d/stall"), `DPkg::Pre-Invoke {"echo >`+fifo+`; read x <`+fifo+`";};`)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer cancel()
		if f, err := os.Open(fifo); err == nil { // when apt has come to dpkg
			_, _ = f.Read(make([]byte, 1))
			f.Close()
		}
	}()
	got := p.Run(ctx, do("install", hello))
	want := "packages may be half installed: look at status, and run dpkg --configure -a there if so"
	if got.State != plugin.Failed || !strings.HasPrefix(got.Message, "apt-get was stopped: ") ||
		!strings.HasSuffix(got.Message, want) || got.Data["ensure"] != "absent" {
		t.Errorf("got %s %q %v", got.State, got.Message, got.Data)
	}
}

// blocking is a manager whose change runs until it is let go.
type blocking struct {
	manager
	started, release chan struct{}
}

func (b blocking) refresh(context.Context) error {
	b.started <- struct{}{}
	<-b.release
	return nil
}

// Changes take turns, and one that does not get its turn in time has done nothing.
func TestChangesTakeTurns(t *testing.T) {
	b := blocking{manager: apt{}, started: make(chan struct{}), release: make(chan struct{})}
	p := newPackages(b, slog.New(slog.DiscardHandler))
	first := make(chan plugin.Result)
	go func() { first <- p.Run(context.Background(), do("refresh")) }()
	<-b.started
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got := p.Run(ctx, do("refresh")); got.State != plugin.Failed || !strings.Contains(got.Message, "nothing was done") {
		t.Errorf("got %+v", got)
	}
	close(b.release)
	if got := <-first; got.State != plugin.OK {
		t.Errorf("got %+v", got)
	}
}

func TestSome(t *testing.T) {
	words := slices.Repeat([]string{"x"}, 7)
	if got := some(words); got != "x, x, x, x, x and 2 more" {
		t.Errorf("got %q", got)
	}
}
