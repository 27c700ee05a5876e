package packages

import (
	"runtime"
	"slices"
	"strings"
	"testing"
)

// Output as apt, dpkg and yum of real hosts print it; the other parsers meet real output in the contract.
const (
	policySeed = `openssl:
  Installed: 3.0.19-1~deb12u2
  Candidate: 3.0.22-1~deb12u1
  Version table:
     3.0.22-1~deb12u1 500
        500 http://deb.debian.org/debian-security bookworm-security/main amd64 Packages
     3.0.20-1~deb12u1 500
        500 http://deb.debian.org/debian bookworm/main amd64 Packages
 *** 3.0.19-1~deb12u2 100
        100 /var/lib/dpkg/status
`
	simulationSeed = `Reading package lists...
The following upgrades have been deferred due to phasing:
  phasy vim
The following packages have been kept back:
  linux-image-amd64
The following packages will be upgraded:
  libssl3
Inst libssl3 [3.0.19-1~deb12u2] (3.0.22-1~deb12u1 Debian-Security:12/oldstable-security [amd64]) []
Inst linux-image-6.1.0-50-amd64 (6.1.170-1 Debian-Security:12/oldstable-security [amd64])
Conf libssl3 (3.0.22-1~deb12u1 Debian-Security:12/oldstable-security [amd64])
`
	dpkgSeed = "openssl\t3.0.19-1~deb12u2\tamd64\tinstall\tinstalled\tok\n" +
		"linux-image-amd64\t6.1.170-1\tamd64\thold\tinstalled\tok\n" +
		"nginx\t1.22.1-9\tamd64\tdeinstall\tconfig-files\tok\n" +
		"mysql\t8.0-1\tamd64\tinstall\thalf-configured\tok\n" +
		"broken\t1-1\tamd64\tinstall\thalf-installed\treinstreq\n" +
		"virtual\t\t\tunknown\tnot-installed\tok\n"
	yumSeed = `
Loaded plugins: fastestmirror
Repository base is listed more than once in the configuration
Updated Packages
Uploading Profile
NetworkManager.x86_64                        1:1.18.8-2.el7_9              updates
a-very-long-package-name-that-yum-breaks-into-lines.noarch
                                             2.0-1.el7                     updates
bash.x86_64                                  4.2.46-35.el7_9               updates
Obsoleting Packages
grub2.x86_64                                 1:2.02-0.87.el7               updates
    grub2.x86_64                             1:2.02-0.80.el7               @anaconda
`
	pacmanSeed = `Name            : openssl
Version         : 3.3.2-1
Architecture    : x86_64
Depends On      : glibc
Optional Deps   : ca-certificates [installed]
                  perl : for scripts
Name            : glibc
Version         : 1:2.40-1
Architecture    : x86_64
`
	zypperSeed = `<?xml version='1.0'?>
<stream>
<message type="info">Loading repository data...</message>
<search-result version="0.0"><solvable-list>
<solvable status="other-version" name="openssl" kind="package" edition="3.1.4-2.1" arch="x86_64" repository="main"/>
</solvable-list></search-result>
<update-status version="0.6"><update-list>
<update kind="package" name="openssl" edition="3.1.4-2.1" arch="x86_64" edition-old="3.1.4-1.1"><summary>x</summary></update>
</update-list></update-status>
<locks size="1"><lock number="1"><name>kernel-*</name><type>package</type></lock></locks>
<prompt id="1"><description>Problem: conflicting requests</description></prompt>
</stream>`
)

func TestParsePolicy(t *testing.T) {
	got := parsePolicies(policySeed)["openssl"]
	want := []evr{parseEVR("3.0.22-1~deb12u1"), parseEVR("3.0.20-1~deb12u1")} // dpkg's status is no repository
	if got.candidate != want[0] || !slices.Equal(got.versions, want) {
		t.Errorf("got %+v", got)
	}
	if got := parsePolicies("mail-transport-agent:\n  Installed: (none)\n  Candidate: (none)\n  Version table:\n")["mail-transport-agent"]; got.candidate != (evr{}) || len(got.versions) != 0 {
		t.Errorf("a virtual package is offered: %+v", got)
	}
}

func TestParseSimulation(t *testing.T) {
	want := []update{{"libssl3", "3.0.19-1~deb12u2", "3.0.22-1~deb12u1"}} // a new kernel package is no update
	got, back, err := parseSimulation(simulationSeed)
	if err != nil || !slices.Equal(got, want) || !slices.Equal(back, []string{"phasy", "vim", "linux-image-amd64"}) {
		t.Errorf("got %v, kept back %q, %v", got, back, err)
	}
}

func TestParseDpkgStates(t *testing.T) {
	got, err := parseDpkg(dpkgSeed)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"openssl-3.0.19-1~deb12u2.amd64",
		"linux-image-amd64-6.1.170-1.amd64 (held)",
		"absent (its configuration files are still here)",
		"mysql-8.0-1.amd64 (half-configured: a change was broken off; install finishes it)",
		"broken-1-1.amd64 (reinstreq: a change was broken off; install finishes it)",
		"absent",
	}
	for i, p := range got {
		if d := describe(p); d != want[i] {
			t.Errorf("got %q, want %q", d, want[i])
		}
	}
}

func TestParseYumTable(t *testing.T) {
	var got []string
	found, err := parseYumTable(yumSeed)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range found {
		got = append(got, p.name+" "+p.evr.String()+" "+p.arch)
	}
	want := []string{
		"NetworkManager 1:1.18.8-2.el7_9 x86_64",
		"a-very-long-package-name-that-yum-breaks-into-lines 2.0-1.el7 noarch",
		"bash 4.2.46-35.el7_9 x86_64",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

// Of two architectures it is this host's, of several versions the newest and all, whichever was installed last.
func TestRPMPicksOneOfSeveral(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("which architecture is foreign depends on this one")
	}
	multilib := "openssl-libs\t1\t3.0.7\t27.el9\ti686\t1700000000\nopenssl-libs\t1\t3.0.7\t27.el9\tx86_64\t1700000000\n"
	kernels := "kernel\t0\t5.14.0\t362.8.1.el9_3\tx86_64\t1700000900\nkernel\t0\t5.14.0\t427.el9\tx86_64\t1700000000\n" +
		"kernel\t0\t5.14.0\t362.el9\tx86_64\t1600000000\n"
	for name, tt := range map[string]struct{ out, want string }{ // by what is asked for, up to the first space
		"openssl-libs":         {multilib, "openssl-libs-1:3.0.7-27.el9.x86_64"},
		"openssl-libs.i686":    {multilib[:strings.Index(multilib, "\n")+1], "openssl-libs-1:3.0.7-27.el9.i686"},
		"openssl-libs (i686)":  {multilib[:strings.Index(multilib, "\n")+1], "absent (openssl-libs-1:3.0.7-27.el9.i686 is here, which is for another architecture)"},
		"kernel":               {kernels, "kernel-5.14.0-427.el9.x86_64 beside 5.14.0-362.8.1.el9_3, 5.14.0-362.el9"},
		"openssl-libs (noise)": {"a plugin's sentence\n\n" + multilib, "openssl-libs-1:3.0.7-27.el9.x86_64"},
	} {
		name, _, _ = strings.Cut(name, " ")
		s := &scripted{t: t, answers: map[string][]output{"rpm -q --qf " + rpmFormat + " -- " + name: {{stdout: tt.out}}}}
		if got, err := (rpmdb{run: s}).query(t.Context(), name); err != nil || describe(got) != tt.want {
			t.Errorf("%s: got %v, %v; want %s", name, describe(got), err, tt.want)
		}
	}
}

// A line that is no row is passed over, and half a row is an error: a package that is lost unseen would pass for absent.
func TestRowsAndNoise(t *testing.T) {
	count := func(n int, err error) (int, error) { return n, err }
	parsers := map[string]func(string) (int, error){
		"dnf":    func(s string) (int, error) { l, err := parseRepoquery(s); return count(len(l), err) },
		"rpm":    func(s string) (int, error) { l, err := parseRPM(s); return count(len(l), err) },
		"dpkg":   func(s string) (int, error) { l, err := parseDpkg(s); return count(len(l), err) },
		"yum":    func(s string) (int, error) { l, err := parseYumTable(s); return count(len(l), err) },
		"apt":    func(s string) (int, error) { l, _, err := parseSimulation(s); return count(len(l), err) },
		"pacman": func(s string) (int, error) { l, _, err := parsePacmanUpdates(s); return count(len(l), err) },
		"apk":    func(s string) (int, error) { l, err := parseApkList(s); return count(len(l), err) },
		"zypper": func(s string) (int, error) {
			a, err := parseZypper(s)
			if err != nil {
				return 0, err
			}
			l, err := a.packages()
			return count(len(l), err)
		},
	}
	dnf5 := " Some repository - x86_64                    100% |  33.6 KiB/s |  40.4 KiB |  00m01s\nUpdating and loading repositories:\nRepositories loaded.\n"
	tests := []struct {
		name, text string
		want       int // -1: an error
	}{
		{"dnf", dnf5 + "newpkg|0|1.2|3.fc41|x86_64\n", 1},
		{"dnf", "Fetching\rnewpkg|0|1.2|3.fc41|x86_64\r\n\nThis system is registered, but not entitled.\n", 1},
		{"dnf", "newpkg|0|1.2|3.fc41\n", -1}, {"dnf", "newpkg|0||3.fc41|x86_64\n", -1}, {"dnf", "newpkg|0|1.2|3.fc41|", -1},
		{"rpm", "warning: something\nx\t0\t1\t1\tx86_64\t1700000000\n", 1}, {"rpm", "x\t0\t1\t1\tx86", -1}, {"rpm", "x\t0\t1\t1\tx86_64\t\n", -1},
		{"dpkg", "a hook's sentence\n\nx\t1-1\tamd64\tinstall\tinstalled\tok\n", 1}, {"dpkg", "x\t1-1\tamd64\n", -1},
		{"yum", "Loaded plugins: x\nbash.x86_64    4.2-1.el7    updates\n", 1}, {"yum", "bash.x86_64    4.2-1.el7\n", -1},
		{"yum", "bash.x86_64\nzlib.x86_64 1-1 base\n", -1}, {"yum", "bash.x86_64\n     4.2-1.el7    updates    more\n", -1},
		{"apt", "Inst a [1] (2 Debian:12 [amd64])\nRunning hooks\n", 1}, {"apt", "Inst a [1] (\n", -1}, {"apt", "Inst a\n", -1},
		{"pacman", ":: Checking\n\na 1-1 -> 2-1\n", 1}, {"pacman", "a 1-1 ->\n", -1},
		{"apk", "WARNING: opening x: No such file\n" + opensslOld, 1}, {"apk", "openssl-3.1.4-r5 x86_64 {openssl}\n", -1}, {"apk", strings.TrimSuffix(opensslOld, "]\n"), -1},
		{"zypper", "Refreshing service 'x' & more.\n" + zypperSeed, 1}, {"zypper", zypperSeed[:len(zypperSeed)-20], -1},
		{"zypper", `<stream><update kind="package" name="x"/></stream>`, -1},
	}
	for _, tt := range tests {
		got, err := parsers[tt.name](tt.text)
		if err != nil {
			got = -1
		}
		if got != tt.want {
			t.Errorf("%s, %q: got %d, %v; want %d", tt.name, tt.text, got, err, tt.want)
		}
	}
}

// What versionlock lists, as dnf 4, dnf 5 and yum write it. Neither dnf 5 nor yum has run: Debian has none of them.
func TestVersionlockRecordedOutput(t *testing.T) {
	const dnf5 = `# Added by 'versionlock add' command on 2024-11-05 10:20:30
Package name: locked
evr = 1.0-1.fc41

Package name: kernel*
evr != 0:6.11.4-301.fc41
`
	for _, text := range []string{"locked-0:1.0-1.el9.*\n!kernel-core-0:5.14.0-1.*\nkernel-5.14.0-*\n", dnf5, "0:locked-1.0-1.el7.*\n0:kernel-3.10.0-1.*\nversionlock list done\n"} {
		l := parseVersionlock(text)
		for name, want := range map[string]bool{"locked": true, "kernel": true, "locked-libs": false, "lock": false, "openssl": false} {
			if l.hold(name) != want {
				t.Errorf("%q holds %s: %t", l, name, !want)
			}
		}
	}
}

// checkWords holds for every parser: what it finds is named, and no name or version breaks a line.
func checkWords(t *testing.T, words ...string) {
	t.Helper()
	for _, w := range words {
		if w == "" || strings.ContainsAny(w, "\n\t") {
			t.Errorf("found the word %q", w)
		}
	}
}

func FuzzEVR(f *testing.F) {
	for _, s := range []string{"1:2.3-4", "0:1", "a-b-", ":", "-", "1:-2", "0:0:", "0:1:2-3", "00:1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v := parseEVR(s)
		if epoch, _, ok := strings.Cut(s, ":"); (!ok || !allDigits(epoch) || strings.Trim(epoch, "0") != "") && v.String() != s {
			t.Errorf("%q became %q", s, v)
		}
		if !v.fits(v.String()) {
			t.Errorf("%q does not fit itself", s)
		}
	})
}

