package packages

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fleet/plugins/plugin"
)

// Kernels are installed side by side: all versions are kept in the answer, what is there is not installed again, and
// filters see each. With the real dnf and a package that its configuration calls installonly.
func TestSideBySide(t *testing.T) {
	const kernel = "fleet-kernel"
	w := dnfWorld(t)
	w.configure(t, "installonlypkgs="+kernel)
	dir := filepath.Dir(w.root)
	for _, release := range []string{"362.el9", "362.8.1.el9_3", "427.13.1.el9_4"} {
		write(t, filepath.Join(dir, kernel+".spec"), "Name: "+kernel+"\nVersion: 5.14.0\nRelease: "+release+
			"\nSummary: a test package\nLicense: none\n%description\nA test package.\n%files\n")
		tool(t, dir, "rpmbuild", "-bb", "--quiet", "--target", "x86_64", "--define", "_topdir "+dir+"/rpmbuild", "--define", "_rpmdir "+filepath.Join(dir, "repo"), kernel+".spec")
	}
	tool(t, dir, "createrepo_c", "--quiet", filepath.Join(dir, "repo"))
	p := newPackages(w.manager, slog.New(slog.DiscardHandler))
	for _, s := range []step{
		{what: "the first", call: do("install", kernel, "5.14.0-362.el9"), state: plugin.OK, message: "installed 5.14.0-362.el9"},
		{what: "the newest", call: do("update", kernel), state: plugin.OK, message: "5.14.0-362.el9 -> 5.14.0-427.13.1.el9_4",
			data: map[string]any{"old": "5.14.0-362.el9", "new": "5.14.0-427.13.1.el9_4", "changed": true}},
		{what: "an older one, installed last", call: do("install", kernel, "5.14.0-362.8.1.el9_3"), state: plugin.OK,
			message: "installed 5.14.0-362.8.1.el9_3 beside 5.14.0-427.13.1.el9_4, 5.14.0-362.el9",
			data:    map[string]any{"ensure": "5.14.0-427.13.1.el9_4", "changed": true}},
		{what: "again", call: do("install", kernel, "5.14.0-362.8.1.el9_3"), state: plugin.Unchanged,
			message: "already 5.14.0-362.8.1.el9_3 beside 5.14.0-427.13.1.el9_4, 5.14.0-362.el9", data: map[string]any{"changed": false}},
		{what: "any", call: do("install", kernel), state: plugin.Unchanged, message: "already 5.14.0-427.13.1.el9_4 beside 5.14.0-362.8.1.el9_3, 5.14.0-362.el9"},
		{what: "nothing newer", call: do("update", kernel), state: plugin.Unchanged, message: "already 5.14.0-427.13.1.el9_4 beside ..."},
		{what: "the old ones are no update", call: do("checkupdates"), state: plugin.OK, message: "up to date"},
		{what: "status", call: do("status", kernel), state: plugin.OK, message: "fleet-kernel-5.14.0-427.13.1.el9_4.x86_64 beside 5.14.0-362.8.1.el9_3, 5.14.0-362.el9"},
	} {
		runStep(t.Context(), t, p, w, s)
	}
	got, err := p.Query(t.Context(), kernel)
	all := []any{"5.14.0-427.13.1.el9_4", "5.14.0-362.8.1.el9_3", "5.14.0-362.el9"}
	for output, want := range map[string][]any{"ensure": all, "versions": all, "version": {"5.14.0", "5.14.0", "5.14.0"}, "release": {"427.13.1.el9_4", "362.8.1.el9_3", "362.el9"}} {
		if list, ok := got[output].([]any); err != nil || !ok || !slices.Equal(list, want) {
			t.Errorf("a filter sees %s = %v, %v; want %v", output, got[output], err, want)
		}
	}
}

// What is hidden is not called unknown.
func TestInstallOfWhatIsHidden(t *testing.T) {
	w := dnfWorld(t)
	w.publish(t, "1.0")
	w.configure(t, "exclude="+hello)
	p := newPackages(w.manager, slog.New(slog.DiscardHandler))
	const held = "this host's dnf does not offer %s: 1:1.0-1 is held by exclude= in dnf's configuration"
	for _, s := range []step{
		{what: "any version", call: do("install", hello), state: plugin.Failed, message: fmt.Sprintf(held, hello)},
		{what: "this version", call: do("install", hello, "1.0"), state: plugin.Failed, message: fmt.Sprintf(held, hello+" 1.0")},
		{what: "another", call: do("install", hello, "9.9"), state: plugin.Failed, message: "no repository of this host has a package fleet-hello 9.9..."},
	} {
		runStep(t.Context(), t, p, w, s)
	}
}

