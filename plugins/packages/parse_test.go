package packages

import (
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
	got := parsePolicy(policySeed)
	want := []evr{parseEVR("3.0.22-1~deb12u1"), parseEVR("3.0.20-1~deb12u1")} // dpkg's status is no repository
	if got.candidate != want[0] || !slices.Equal(got.versions, want) {
		t.Errorf("got %+v", got)
	}
	if got := parsePolicy("mail-transport-agent:\n  Installed: (none)\n  Candidate: (none)\n  Version table:\n"); got.candidate != (evr{}) || len(got.versions) != 0 {
		t.Errorf("a virtual package is offered: %+v", got)
	}
}

func TestParseSimulation(t *testing.T) {
	want := []update{{"libssl3", "3.0.19-1~deb12u2", "3.0.22-1~deb12u1"}} // a new kernel package is no update
	if got := parseSimulation(simulationSeed); !slices.Equal(got, want) {
		t.Errorf("got %v", got)
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
	for _, p := range parseYumTable(yumSeed) {
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

func TestRPMPicksOneOfSeveral(t *testing.T) {
	multilib := "openssl-libs\t1\t3.0.7\t27.el9\ti686\t1700000000\nopenssl-libs\t1\t3.0.7\t27.el9\tx86_64\t1700000000\n"
	kernels := "kernel\t0\t5.14.0\t503.el9\tx86_64\t1700000900\nkernel\t0\t5.14.0\t427.el9\tx86_64\t1700000000\n"
	for name, tt := range map[string]struct{ out, want string }{
		"openssl-libs": {multilib, "openssl-libs-1:3.0.7-27.el9.x86_64"}, "kernel": {kernels, "kernel-5.14.0-503.el9.x86_64"},
	} {
		s := &scripted{t: t, answers: map[string][]output{"rpm -q --qf " + rpmFormat + " -- " + name: {{stdout: tt.out}}}}
		if got, err := (rpmdb{run: s}).query(t.Context(), name); err != nil || got.String() != tt.want {
			t.Errorf("got %v, %v; want %s", got, err, tt.want)
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
	for _, s := range []string{"1:2.3-4", "0:1", "a-b-", ":", "-", "1:-2"} {
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
	f.Fuzz(func(t *testing.T, s string) {
		for _, v := range parsePolicy(s).versions {
			checkWords(t, v.String())
		}
	})
}

func FuzzAptSimulation(f *testing.F) {
	f.Add(simulationSeed)
	f.Fuzz(func(t *testing.T, s string) {
		for _, u := range parseSimulation(s) {
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
		for _, p := range parseYumTable(s) {
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
		found, ignored := parsePacmanUpdates(s)
		for _, u := range append(found, ignored...) {
			checkWords(t, u.name, u.old, u.new)
		}
	})
}

func FuzzApkList(f *testing.F) {
	f.Add(opensslOld + opensslUpgrade + "font-noto-1-2.0-r1 noarch {x} (y) [installed]\n")
	f.Fuzz(func(t *testing.T, s string) {
		for _, row := range parseApkList(s) {
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