func FuzzDpkgQuery(f *testing.F) {
	f.Add(dpkgSeed)
	f.Add("a\tb\n")
	f.Fuzz(func(t *testing.T, s string) {
		found, err := parseDpkg(s)
		if err != nil {
			return
		}
		for _, p := range found {
			checkWords(t, p.name, describe(p))
		}
	})
}

func FuzzAptPolicy(f *testing.F) {
	f.Add(policySeed)
	f.Add(":\n  Candidate: 1\n")
	f.Fuzz(func(t *testing.T, s string) {
		for name, p := range parsePolicies(s) {
			checkWords(t, name)
			for _, v := range p.versions {
				checkWords(t, v.String())
			}
		}
	})
}

func FuzzAptSimulation(f *testing.F) {
	f.Add(simulationSeed)
	f.Fuzz(func(t *testing.T, s string) {
		found, back, err := parseSimulation(s)
		if err != nil {
			return
		}
		checkWords(t, back...)
		for _, u := range found {
			checkWords(t, u.name, u.old, u.new)
		}
	})
}

func FuzzRPMQuery(f *testing.F) {
	f.Add("openssl\t1\t3.0.7\t27.el9\tx86_64\t1700000000\ngpg-pubkey\t0\tabc\tdef\t(none)\t1700000000\n")
	f.Fuzz(func(t *testing.T, s string) {
		found, err := parseRPM(s)
		if err != nil {
			return
		}
		for _, p := range found {
			checkWords(t, p.name, p.String())
		}
	})
}

func FuzzRepoquery(f *testing.F) {
	f.Add("fleet-hello|1|1.0|1|x86_64\n\nfleet-hello|1|2.0|1|x86_64\n\n")
	f.Fuzz(func(t *testing.T, s string) {
		found, err := parseRepoquery(s)
		if err != nil {
			return
		}
		for _, p := range found {
			checkWords(t, p.name, p.evr.version)
		}
	})
}

func FuzzYumTable(f *testing.F) {
	f.Add(yumSeed)
	f.Fuzz(func(t *testing.T, s string) {
		found, _ := parseYumTable(s)
		for _, p := range found {
			checkWords(t, p.name, p.evr.String())
		}
	})
}

func FuzzZypperXML(f *testing.F) {
	f.Add(zypperSeed)
	f.Add("<stream><lock><name>")
	f.Fuzz(func(t *testing.T, s string) {
		a, _ := parseZypper(s)
		if why := a.why(); len(why) > maxReason+3 || strings.ContainsAny(why, "\n\x1b") {
			t.Errorf("a reason of %d bytes: %q", len(why), why)
		}
	})
}

func FuzzPacmanInfo(f *testing.F) {
	f.Add(pacmanSeed)
	f.Fuzz(func(t *testing.T, s string) {
		found, err := parsePacmanInfo(s)
		if err != nil {
			return
		}
		for _, p := range found {
			checkWords(t, p.name, p.evr.String())
		}
	})
}

func FuzzPacmanUpdates(f *testing.F) {
	f.Add("fleet-hello 1:1.0-1 -> 1:2.0-1\nlinux 6.1-1 -> 6.2-1 [ignored]\n")
	f.Fuzz(func(t *testing.T, s string) {
		found, ignored, err := parsePacmanUpdates(s)
		if err != nil {
			return
		}
		for _, u := range append(found, ignored...) {
			checkWords(t, u.name, u.old, u.new)
		}
	})
}

func FuzzApkList(f *testing.F) {
	f.Add(opensslOld + opensslUpgrade + "font-noto-1-2.0-r1 noarch {x} (y) [installed]\n")
	f.Fuzz(func(t *testing.T, s string) {
		list, _ := parseApkList(s)
		for _, row := range list {
			checkWords(t, row.name, row.evr.String())
		}
	})
}

func FuzzApkPolicy(f *testing.F) {
	f.Add(opensslPolicy)
	f.Add("openssl policy:\n  2:\n    @edge http://x\n  1:\n    http://y\n")
	f.Fuzz(func(t *testing.T, s string) {
		for _, v := range parseApkPolicy(s, "openssl").versions {
			checkWords(t, v.String())
		}
	})
}

func FuzzOSRelease(f *testing.F) {
	f.Add("ID=\"opensuse-leap\"\nID_LIKE=\"suse opensuse\"\n")
	f.Fuzz(func(t *testing.T, s string) {
		checkWords(t, families(strings.NewReader(s))...)
	})
}

func FuzzReason(f *testing.F) {
	f.Add("E: a\nE: b\n")
	f.Fuzz(func(t *testing.T, s string) {
		if got := reason(output{stderr: s}); len(got) > maxReason+3 || strings.ContainsAny(got, "\n\r\x1b") {
			t.Errorf("got %d bytes: %q", len(got), got)
		}
	})
}
