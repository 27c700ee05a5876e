package filter

import (
	"slices"
	"testing"
)

// hostWith is a host of an operating system, told by one fact, with one more fact v.
func hostWith(fact string, system, v any) InventoryHost {
	return InventoryHost{name: "h", facts: map[string]any{fact: system, "v": v}}
}

// Versions compare as on the host they come from: the same fact and filter, another answer.
func TestVersionsCompareInTheOrderOfTheHost(t *testing.T) {
	structured := func(family string) any { return map[string]any{"family": family} }
	tests := []struct {
		host   InventoryHost
		facts  []string // all must select the host
		others []string // none may
	}{
		{hostWith("os", structured("Alpine"), "1.24_rc2-r0"), []string{"v<1.24.0-r0", "v<1.24-r0", "v>1.23"}, []string{"v>=1.24"}},
		{hostWith("os", structured("Alpine"), "1.24_p1-r0"), []string{"v>1.24-r0", "v>=1.24"}, []string{"v<1.24-r0"}},
		{hostWith("osfamily", "Alpine", "1.24_rc2-r0"), []string{"v<1.24-r0"}, nil},
		{hostWith("osfamily", "Debian", "1.24_rc2-r0"), []string{"v>1.24-r0"}, nil}, // dpkg knows no _rc
		{hostWith("os", structured("RedHat"), "5.14.0-362.el9.x86_64"),
			[]string{"v<5.14.0-362.8.1.el9_3.x86_64", "v<5.14.0-362.8.1.el9_3", "v>=5.14.0-362.el9"}, []string{"v>=5.14.0-362.8.1.el9_3"}},
		{hostWith("operatingsystem", "CentOS", "7.4p1-21.el7_2.3"), []string{"v<7.4p1-21.el7.4"}, nil},
		{hostWith("os", map[string]any{"name": "Rocky"}, "1.8.1^20240110git5-2.fc40"), []string{"v<2.0", "v>1.8", "v>=1.8.1", "v<1.9"}, nil},
		{hostWith("os", structured("Suse"), "6.4.0-150600.23.7-default"), []string{"v<6.4.0-150600.23.14", "v<6.4.0-150600.23.14-default"}, nil},
		{hostWith("os", structured("RedHat"), "1.0~rc1"), []string{"v<1.0"}, nil},
		{hostWith("osfamily", "Archlinux", "1.0rc1-1"), []string{"v<1.0-1"}, nil},
		{hostWith("osfamily", "Debian", "1.0rc1-1"), []string{"v>1.0-1"}, nil},
		{hostWith("os", structured("Haiku"), "6.1.0-9-amd64"), []string{"v<6.1.0-18"}, nil}, // a family without an order of its own
		{hostWith("os", structured("RedHat"), []any{"1.9", "1.10_2"}), []string{"v>1.9"}, nil},
		{hostWith("os", structured("RedHat"), 6.1), []string{"v<6.1.5"}, nil},
		{hostWith("os", "no map", "9.10"), []string{"v>9.9"}, nil},
	}
	for _, tt := range tests {
		for _, f := range slices.Concat(tt.facts, tt.others) {
			want := slices.Contains(tt.facts, f)
			if got, err := match(t, tt.host, Flags{Fact: []string{f}}); got != want || err != nil {
				t.Errorf("%v, -F %s: got %v, %v; want %v", tt.host.facts, f, got, err, want)
			}
		}
	}
}

// What a package manager says compares in its own order, whatever the family of the host, and each of several versions
// side by side counts.
func TestPackageVersionsCompareInTheOrderOfTheirProvider(t *testing.T) {
	h := web1() // a Debian
	h.data = map[string]map[string]any{
		"package podman": {"provider": "dnf", "version": "1.8.1^20240110git5", "ensure": "1.8.1^20240110git5-2.fc40"},
		"package kernel": {"provider": "dnf", "ensure": []any{"5.14.0-362.8.1.el9_3", "5.14.0-427.13.1.el9_4"}},
		"package musl":   {"provider": "apk", "version": "1.24_rc2", "release": "r9"},
		"package linux":  {"provider": "pacman", "version": "6.8rc1"},
		"package bash":   {"provider": "apt", "version": "5.2.15-2-1"}, // two hyphens: dpkg's own order, not that of facts
		"package gone":   {"provider": "dnf", "ensure": "absent"},
	}
	for sel, want := range map[string]bool{
		"package('podman').version<1.8.2": true, "package('podman').ensure>1.8.1-2.fc40": true,
		"package('kernel').ensure=5.14.0-362.8.1.el9_3": true, "package('kernel').ensure<5.14.0-362.9": true, "package('kernel').ensure>=5.14.0-427.13.1.el9_4": true,
		"package('kernel').ensure>5.14.0-427.13.1.el9_4": false,
		"package('musl').version<1.24":                   true, "package('musl').release<r10": true,
		"package('linux').version<6.8":   true,
		"package('bash').version>5.2.15": true, "package('bash').version<5.2.15-10": false,
		"package('gone').ensure<1.0": false, "package('gone').ensure>1.0": false, "not package('gone').ensure>1.0": true,
	} {
		if got, err := match(t, h, Flags{Select: []string{sel}}); got != want || err != nil {
			t.Errorf("-S %s: got %v, %v; want %v", sel, got, err, want)
		}
	}
}
