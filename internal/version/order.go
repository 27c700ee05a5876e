package version

import (
	"cmp"
	"strings"
)

// Order is one way to order versions. The zero Order is dpkg's, which is also used for hosts of an unknown family.
type Order uint8

const (
	Debian Order = iota
	RPM
	Alpine
	Pacman
)

// OfProvider returns the order of a package manager, named as in the output "provider" of the plugin package.
func OfProvider(name string) (Order, bool) {
	switch name {
	case "apt":
		return Debian, true
	case "dnf", "yum", "zypper":
		return RPM, true
	case "apk":
		return Alpine, true
	case "pacman":
		return Pacman, true
	}
	return Debian, false
}

// OfSystem returns the order of an operating system, named as Facter names a family (os.family) or a distribution
// (os.name, operatingsystem). Case does not count. It is false for a name that is not known.
func OfSystem(name string) (Order, bool) {
	switch strings.ToLower(name) {
	case "debian", "ubuntu", "raspbian", "linuxmint", "devuan", "kali":
		return Debian, true
	case "redhat", "rhel", "centos", "rocky", "almalinux", "oraclelinux", "fedora", "amazon", "scientific", "cloudlinux",
		"suse", "sles", "sled", "opensuse", "mageia", "mandriva", "mandrake", "openmandriva", "openeuler", "euleros", "anolis",
		"photon", "photonos", "mariner", "azurelinux", "virtuozzolinux", "xenserver", "xcp-ng", "miraclelinux", "eurolinux":
		return RPM, true
	case "alpine", "postmarketos":
		return Alpine, true
	case "archlinux", "arch", "manjarolinux", "manjaro", "endeavouros", "artix":
		return Pacman, true
	}
	return Debian, false
}

// Compare orders two full versions of packages exactly as the package manager does: negative if a is older than b, 0 if
// they are equal, positive if a is newer. Every text has a place in the order.
func (o Order) Compare(a, b string) int {
	switch o {
	case RPM:
		return compareEVR(a, b, compareRPMPart, false)
	case Alpine:
		return compareAlpine(a, b)
	case Pacman:
		return compareEVR(a, b, comparePacmanPart, true)
	}
	return compareEVR(a, b, compareDebianPart, false)
}

// compareEVR compares [epoch:]version[-release]: epochs as numbers, then versions, then releases by compare. No release
// is an empty one; if optional is set, the release counts only if both have one.
func compareEVR(a, b string, compare func(a, b string) int, optional bool) int {
	epochA, a := cutEpoch(a)
	epochB, b := cutEpoch(b)
	versionA, releaseA, fullA := cutRelease(a)
	versionB, releaseB, fullB := cutRelease(b)
	order := cmp.Or(compareDigits(epochA, epochB), compare(versionA, versionB))
	if order != 0 || optional && !(fullA && fullB) {
		return order
	}
	return compare(releaseA, releaseB)
}

// ComparePackages orders a package manager's answer and what a person typed. It is false if one of them is no version
// but a word such as absent.
func (o Order) ComparePackages(answer, typed string) (order int, ok bool) {
	if !versionCharacters(answer) || !versionCharacters(typed) || !strings.ContainsAny(answer, digits) || !strings.ContainsAny(typed, digits) {
		return 0, false
	}
	return o.Compare(answer, typed), true
}

// CompareFacts orders a fact of a host and what a person typed. It is false if one of them does not look like a version.
// Facts are looser than packages' versions, so besides the host's order these rules hold:
//
//   - a v before the first digit does not count: v1.2 is 1.2
//   - dpkg's and rpm's orders take a hyphen for a separator wherever it stands, so that kernel releases compare part by
//     part: 6.1.0-9-amd64 is older than 6.1.0-18, and 6.4.0-150600.23.7-default older than 6.4.0-150600.23.14
//   - in rpm's order an architecture at the end does not count: 5.14.0-362.el9.x86_64 is 5.14.0-362.el9
//   - what apk would refuse as a version, such as Alpine's kernel release 6.6.14-0-lts, compares in dpkg's order
func (o Order) CompareFacts(fact, typed string) (order int, ok bool) {
	if !Like(fact) || !Like(typed) {
		return 0, false
	}
	a, b := withoutV(fact), withoutV(typed)
	switch o {
	case RPM:
		return compareParts(withoutArch(a), withoutArch(b), compareRPMPart), true
	case Alpine, Pacman:
		return o.Compare(a, b), true
	}
	return compareParts(a, b, compareDebianPart), true
}

// Like reports whether s looks like a version: it begins with a digit, or with v and a digit, and has only letters,
// digits and . + ~ ^ : _ - in it.
func Like(s string) bool {
	s = withoutV(s)
	return s != "" && isDigit(s[0]) && versionCharacters(s)
}

const digits = "0123456789"

func versionCharacters(s string) bool {
	for i := range len(s) {
		if !isDigit(s[i]) && !isLetter(s[i]) && strings.IndexByte(".+~^:_-", s[i]) < 0 {
			return false
		}
	}
	return true
}

func withoutV(s string) string {
	if len(s) > 1 && s[0] == 'v' && isDigit(s[1]) {
		return s[1:]
	}
	return s
}

// compareParts compares epochs, and then what stands between hyphens, part by part. A part that is missing is empty.
func compareParts(a, b string, compare func(a, b string) int) int {
	epochA, a := cutEpoch(a)
	epochB, b := cutEpoch(b)
	order := compareDigits(epochA, epochB)
	for order == 0 && (a != "" || b != "") {
		var partA, partB string
		partA, a, _ = strings.Cut(a, "-")
		partB, b, _ = strings.Cut(b, "-")
		order = compare(partA, partB)
	}
	return order
}

// cutEpoch takes a number and the colon behind it off; no epoch is epoch 0.
func cutEpoch(s string) (epoch, rest string) {
	n := countDigits(s)
	if n < len(s) && s[n] == ':' {
		return s[:n], s[n+1:]
	}
	return "", s
}

// cutRelease cuts at the last hyphen.
func cutRelease(s string) (version, release string, ok bool) {
	if i := strings.LastIndexByte(s, '-'); i >= 0 {
		return s[:i], s[i+1:], true
	}
	return s, "", false
}

// compareDigits orders two runs of digits of any length as numbers; no digits are 0.
func compareDigits(a, b string) int {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return strings.Compare(a, b)
}

func countDigits(s string) int {
	n := 0
	for n < len(s) && isDigit(s[n]) {
		n++
	}
	return n
}

func isDigit(c byte) bool  { return c >= '0' && c <= '9' }
func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }
