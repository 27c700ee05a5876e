package packages

import (
	"bufio"
	"io"
	"strings"
)

// kind is one package manager that can be here.
type kind struct {
	families []string // os-release ID or ID_LIKE words that mean it
	binaries []string // all must be here
	build    func(runner) manager
}

// kinds in the order in which they are tried where os-release names none of them: first those that are rarely
// installed as a mere tool on another distribution.
func kinds() []kind {
	rpmBased := []string{"fedora", "rhel", "centos", "rocky", "almalinux", "ol", "amzn", "mageia"}
	return []kind{
		{[]string{"debian", "ubuntu", "raspbian"}, []string{"apt-get", "apt-cache", "dpkg-query"},
			func(r runner) manager { return apt{run: r} }},
		{[]string{"alpine", "postmarketos"}, []string{"apk"},
			func(r runner) manager { return apk{run: r, world: "/etc/apk/world"} }},
		{[]string{"arch", "archarm", "manjaro"}, []string{"pacman"},
			func(r runner) manager { return pacman{run: r} }},
		{[]string{"suse", "opensuse", "sles", "sled"}, []string{"zypper", "rpm"},
			func(r runner) manager { return zypper{rpmdb: rpmdb{run: r}} }},
		{rpmBased, []string{"dnf", "rpm"},
			func(r runner) manager { return dnf{rpmdb: rpmdb{run: r}, bin: "dnf"} }},
		{rpmBased, []string{"yum", "rpm"},
			func(r runner) manager { return dnf{rpmdb: rpmdb{run: r}, bin: "yum"} }},
	}
}

// detect returns this host's manager, or nil. osRelease is /etc/os-release; have says whether a program is here.
// The distribution's own word comes first: a Debian host may have dnf and pacman installed as tools.
func detect(osRelease io.Reader, have func(program string) bool, r runner) manager {
	complete := func(k kind) bool {
		for _, b := range k.binaries {
			if !have(b) {
				return false
			}
		}
		return true
	}
	for _, word := range families(osRelease) {
		for _, k := range kinds() {
			for _, f := range k.families {
				if f == word && complete(k) {
					return k.build(r)
				}
			}
		}
	}
	for _, k := range kinds() {
		if complete(k) {
			return k.build(r)
		}
	}
	return nil
}

// families reads ID and then the words of ID_LIKE, nearest relative first. "opensuse-leap" counts as "opensuse" too.
func families(osRelease io.Reader) []string {
	var id, like []string
	lines := bufio.NewScanner(io.LimitReader(osRelease, 64<<10))
	for lines.Scan() {
		key, value, _ := strings.Cut(strings.TrimSpace(lines.Text()), "=")
		words := strings.Fields(strings.ToLower(strings.Trim(value, `"'`)))
		switch key {
		case "ID":
			for _, w := range words {
				id = append(id, w)
				if base, _, ok := strings.Cut(w, "-"); ok && base != "" {
					id = append(id, base)
				}
			}
		case "ID_LIKE":
			like = words
		}
	}
	return append(id, like...)
}
