package packages

import (
	"slices"
	"strings"
	"testing"
)

func TestDetect(t *testing.T) {
	everything := []string{"apt-get", "apt-cache", "dpkg-query", "dnf", "yum", "rpm", "zypper", "pacman", "apk"}
	tests := []struct {
		name, release string
		programs      []string
		want          string
	}{
		{"Debian with every tool", "ID=debian\n", everything, "apt"},
		{"Ubuntu's child", "ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n", everything, "apt"},
		{"Fedora", "NAME=Fedora\nID=fedora\n", everything, "dnf"},
		{"CentOS 7", "ID=\"centos\"\nID_LIKE=\"rhel fedora\"\n", []string{"yum", "rpm"}, "yum"},
		{"Rocky", "ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n", []string{"dnf", "yum", "rpm"}, "dnf"},
		{"Amazon Linux 2", "ID=\"amzn\"\nID_LIKE=\"centos rhel fedora\"\n", []string{"yum", "rpm"}, "yum"},
		{"openSUSE Leap", "ID=\"opensuse-leap\"\nID_LIKE=\"suse opensuse\"\n", everything, "zypper"},
		{"SLES", "ID='sles'\n", everything, "zypper"},
		{"Arch", "ID=arch\n", everything, "pacman"},
		{"Alpine", "ID=alpine\n", everything, "apk"},
		{"unknown, by what is there", "ID=wolfi\n", []string{"apk"}, "apk"},
		{"no os-release", "", []string{"pacman"}, "pacman"},
		{"Debian without dpkg-query is not apt", "ID=debian\n", []string{"apt-get", "apt-cache", "apk"}, "apk"},
		{"nothing", "ID=debian\n", nil, ""},
		{"garbage", "ID\n=\n\x00ID=arch=x\n" + strings.Repeat("x", 1<<17), []string{"apk"}, "apk"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := detect(strings.NewReader(tt.release), func(p string) bool { return slices.Contains(tt.programs, p) }, nil)
			got := ""
			if m != nil {
				got = m.provider()
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
