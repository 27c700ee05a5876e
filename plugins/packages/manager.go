package packages

import (
	"context"
	"slices"
	"strings"

	"fleet/internal/version"
)

// manager is what the actions need of a package manager. Every method may run programs, blocks until they have ended
// or ctx has, and may be called from several goroutines at once; the manager's own lock puts changes in order. Names
// and versions have passed the declaration's checks: they never start with '-' and hold no glob or option.
type manager interface {
	database
	repositories
	holder
	changer
}

// database knows what is installed on this host.
type database interface {
	provider() string // "apt", "dnf", ...
	query(ctx context.Context, name string) (pkg, error)
	list(ctx context.Context) ([]pkg, error)
	// spellings are the names of the package that query would answer for, the one that stands for it first, and others: names of
	// packages that it may mean. It is for rules of policy, and may not take long.
	spellings(ctx context.Context, name string) (own, other []string, err error)
}

// repositories know what could be installed, by the lists of the last refresh.
type repositories interface {
	offers(ctx context.Context, name string) (offer, error)
	// updates are the packages for which there is something newer: those that the manager would take, and those that
	// something on this host keeps it from taking.
	updates(ctx context.Context) (found, held []update, err error)
	// providers are the packages that provide name and are called something else.
	providers(ctx context.Context, name string) ([]string, error)
	names(ctx context.Context) ([]string, error)
}

// holder knows what keeps a package as it is.
type holder interface {
	// held says what on this host holds the package, as a person calls it, where the manager must not be told to upgrade
	// it because it would, or would fail. "" if nothing does.
	held(ctx context.Context, name string) (by string, err error)
	// newest is the newest version that there is for the package, also one that the manager does not take, and what keeps
	// it from taking that: "" if nothing does, or nobody can say. The zero evr: no repository has the package.
	newest(ctx context.Context, name string, here pkg) (v evr, by string, err error)
}

// changer changes. A nil error means only that the manager was content: the caller looks itself what is there now.
type changer interface {
	refresh(ctx context.Context) error
	install(ctx context.Context, name, version string) error // version "" is the manager's choice, else one of offers
	upgrade(ctx context.Context, name string) error
	remove(ctx context.Context, name string, purge bool) error
}

// The states of a package. apt has more, named as dpkg does: half-installed, unpacked, half-configured, and so on.
const (
	stateInstalled   = "installed"
	stateAbsent      = "absent"
	stateConfigFiles = "config-files" // removed, its configuration files are still here; counts as absent
)

// pkg is one package as this host has it.
type pkg struct {
	name    string
	evr     evr   // the newest of those installed
	beside  []evr // further versions that are installed side by side, as kernels are, newest first
	arch    string
	state   string
	foreign string // of an absent package: one of that name that is here for another architecture
	held    bool   // only where query knows it without asking further; manager.held is the answer
}

func (p pkg) present() bool { return p.state != stateAbsent && p.state != stateConfigFiles }

// whole is false where a change was broken off and the manager has to finish it.
func (p pkg) whole() bool { return p.state == stateInstalled }

func (p pkg) ensure() string {
	if !p.present() {
		return stateAbsent
	}
	return p.evr.String()
}

// versions are all that are installed, newest first.
func (p pkg) versions() []evr {
	if !p.present() {
		return nil
	}
	return append([]evr{p.evr}, p.beside...)
}

// having returns the installed version that want names; "" names the newest.
func (p pkg) having(want string) (evr, bool) {
	for _, v := range p.versions() {
		if want == "" || v.fits(want) {
			return v, true
		}
	}
	return evr{}, false
}

// but names the installed versions other than v.
func (p pkg) but(v evr) []string {
	var others []string
	for _, other := range p.versions() {
		if other != v {
			others = append(others, other.String())
		}
	}
	return others
}

func (p pkg) String() string {
	if !p.present() {
		return p.ensure()
	}
	s := p.name + "-" + p.evr.String()
	if p.arch != "" {
		s += "." + p.arch
	}
	return s
}

// offer is what the repositories have of one package.
type offer struct {
	versions  []evr // newest first; empty: no repository has it
	candidate evr   // what the manager would take; zero where it does not say
}

// find returns the offered version that fits want: the same text if there is one, else the first that want names
// without its epoch or release.
func (o offer) find(want string) (evr, bool) {
	for _, v := range o.versions {
		if v.String() == want {
			return v, true
		}
	}
	for _, v := range o.versions {
		if v.fits(want) {
			return v, true
		}
	}
	return evr{}, false
}

// newestFirst sorts versions in the order of the package manager.
func newestFirst(order version.Order, versions []evr) {
	slices.SortStableFunc(versions, func(a, b evr) int { return order.Compare(b.String(), a.String()) })
}

// first is the first of versions, if there are any.
func first(versions []evr) evr {
	if len(versions) == 0 {
		return evr{}
	}
	return versions[0]
}

// newer reports whether a is newer than b. Anything is newer than nothing.
func newer(order version.Order, a, b evr) bool {
	return a != (evr{}) && (b == (evr{}) || order.Compare(a.String(), b.String()) > 0)
}

// update is one package for which the repositories have something newer.
type update struct{ name, old, new string }

// evr is a version as Debian, rpm, pacman and apk write it: [epoch:]version[-release].
type evr struct{ epoch, version, release string }

// parseEVR cannot fail: what has no epoch or release is all version. A zero epoch, an unset one ("(none)") and none
// are the same.
func parseEVR(s string) evr {
	var v evr
	if epoch, rest, ok := strings.Cut(s, ":"); ok && allDigits(epoch) {
		v.epoch, s = epoch, rest
	}
	if strings.Trim(v.epoch, "0") == "" {
		v.epoch = ""
	}
	if i := strings.LastIndexByte(s, '-'); i > 0 && i < len(s)-1 {
		s, v.release = s[:i], s[i+1:]
	}
	v.version = s
	return v
}

func (v evr) String() string {
	s := v.version
	if v.epoch != "" {
		s = v.epoch + ":" + s
	}
	if v.release != "" {
		s += "-" + v.release
	}
	// A version may contain a colon. Its start must not be read as an epoch.
	if first, _, ok := strings.Cut(s, ":"); v.epoch == "" && ok && allDigits(first) {
		s = "0:" + s
	}
	return s
}

// fits says whether want names this version: in full, or without the epoch, or without the release, or without both.
func (v evr) fits(want string) bool {
	want = parseEVR(want).String()
	noEpoch, noRelease, bare := v, v, v
	noEpoch.epoch, noRelease.release = "", ""
	bare.epoch, bare.release = "", ""
	return want == v.String() || want == noEpoch.String() || want == noRelease.String() || want == bare.String()
}

func allDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}
