package packages

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"fleet/internal/program"
)

// withEnv runs programs on this host with more in their environment.
type withEnv []string

func (e withEnv) run(ctx context.Context, c command) (output, error) {
	c.env = slices.Concat(e, c.env)
	return system{}.run(ctx, c)
}

// need skips a test that has not the programs it runs, loudly; where FLEET_CI_NO_SKIP=1 it fails instead.
func need(t *testing.T, debian string, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := program.Find(p); err != nil {
			text := fmt.Sprintf("NOT TESTED: %s %v; apt-get install --no-install-recommends %s", p, err, debian)
			if os.Getenv("FLEET_CI_NO_SKIP") == "1" {
				t.Fatal(text)
			}
			t.Skip(text)
		}
	}
	if os.Geteuid() != 0 {
		text := "NOT TESTED: package managers install only as root, here into a private directory"
		if os.Getenv("FLEET_CI_NO_SKIP") == "1" {
			t.Fatal(text)
		}
		t.Skip(text)
	}
}

func tool(t *testing.T, dir string, argv ...string) string {
	t.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", strings.Join(argv, " "), err, out, errs.String())
	}
	return string(out)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func mkdirs(t *testing.T, root string, dirs ...string) {
	t.Helper()
	for _, d := range dirs {
		if err := os.MkdirAll(filepath.Join(root, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// aptWorld: apt.conf points every directory of apt and dpkg into the root and hides this machine's own settings.
func aptWorld(t *testing.T) world {
	need(t, "apt dpkg dpkg-dev apt-utils", "apt-get", "apt-cache", "dpkg", "dpkg-query", "dpkg-deb", "apt-ftparchive")
	dir := t.TempDir()
	root, repo, conf := filepath.Join(dir, "root"), filepath.Join(dir, "repo"), filepath.Join(dir, "apt.conf")
	mkdirs(t, root, "var/lib/dpkg/updates", "var/lib/dpkg/info", "var/lib/dpkg/triggers", "var/lib/apt/lists/partial",
		"var/cache/apt/archives/partial", "var/log/apt", "etc/apt/apt.conf.d", "etc/apt/preferences.d", "etc/apt/sources.list.d", "tmp")
	mkdirs(t, repo, ".")
	write(t, filepath.Join(root, "var/lib/dpkg/status"), "")
	write(t, filepath.Join(root, "var/lib/dpkg/available"), "")
	write(t, filepath.Join(root, "etc/apt/sources.list"), "deb [trusted=yes] file:"+repo+" ./\n")
	write(t, conf, fmt.Sprintf(`Dir "%[1]s"; Dir::State::status "%[1]s/var/lib/dpkg/status"; Dir::Etc::Parts "%[1]s/etc/apt/apt.conf.d";
Dir::Bin::dpkg "/usr/bin/dpkg"; Dir::Bin::methods "/usr/lib/apt/methods";
APT::Architecture "amd64"; APT::Architectures {"amd64";}; APT::Sandbox::User "root";
DPkg::Options {"--root=%[1]s"; "--log=%[1]s/var/log/dpkg.log"; "--force-architecture";};
`, root))
	w := world{root: root, older: true}
	t.Cleanup(func() {
		if p, err := (apt{run: system{}}).query(context.Background(), hello); err != nil || p.state != stateAbsent {
			t.Errorf("the test reached this machine's own packages: %v, %v", p, err)
		}
	})
	w.manager = apt{run: withEnv{"APT_CONFIG=" + conf}, dpkg: []string{"--admindir=" + root + "/var/lib/dpkg"}}
	w.publish = func(t *testing.T, version string) {
		if withdraw(t, repo, version); version != "" {
			buildDeb(t, dir, repo, hello, "1:"+version+"-1", "Provides: fleet-greeter\n")
		}
		buildDeb(t, dir, repo, "fleet-guest", "1-1", "Depends: fleet-hello\n")
		write(t, filepath.Join(repo, "Packages"), tool(t, repo, "apt-ftparchive", "packages", "."))
	}
	w.holds = map[string]func(*testing.T, bool){"apt-mark hold": func(t *testing.T, held bool) {
		want := map[bool]string{true: "hold", false: "install"}[held]
		cmd := exec.Command("dpkg", "--root="+root, "--set-selections")
		cmd.Stdin = strings.NewReader(hello + " " + want + "\n")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("dpkg --set-selections: %v %s", err, out)
		}
	}}
	w.lock = func(t *testing.T) func() { return fcntlLock(t, filepath.Join(root, "var/lib/apt/lists/lock")) }
	return w
}

// withdraw takes all versions of fleet-hello out of a repository, if version is "".
func withdraw(t *testing.T, repo, version string) {
	t.Helper()
	if version != "" {
		return
	}
	for _, pattern := range []string{hello + "*", "*/" + hello + "*"} {
		files, _ := filepath.Glob(filepath.Join(repo, pattern))
		for _, file := range files {
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func buildDeb(t *testing.T, dir, repo, name, version, more string) {
	t.Helper()
	tree := filepath.Join(dir, "build", name+version)
	write(t, filepath.Join(tree, "etc", name+".conf"), "as shipped with "+version+"\n")
	write(t, filepath.Join(tree, "DEBIAN/conffiles"), "/etc/"+name+".conf\n")
	write(t, filepath.Join(tree, "DEBIAN/control"), "Package: "+name+"\nVersion: "+version+
		"\nArchitecture: amd64\nMaintainer: fleet <fleet@example.com>\n"+more+"Description: a test package\n")
	tool(t, dir, "dpkg-deb", "--root-owner-group", "--build", tree, filepath.Join(repo, name+"_"+strings.ReplaceAll(version, ":", "_")+"_amd64.deb"))
}

// fcntlLock takes the POSIX lock that apt takes, in another process' stead: a lock of this process counts as another's
// to the programs that it starts.
func fcntlLock(t *testing.T, path string) func() {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		t.Fatal(err)
	}
	lock := syscall.Flock_t{Type: syscall.F_WRLCK}
	if err := syscall.FcntlFlock(f.Fd(), syscall.F_SETLK, &lock); err != nil {
		t.Fatal(err)
	}
	return func() { f.Close() }
}

// rpmRepo builds packages into dir/repo and returns what publishes a version.
func rpmRepo(t *testing.T, dir string) (repo string, publish func(*testing.T, string)) {
	repo = filepath.Join(dir, "repo")
	mkdirs(t, repo, ".")
	return repo, func(t *testing.T, version string) {
		if withdraw(t, repo, version); version != "" {
			buildRPM(t, dir, repo, hello, "Epoch: 1\nProvides: fleet-greeter\nVersion: "+version)
		}
		buildRPM(t, dir, repo, "fleet-guest", "Version: 1\nRequires: fleet-hello")
		tool(t, dir, "createrepo_c", "--quiet", repo)
	}
}

func buildRPM(t *testing.T, dir, repo, name, version string) {
	t.Helper()
	spec := filepath.Join(dir, name+".spec")
	write(t, spec, "Name: "+name+"\n"+version+`
Release: 1
Summary: a test package
License: none
%description
A test package.
%install
mkdir -p %{buildroot}/etc
echo "as shipped with %{version}" > %{buildroot}/etc/%{name}.conf
%files
%config(noreplace) /etc/%{name}.conf
`)
	tool(t, dir, "rpmbuild", "-bb", "--quiet", "--target", "x86_64", "--define", "_topdir "+dir+"/rpmbuild", "--define", "_rpmdir "+repo, spec)
}

// dnfWorld has dnf's versionlock plugin too, if it is here.
func dnfWorld(t *testing.T) world {
	need(t, "dnf rpm createrepo-c", "dnf", "rpm", "rpmbuild", "createrepo_c")
	dir := t.TempDir()
	root, conf, locks := filepath.Join(dir, "root"), filepath.Join(dir, "dnf.conf"), filepath.Join(dir, "versionlock.list")
	repo, publish := rpmRepo(t, dir)
	mkdirs(t, root, ".")
	plugins, versionlock := dnfPlugins()
	write(t, filepath.Join(dir, "plugins/versionlock.conf"), "[main]\nenabled=1\nlocklist="+locks+"\n")
	write(t, locks, "")
	settings := fmt.Sprintf(`[main]
reposdir=%[1]s/none
cachedir=%[1]s/cache
persistdir=%[1]s/persist
logdir=%[1]s/log
gpgcheck=0
plugins=%[4]d
pluginpath=%[3]s/dnf-plugins
pluginconfpath=%[1]s/plugins
%%s
[fleet]
name=fleet
baseurl=file://%[2]s
`, dir, repo, plugins, map[bool]int{true: 1}[versionlock])
	write(t, conf, fmt.Sprintf(settings, ""))
	configure := func(t *testing.T, line string) { write(t, conf, fmt.Sprintf(settings, line)) }
	w := world{
		root: root, publish: publish, older: true, configure: configure,
		manager: dnf{rpmdb: rpmdb{run: withEnv{"PYTHONPATH=" + plugins}, rpm: []string{"--root", root}}, bin: "dnf",
			global: []string{"-c", conf, "--installroot=" + root, "--releasever=1"}},
		holds: map[string]func(*testing.T, bool){
			"exclude= in dnf's configuration": func(t *testing.T, held bool) {
				configure(t, map[bool]string{true: "exclude=" + hello}[held])
			},
			"a module stream": func(t *testing.T, held bool) { modules(t, dir, repo, held) },
		},
	}
	if versionlock {
		w.holds["versionlock"] = func(t *testing.T, held bool) {
			write(t, locks, map[bool]string{true: hello + "-1:1.0-1.*\n"}[held])
		}
	}
	return w
}

// modules makes fleet-hello 1.0 the default stream of a module, and 2.0 another; or takes the module away.
func modules(t *testing.T, dir, repo string, there bool) {
	t.Helper()
	if !there {
		tool(t, dir, "createrepo_c", "--quiet", repo)
		return
	}
	var text strings.Builder
	for _, stream := range []string{"1.0", "2.0"} {
		fmt.Fprintf(&text, `---
document: modulemd
version: 2
data:
  {name: greeting, stream: "%[1]s", version: 1, context: c, arch: x86_64, summary: x, description: x, license: {module: [MIT]},
   artifacts: {rpms: ["fleet-hello-1:%[1]s-1.x86_64"]}}
`, stream)
	}
	text.WriteString("---\ndocument: modulemd-defaults\nversion: 1\ndata: {module: greeting, stream: \"1.0\"}\n")
	write(t, filepath.Join(dir, "modules.yaml"), text.String())
	tool(t, dir, "modifyrepo_c", "--mdtype=modules", "modules.yaml", filepath.Join(repo, "repodata"))
}

// dnfPlugins is where dnf-plugins and dnfpluginscore of Debian's dnf-plugins-core are, FLEET_DNF_PLUGINS or the system,
// and whether versionlock is among them. The package conflicts with zypper, so that CI only unpacks it.
func dnfPlugins() (dir string, versionlock bool) {
	dir = cmp.Or(os.Getenv("FLEET_DNF_PLUGINS"), "/usr/lib/python3/dist-packages")
	_, err := os.Stat(filepath.Join(dir, "dnf-plugins/versionlock.py"))
	return dir, err == nil
}

// The contract has a package held by versionlock where dnf's plugin is.
func TestVersionlockIsHere(t *testing.T) {
	if _, ok := dnfPlugins(); ok {
		return
	}
	const text = "NOT TESTED: dnf's versionlock is not here: apt-get download dnf-plugins-core, unpack it with dpkg -x, and set FLEET_DNF_PLUGINS to its .../python3/dist-packages"
	if os.Getenv("FLEET_CI_NO_SKIP") == "1" {
		t.Fatal(text)
	}
	t.Skip(text)
}

// yumWorld runs the code for yum, its listings and their parser above all, with dnf 4 in yum's place: Debian has no
// yum. dnf 4 prints the same tables; it knows no "makecache fast".
func yumWorld(t *testing.T) world {
	w := dnfWorld(t)
	d := w.manager.(dnf)
	d.bin, d.run = "yum", yumByDNF{d.run}
	w.manager = d
	delete(w.holds, "a module stream") // yum knows none
	delete(w.holds, "versionlock")     // as with dnf
	w.holds["exclude= in yum's configuration"] = w.holds["exclude= in dnf's configuration"]
	delete(w.holds, "exclude= in dnf's configuration")
	return w
}

type yumByDNF struct{ runner }

func (y yumByDNF) run(ctx context.Context, c command) (output, error) {
	if c.argv[0] == "yum" {
		c.argv = slices.DeleteFunc(slices.Clone(c.argv), func(a string) bool { return a == "fast" })
		c.argv[0] = "dnf"
	}
	return y.runner.run(ctx, c)
}

func zypperWorld(t *testing.T) world {
	need(t, "zypper rpm createrepo-c", "zypper", "rpm", "rpmbuild", "createrepo_c")
	dir := t.TempDir()
	root := filepath.Join(dir, "root")
	repo, publish := rpmRepo(t, dir)
	write(t, filepath.Join(root, "etc/zypp/repos.d/fleet.repo"),
		"[fleet]\nname=fleet\nenabled=1\nautorefresh=0\ngpgcheck=0\nbaseurl=file://"+repo+"\n")
	// zypper cannot read a database of packages that is empty.
	buildRPM(t, dir, dir, "fleet-base", "Version: 1")
	tool(t, dir, "rpm", "--root", root, "-i", "--nodeps", filepath.Join(dir, "x86_64/fleet-base-1-1.x86_64.rpm"))
	w := world{root: root, publish: publish, older: true, base: 1}
	z := zypper{rpmdb: rpmdb{run: system{}, rpm: []string{"--root", root}}, global: []string{"--root", root}}
	w.manager = z
	w.holds = map[string]func(*testing.T, bool){byZypperLock: func(t *testing.T, held bool) {
		verb := map[bool]string{true: "addlock", false: "removelock"}[held]
		tool(t, dir, "zypper", "--root", root, "--non-interactive", verb, hello)
	}}
	return w
}

// pacmanWorld writes packages and the repository's database itself: both are tar archives of plain text.
func pacmanWorld(t *testing.T) world {
	need(t, "pacman-package-manager", "pacman")
	dir := t.TempDir()
	root, repo, conf := filepath.Join(dir, "root"), filepath.Join(dir, "repo"), filepath.Join(dir, "pacman.conf")
	mkdirs(t, dir, "cache", "hooks", "root/var/lib/pacman", "repo")
	settings := fmt.Sprintf(`[options]
RootDir = %[1]s/root
DBPath = %[1]s/root/var/lib/pacman
CacheDir = %[1]s/cache
LogFile = %[1]s/log
HookDir = %[1]s/hooks
Architecture = x86_64
SigLevel = Never
%%s
[fleet]
Server = file://%[1]s/repo
`, dir)
	write(t, conf, fmt.Sprintf(settings, ""))
	w := world{root: root, manager: pacman{run: system{}, global: []string{"--config", conf}}}
	seconds := 0
	w.publish = func(t *testing.T, version string) {
		db := map[string]string{}
		if version != "" {
			buildPacman(t, repo, db, hello, "1:"+version+"-1", "", "fleet-greeter")
		}
		buildPacman(t, repo, db, "fleet-guest", "1-1", hello, "")
		archive(t, filepath.Join(repo, "fleet.db"), db)
		seconds++ // pacman fetches what is newer, by the second
		stamp := time.Now().Add(time.Duration(seconds) * time.Second)
		if err := os.Chtimes(filepath.Join(repo, "fleet.db"), stamp, stamp); err != nil {
			t.Fatal(err)
		}
	}
	w.holds = map[string]func(*testing.T, bool){"IgnorePkg or IgnoreGroup in pacman.conf": func(t *testing.T, held bool) {
		write(t, conf, fmt.Sprintf(settings, map[bool]string{true: "IgnorePkg = " + hello}[held]))
	}}
	w.lock = func(t *testing.T) func() {
		path := filepath.Join(root, "var/lib/pacman/db.lck")
		write(t, path, "")
		return func() { os.Remove(path) }
	}
	return w
}

func buildPacman(t *testing.T, repo string, db map[string]string, name, version, depends, provides string) {
	t.Helper()
	info := "pkgname = " + name + "\npkgbase = " + name + "\npkgver = " + version + "\npkgdesc = a test package\nbuilddate = 1700000000\n" +
		"size = 10\narch = x86_64\nlicense = none\nbackup = etc/" + name + ".conf\n"
	desc := ""
	if depends != "" {
		info += "depend = " + depends + "\n"
		desc = "%DEPENDS%\n" + depends + "\n\n"
	}
	if provides != "" {
		info += "provides = " + provides + "\n"
		desc += "%PROVIDES%\n" + provides + "\n\n"
	}
	file := name + "-" + version + "-x86_64.pkg.tar.gz"
	archive(t, filepath.Join(repo, file), map[string]string{".PKGINFO": info, "etc/" + name + ".conf": "as shipped with " + version + "\n"})
	st, err := os.Stat(filepath.Join(repo, file))
	if err != nil {
		t.Fatal(err)
	}
	db[name+"-"+version+"/desc"] = fmt.Sprintf("%%FILENAME%%\n%s\n\n%%NAME%%\n%s\n\n%%BASE%%\n%[2]s\n\n%%VERSION%%\n%s\n\n%%DESC%%\na test package\n\n"+
		"%%CSIZE%%\n%d\n\n%%ISIZE%%\n10\n\n%%ARCH%%\nx86_64\n\n%%BUILDDATE%%\n1700000000\n\n%s", file, name, version, st.Size(), desc)
}

func archive(t *testing.T, path string, files map[string]string) {
	t.Helper()
	var buf bytes.Buffer
	zip := gzip.NewWriter(&buf)
	out := tar.NewWriter(zip)
	add := func(name, text string) {
		if err := out.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text)), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := out.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if info, ok := files[".PKGINFO"]; ok { // pacman wants it first
		add(".PKGINFO", info)
	}
	for name, text := range files {
		if name != ".PKGINFO" {
			add(name, text)
		}
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	write(t, path, buf.String())
}
