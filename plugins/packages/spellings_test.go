package packages

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"testing"
)

type spelled interface {
	spellings(ctx context.Context, name string) (own, other []string, err error)
}

func TestSpellings(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("which architecture is this host's own depends on this one")
	}
	deb := apt{run: &scripted{t: t, answers: map[string][]output{"dpkg --print-architecture": slices.Repeat([]output{{stdout: "amd64\n"}}, 9)}}}
	for _, tt := range []struct {
		manager    spelled
		name       string
		own, other string
	}{
		{deb, "nginx", "nginx", "nginx nginx"},
		{deb, "nginx:amd64", "nginx nginx:amd64", "nginx nginx"},
		{deb, "nginx:native", "nginx nginx:native", "nginx nginx"},
		{deb, "nginx:any", "nginx nginx:any", "nginx nginx"},
		{deb, "nginx:all", "nginx nginx:all", "nginx nginx"},
		{deb, "nginx:i386", "nginx:i386", "nginx nginx"},
		{deb, "nginx+", "nginx+", "nginx+ nginx"},
		{deb, "python3.11", "python3.11", "python3.11 python3.11"},
		{rpmdb{}, "nginx", "nginx", ""},
		{rpmdb{}, "nginx.x86_64", "nginx nginx.x86_64", "nginx"},
		{rpmdb{}, "nginx.noarch", "nginx nginx.noarch", "nginx"},
		{rpmdb{}, "nginx.i686", "nginx.i686", "nginx"},
		{rpmdb{}, "nginx-1.20.1", "nginx-1.20.1", "nginx"},
		{rpmdb{}, "nginx-1:1.20.1-14.el9.x86_64", "nginx-1:1.20.1-14.el9 nginx-1:1.20.1-14.el9.x86_64", "nginx-1:1.20.1-14.el9 nginx nginx-1:1.20.1"},
		{rpmdb{}, "nginx.", "nginx.", "nginx"},
		{rpmdb{}, "nginx-1.", "nginx-1.", "nginx-1 nginx"},
		{rpmdb{}, "python3.11", "python3.11", ""},
		{rpmdb{}, "nginx-mod-stream", "nginx-mod-stream", ""},
		{rpmdb{}, "java-11-openjdk", "java-11-openjdk", "java"},
		{pacman{}, "nginx", "nginx", ""},
		{apk{}, "nginx", "nginx", ""},
	} {
		own, other, err := tt.manager.spellings(t.Context(), tt.name)
		if err != nil || strings.Join(own, " ") != tt.own || strings.Join(other, " ") != tt.other {
			t.Errorf("%T %s: %q %q %v, want %q %q", tt.manager, tt.name, own, other, err, tt.own, tt.other)
		}
	}
	lost := apt{run: &scripted{t: t, answers: map[string][]output{"dpkg --print-architecture": {{code: 2, stderr: "dpkg: broken"}}}}}
	if own, _, err := lost.spellings(t.Context(), "nginx:amd64"); err == nil {
		t.Errorf("without dpkg it is %q", own)
	}
}

// What rpm and dnf may answer for a name is always among its spellings, so that a rule which denies a package keeps it away whatever it
// is called.
func FuzzNamedIsSpelled(f *testing.F) {
	for _, seed := range [][3]string{{"nginx", "nginx", "x86_64"}, {"nginx-1.20-1.el9.x86_64", "nginx", "x86_64"}, {"nginx.i686", "nginx", "i686"}, {"a-1", "a", "noarch"}, {"java-11-openjdk-11.0.1", "java-11-openjdk", "x86_64"}} {
		f.Add(seed[0], seed[1], seed[2])
	}
	f.Fuzz(func(t *testing.T, name, pkgName, arch string) {
		if arch == "" || digitFirst(arch) || strings.Contains(arch, ".") || pkgName == "" || !named(name, pkg{name: pkgName, arch: arch}) {
			return
		}
		own, other, err := rpmdb{}.spellings(t.Context(), name)
		if err != nil || !slices.Contains(append(own, other...), pkgName) {
			t.Errorf("%q may be the package %q, and is spelled %q %q", name, pkgName, own, other)
		}
	})
}

func TestNamesOfArguments(t *testing.T) {
	p := newPackages(pacman{}, slog.New(slog.DiscardHandler))
	for _, tt := range []struct{ action, input, value, own string }{
		{"install", "package", "nginx", "nginx"}, {"install", "package", "--purge", "--purge"}, {"install", "version", "0:1.2-1", "1.2-1"}, {"install", "version", "-x", "-x"},
		{"status", "version", "0:1.2", "0:1.2"}, {"other", "package", "nginx", "nginx"}, {"refresh", "", "", ""},
	} {
		if own, _, err := p.Names(t.Context(), tt.action, tt.input, tt.value); err != nil || own[0] != tt.own {
			t.Errorf("%s %s=%s: %q, %v", tt.action, tt.input, tt.value, own, err)
		}
	}
}

// apt takes a name that no package has for a regular expression, and then installs whatever it fits.
func TestAptInstallsNoExpression(t *testing.T) {
	const nginx = "nginx:\n  Installed: (none)\n  Candidate: 1.22-1\n  Version table:\n     1.22-1 500\n        500 http://deb.debian.org/debian bookworm/main amd64 Packages\n"
	for name, want := range map[string]int{"nginx": 1, "nginx:amd64": 1, "ngin.": 0, "nginx+": 0, "ngin.:amd64": 0} {
		a := apt{run: answering(func(c command) output { return output{stdout: nginx} })}
		o, err := a.offers(t.Context(), name)
		if err != nil || len(o.versions) != want {
			t.Errorf("%s: %d versions, %v; want %d", name, len(o.versions), err, want)
		}
	}
}

// answering answers every command.
type answering func(command) output

func (a answering) run(_ context.Context, c command) (output, error) {
	if len(c.argv) == 0 {
		return output{}, errors.New("no command")
	}
	return a(c), nil
}
