package facts

import (
	"regexp"
	"slices"
	"strings"
)

// distribution is how Facter spells one, by its ID in os-release.
type distribution struct{ name, family, id string } // id: os.distro.id, "" is name

func distributionOf(id string) distribution {
	switch id {
	case "debian":
		return distribution{"Debian", "Debian", ""}
	case "ubuntu":
		return distribution{"Ubuntu", "Debian", ""}
	case "raspbian":
		return distribution{"Raspbian", "Debian", ""}
	case "linuxmint":
		return distribution{"LinuxMint", "Debian", "Linuxmint"}
	case "rhel":
		return distribution{"RedHat", "RedHat", "RedHatEnterprise"}
	case "centos":
		return distribution{"CentOS", "RedHat", ""}
	case "rocky":
		return distribution{"Rocky", "RedHat", ""}
	case "almalinux":
		return distribution{"AlmaLinux", "RedHat", ""}
	case "ol":
		return distribution{"OracleLinux", "RedHat", "OracleServer"}
	case "fedora":
		return distribution{"Fedora", "RedHat", ""}
	case "amzn":
		return distribution{"Amazon", "RedHat", ""}
	case "sles", "sles_sap":
		return distribution{"SLES", "Suse", "SUSE"}
	case "sled":
		return distribution{"SLED", "Suse", "SUSE"}
	case "opensuse", "opensuse-leap", "opensuse-tumbleweed", "opensuse-microos":
		return distribution{"openSUSE", "Suse", "SUSE"}
	case "arch", "archarm":
		return distribution{"Archlinux", "Archlinux", "Arch"}
	case "manjaro":
		return distribution{"Manjarolinux", "Archlinux", "ManjaroLinux"}
	case "alpine":
		return distribution{"Alpine", "Alpine", ""}
	case "gentoo":
		return distribution{"Gentoo", "Gentoo", ""}
	}
	return distribution{}
}

// os fills in os.* from os-release and, where that is coarser than what Facter shows, from the distribution's own file.
func (h host) os(f Facts) {
	rel := parseOSRelease(h.read("etc/os-release"))
	if len(rel) == 0 {
		rel = parseOSRelease(h.read("usr/lib/os-release"))
	}
	d := describe(rel)
	full, description, codename := rel["VERSION_ID"], rel["PRETTY_NAME"], rel["VERSION_CODENAME"]
	switch d.family {
	case "Debian":
		if d.name == "Debian" || d.name == "Raspbian" {
			if v := h.word("etc/debian_version"); v != "" {
				full = v // 12.11, where os-release only has 12; trixie/sid in testing
			}
		}
	case "RedHat":
		full, description, codename = h.redhat(full, description)
		if strings.HasPrefix(description, "CentOS Stream") {
			d.id = "CentOSStream"
		}
	case "Archlinux":
		full = "" // rolling
	}
	if d.id == "" {
		d.id = d.name
	}
	f.set("os.name", d.name)
	f.set("os.family", d.family)
	setRelease(f, "os.release", d.name, full)
	f.set("os.distro.id", d.id)
	f.set("os.distro.description", description)
	f.set("os.distro.codename", codename)
	if d.family == "Archlinux" {
		full = "rolling"
	}
	setRelease(f, "os.distro.release", d.name, full)
	h.architecture(f, d.family)
}

// describe finds the spelling of a distribution; one that is not in the table goes by its own name and by the family
// of the first relative it names.
func describe(rel map[string]string) distribution {
	if d := distributionOf(rel["ID"]); d.name != "" {
		return d
	}
	name, _, _ := strings.Cut(rel["NAME"], " ")
	d := distribution{name: name}
	for _, like := range append(strings.Fields(rel["ID_LIKE"]), "") {
		if like == "suse" {
			like = "sles"
		}
		if d.family = distributionOf(like).family; d.family != "" {
			return d
		}
	}
	if id := rel["ID"]; id != "" {
		d.family = strings.ToUpper(id[:1]) + id[1:]
	}
	return d
}

// redhat reads "Rocky Linux release 9.4 (Blue Onyx)".
func (h host) redhat(full, description string) (string, string, string) {
	line, _, _ := strings.Cut(h.read("etc/redhat-release"), "\n")
	if line = strings.TrimSpace(line); line == "" {
		return full, description, ""
	}
	m := regexp.MustCompile(`release (\d[\d.]*)[^(]*(?:\(([^)]*)\))?`).FindStringSubmatch(line)
	if m == nil {
		return full, line, ""
	}
	return m[1], line, m[2]
}

// setRelease splits a release as Facter does: Ubuntu's major is 22.04, minors lose a leading 0.
func setRelease(f Facts, path, name, full string) {
	f.set(path+".full", full)
	if name == "Ubuntu" {
		f.set(path+".major", full)
		return
	}
	parts := strings.Split(full, ".")
	f.set(path+".major", parts[0])
	if len(parts) > 1 {
		minor := parts[1]
		if len(minor) > 1 {
			minor = strings.TrimPrefix(minor, "0")
		}
		f.set(path+".minor", minor)
	}
}

func (h host) architecture(f Facts, family string) {
	machine := h.machine()
	arch := machine
	switch {
	case slices.Contains([]string{"i486", "i586", "i686"}, machine):
		arch = "i386"
	case family == "Debian" && machine == "x86_64":
		arch = "amd64"
	case family == "Debian" && machine == "aarch64":
		arch = "arm64"
	case family == "Debian" && machine == "armv7l":
		arch = "armhf"
	}
	f.set("os.hardware", machine)
	f.set("os.architecture", arch)
}

// parseOSRelease reads the shell-like assignments of os-release(5), without being a shell.
func parseOSRelease(text string) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(text) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if !ok || key == "" || key[0] == '#' || len(value) > maxString {
			continue
		}
		out[key] = unquote(value)
	}
	return out
}

// unquote takes one pair of quotes away and, inside double ones, backslashes.
func unquote(s string) string {
	if len(s) < 2 || s[0] != s[len(s)-1] || (s[0] != '"' && s[0] != '\'') {
		return s
	}
	inner := s[1 : len(s)-1]
	if s[0] == '\'' {
		return inner
	}
	var out strings.Builder
	for i := 0; i < len(inner); i++ {
		if inner[i] == '\\' && i+1 < len(inner) && strings.IndexByte("\\\"$`", inner[i+1]) >= 0 {
			i++
		}
		out.WriteByte(inner[i])
	}
	return out.String()
}
