package version

import "testing"

// ascending holds that each version in a list is older than all behind it.
func ascending(t *testing.T, list []string, compare func(a, b string) (int, bool)) {
	t.Helper()
	for i, a := range list {
		for j, b := range list {
			if got, ok := compare(a, b); !ok || sign(got) != sign(i-j) {
				t.Errorf("%s, %s: got %d, %t; want %d", a, b, sign(got), ok, sign(i-j))
			}
		}
	}
}

func TestCompareFacts(t *testing.T) {
	for _, tt := range []struct {
		order Order
		lists [][]string
	}{
		{Debian, [][]string{
			{"1.0~~", "1.0~~a", "1.0~", "1.0~rc1", "1.0", "1.0-1", "1.0-1+deb8u5", "1.0a", "1.0+b1", "1.0.1", "1.0.1-1", "1.0.1t-1", "1.1", "1.2", "1.11", "2", "10", "1:0.1"},
			{"9", "9.5", "10", "10.0", "12", "12.1", "12.9", "12.10", "12.11", "12.110", "13"},
			{"6.1.0-9-amd64", "6.1.0-18", "6.1.0-18-amd64", "6.1.1"},
			{"1.0.1t-1+deb8u5", "1.1.0l-1~deb9u6", "3.0.15-1~deb12u1", "3.0.16-1~deb12u1"},
			{"v1.2", "1.3", "v1.10.0"},
			{"2024-01-05", "2024-02-01", "2024-10-01"},
			{"10.0.0.9", "10.0.0.10", "10.0.1.1"},
			{"99999999999999999999", "100000000000000000000"},
		}},
		{RPM, [][]string{
			{"5.14.0-362.el9.x86_64", "5.14.0-362.8.1.el9_3", "5.14.0-362.18.1.el9_3.x86_64", "5.14.0-427.13.1.el9_4.x86_64"},
			{"6.4.0-150600.21.2-default", "6.4.0-150600.23.7-default", "6.4.0-150600.23.14", "6.4.0-150600.23.14-default"}, // SUSE
			{"5.10.199-190.747.amzn2.x86_64", "5.10.210-201.852.amzn2.x86_64"},
			{"1.8.1~rc1", "1.8.1", "1.8.1^20240110git5-2.fc40", "1.8.2"},
			{"v1.9", "1.10", "2024-01-05", "2024-10-01"},
			{"7.9", "7.9.2009", "7.10"},
		}},
		{Alpine, [][]string{
			{"1.24_rc2-r0", "1.24-r0", "1.24_p1-r0", "1.24.0-r0"},
			{"v1.2_rc1", "1.2"},
			{"6.6.9-0-lts", "6.6.14-0-lts", "6.6.14-1-lts"}, // no versions of apk
		}},
		{Pacman, [][]string{
			{"1.0rc1-1", "1.0-1", "1.0-2", "1.0.1-1"},
			{"6.7.4-arch1-1", "6.7.4-arch1-2", "6.7.10-arch1-1"},
		}},
	} {
		for _, list := range tt.lists {
			ascending(t, list, tt.order.CompareFacts)
		}
	}
	for _, p := range []pair{{"1.01", "1.1"}, {"0:1.0", "1.0"}, {"v1.2", "1.2"}, {"010", "10"}} {
		for _, order := range []Order{Debian, RPM, Pacman} {
			if got, ok := order.CompareFacts(p.a, p.b); got != 0 || !ok {
				t.Errorf("%s and %s differ", p.a, p.b)
			}
		}
	}
	if got, ok := RPM.CompareFacts("5.14.0-362.el9.x86_64", "5.14.0-362.el9"); got != 0 || !ok {
		t.Errorf("an architecture counts: %d, %t", got, ok)
	}
	for _, word := range []string{"Debian", "", "absent", "trixie/sid", "r12"} {
		if _, ok := Debian.CompareFacts(word, "1.0"); ok {
			t.Errorf("%q is compared with a version", word)
		}
	}
}

func TestComparePackages(t *testing.T) {
	ascending(t, []string{"r9", "r10"}, Alpine.ComparePackages) // the output release
	ascending(t, []string{"r9", "r10", "1.0"}, Pacman.ComparePackages)
	ascending(t, []string{"362.el9", "362.8.1.el9_3"}, RPM.ComparePackages)
	for _, word := range []string{"absent", "config-files", "", "half-configured", "2 of 3"} {
		if _, ok := RPM.ComparePackages(word, "1.0"); ok {
			t.Errorf("%q is compared with a version", word)
		}
	}
}

func TestLike(t *testing.T) {
	for s, want := range map[string]bool{
		"12": true, "1.0.1t-1+deb8u5.amd64": true, "v1": true, "1:2~3": true, "0x10": true, "1.8.1^git5": true,
		"": false, "v": false, "Debian": false, "-5": false, ".5": false, "12 GiB": false, "85%": false, "vm1": false, "1/2": false, "1,5": false,
	} {
		if Like(s) != want {
			t.Errorf("Like(%q) is %v", s, !want)
		}
	}
}

func TestWhoseOrder(t *testing.T) {
	for name, want := range map[string]Order{
		"Debian": Debian, "Ubuntu": Debian, "RedHat": RPM, "Suse": RPM, "CentOS": RPM, "OracleLinux": RPM, "openSUSE": RPM, "Fedora": RPM,
		"Amazon": RPM, "Alpine": Alpine, "Archlinux": Pacman, "Manjarolinux": Pacman,
	} {
		if got, ok := OfSystem(name); got != want || !ok {
			t.Errorf("%s has the order %d, %t; want %d", name, got, ok, want)
		}
	}
	if _, ok := OfSystem("Haiku"); ok {
		t.Error("an order is known of a system that is not")
	}
	for name, want := range map[string]Order{"apt": Debian, "dnf": RPM, "yum": RPM, "zypper": RPM, "apk": Alpine, "pacman": Pacman} {
		if got, ok := OfProvider(name); got != want || !ok {
			t.Errorf("%s has the order %d, %t; want %d", name, got, ok, want)
		}
	}
	if _, ok := OfProvider(""); ok {
		t.Error("no provider has an order")
	}
}

// Every order is antisymmetric and finds a version equal to itself; for facts it is the package manager's own where a
// version has one hyphen at the most, but for what facts leave out.
func FuzzOrders(f *testing.F) {
	f.Add("1.0~rc1-1", "1:1.0")
	f.Add("1.2_p1~ab-r2", "1.2_p_rc")
	f.Add("1.8.1^git-2.fc40", "1.8.1-2")
	f.Fuzz(func(t *testing.T, a, b string) {
		for _, order := range []Order{Debian, RPM, Alpine, Pacman} {
			if x, y := order.Compare(a, b), order.Compare(b, a); sign(x) != -sign(y) || order.Compare(a, a) != 0 {
				t.Fatalf("order %d of %q and %q: %d, %d", order, a, b, x, y)
			}
			facts, ok := order.CompareFacts(a, b)
			if ok && plain(a) && plain(b) && sign(facts) != sign(order.Compare(a, b)) {
				t.Fatalf("order %d of %q and %q: as facts %d, as packages %d", order, a, b, facts, order.Compare(a, b))
			}
		}
	})
}

func plain(s string) bool {
	_, rest := cutEpoch(s)
	version, _, _ := cutRelease(rest)
	inner, _, more := cutRelease(version)
	return !more && inner == version && withoutV(s) == s && withoutArch(s) == s
}