// A library that is here for another architecture only is not the native package; with its architecture it is found.
func TestForeignArchitecture(t *testing.T) {
	w := aptWorld(t)
	dir := filepath.Dir(w.root)
	write(t, filepath.Join(w.root, "var/lib/dpkg/arch"), "amd64\ni386\n")
	conf := filepath.Join(dir, "apt.conf")
	text, err := os.ReadFile(conf)
	if err != nil {
		t.Fatal(err)
	}
	write(t, conf, strings.Replace(string(text), `APT::Architectures {"amd64";}`, `APT::Architectures {"amd64"; "i386";}`, 1))
	for _, arch := range []string{"amd64", "i386"} {
		tree := filepath.Join(dir, "build", "lib-"+arch)
		write(t, filepath.Join(tree, "DEBIAN/control"), "Package: fleet-lib\nVersion: 2.0-1\nArchitecture: "+arch+
			"\nMulti-Arch: same\nMaintainer: fleet <fleet@example.com>\nDescription: a test package\n")
		tool(t, dir, "dpkg-deb", "--root-owner-group", "--build", tree, filepath.Join(dir, "repo", "fleet-lib_2.0-1_"+arch+".deb"))
	}
	w.publish(t, "1.0")
	p := newPackages(w.manager, slog.New(slog.DiscardHandler))
	for _, s := range []step{
		{what: "the foreign one", call: do("install", "fleet-lib:i386"), state: plugin.OK, message: "installed 2.0-1", data: map[string]any{"arch": "i386"}},
		{what: "it is not the native one", call: do("status", "fleet-lib"), state: plugin.OK,
			message: "absent (fleet-lib-2.0-1.i386 is here, which is for another architecture)", data: map[string]any{"ensure": "absent"}},
		{what: "nothing to update", call: do("update", "fleet-lib"), state: plugin.Skipped,
			message: "not installed here (fleet-lib-2.0-1.i386 is here, which is for another architecture)"},
		{what: "by its architecture", call: do("update", "fleet-lib:i386"), state: plugin.Unchanged, message: "already 2.0-1"},
		{what: "the native one", call: do("install", "fleet-lib"), state: plugin.OK, message: "installed 2.0-1", data: map[string]any{"arch": "amd64", "changed": true}},
		{what: "both", call: do("status", "fleet-lib"), state: plugin.OK, message: "fleet-lib-2.0-1.amd64"},
	} {
		runStep(t.Context(), t, p, w, s)
	}
}

// A phased update reaches some hosts first. On the others apt-get upgrade leaves it out, which is no reason to call
// them up to date. Named on its own a package is taken, phased or not.
func TestPhasedUpdates(t *testing.T) {
	w := aptWorld(t)
	write(t, filepath.Join(w.root, "etc/apt/apt.conf.d/machine"), `APT::Machine-ID "0123456789abcdef0123456789abcdef";`) // without, all hosts are first
	w.publish(t, "1.0")
	p := newPackages(w.manager, slog.New(slog.DiscardHandler))
	phased := func(t *testing.T, w world) {
		w.publish(t, "2.0")
		list := filepath.Join(filepath.Dir(w.root), "repo/Packages")
		text, err := os.ReadFile(list)
		if err != nil {
			t.Fatal(err)
		}
		write(t, list, strings.Replace(string(text), "Version: 1:2.0-1\n", "Version: 1:2.0-1\nPhased-Update-Percentage: 0\n", 1))
	}
	for _, s := range []step{
		{what: "install", call: do("install", hello), state: plugin.OK, message: "installed 1:1.0-1"},
		{what: "refresh", before: phased, call: do("refresh"), state: plugin.OK, message: "lists refreshed"},
		{what: "checkupdates", call: do("checkupdates"), state: plugin.OK, message: "up to date; 1 update held back: fleet-hello 1:1.0-1 -> 1:2.0-1"},
		{what: "a version that nobody has", call: do("install", hello, "9.9"), state: plugin.Failed, message: "...they have 1:2.0-1, 1:1.0-1"},
		{what: "update", call: do("update", hello), state: plugin.OK, message: "1:1.0-1 -> 1:2.0-1"},
	} {
		runStep(t.Context(), t, p, w, s)
	}
}

// Ubuntu's apt gives a phased version that is not this host's turn the priority 1, so that it is no candidate. As its
// apt-cache policy prints it; Debian's apt does not.
func TestPhasedUpdatesRecordedOutput(t *testing.T) {
	const text = `phasy:
  Installed: 249.11-0ubuntu3
  Candidate: 249.11-0ubuntu3
  Version table:
     249.11-0ubuntu3.3 1 (phased 20%)
        500 http://archive.example.org/ubuntu noble-updates/main amd64 Packages
 *** 249.11-0ubuntu3 500 (phased 100%)
        500 http://archive.example.org/ubuntu noble/main amd64 Packages
        100 /var/lib/dpkg/status
`
	installed := output{stdout: "phasy\t249.11-0ubuntu3\tall\tinstall\tinstalled\tok\n"}
	s := &scripted{t: t, answers: map[string][]output{
		"dpkg-query -W -f " + dpkgFormat + " -- phasy": {installed},
		"apt-cache policy -- phasy":                    {{stdout: text}},
	}}
	m := apt{run: s}
	here, err := m.query(t.Context(), "phasy")
	if err != nil {
		t.Fatal(err)
	}
	if got := newPackages(m, slog.New(slog.DiscardHandler)).notUpdated(t.Context(), "phasy", here); got.State != plugin.Skipped ||
		got.Message != "held by apt's phased updates (phased 20%) at 249.11-0ubuntu3; 249.11-0ubuntu3.3 is available" {
		t.Errorf("got %s %q", got.State, got.Message)
	}
}

// A package from elsewhere may be newer than what the repositories have, or in none of them.
func TestUpdateOfWhatRepositoriesDoNotHave(t *testing.T) {
	worlds := contractWorlds()
	delete(worlds, "yum by dnf 4") // as dnf
	for name, build := range worlds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := build(t)
			p := newPackages(w.manager, slog.New(slog.DiscardHandler))
			w.publish(t, "2.0")
			runStep(t.Context(), t, p, w, step{what: "install", call: do("install", hello), state: plugin.OK, message: "installed 1:2.0-1"})
			w.publish(t, "")
			runStep(t.Context(), t, p, w, step{what: "in none", call: do("update", hello), state: plugin.Unchanged,
				message: "already 1:2.0-1; no repository of this host has it"})
			w.publish(t, "1.0")
			runStep(t.Context(), t, p, w, step{what: "newer", call: do("update", hello), state: plugin.Unchanged,
				message: "already 1:2.0-1, which is newer than the 1:1.0-1 of the repositories"})
		})
	}
}
