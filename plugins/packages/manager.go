package packages

import (
	"context"
	"strings"
)

// manager is what the actions need of a package manager. Every method may run programs, blocks until they have ended
// or ctx has, and may be called from several goroutines at once; the manager's own lock puts changes in order. Names
// and versions have passed the declaration's checks: they never start with '-' and hold no glob or option.
type manager interface {
	reader
	changer
}

// reader looks only. query, list and held look at this host alone; the others at the lists of what repositories have.
type reader interface {
	provider() string // "apt", "dnf", ...
	query(ctx context.Context, name string) (pkg, error)
	list(ctx context.Context) ([]pkg, error)
	held(ctx context.Context, name string) (bool, error)
	offers(ctx context.Context, name string) (offer, error)
	updates(ctx context.Context) ([]update, error)
	names(ctx context.Context) ([]string, error)
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
	name  string
	evr   evr
	arch  string
	state string
	held  bool // only where query knows it without asking further; manager.held is the answer
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
	versions  []evr // newest first where the manager sorts them; empty: no repository has it
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
	return s
}

// fits says whether want names this version: in full, or without the epoch, or without the release, or without both.
func (v evr) fits(want string) bool {
	noEpoch, noRelease, bare := v, v, v
	noEpoch.epoch, noRelease.release = "", ""
	bare.epoch, bare.release = "", ""
	return want == v.String() || want == noEpoch.String() || want == noRelease.String() || want == bare.String()
}

func allDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}
