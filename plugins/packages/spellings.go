package packages

import (
	"context"
	"runtime"
	"slices"
	"strings"

	"fleet/plugins/plugin"
)

// Names says which package a name means, for rules of policy. What the declaration does not allow is no more than itself.
func (p *Packages) Names(ctx context.Context, action, input, value string) (own, other []string, err error) {
	declared, _ := Declaration().Action(action)
	for _, in := range declared.Inputs {
		if in.Name != input || p.manager == nil {
			continue
		}
		one := plugin.Action{Inputs: []plugin.Input{in}}
		if _, err := one.Check(plugin.Args{input: value}); err != nil {
			break
		}
		switch input {
		case "package":
			return p.manager.spellings(ctx, value)
		case "version":
			v := parseEVR(value)
			return []string{v.String()}, []string{v.version, evr{version: v.version, release: v.release}.String(), evr{epoch: v.epoch, version: v.version}.String()}, nil
		}
	}
	return []string{value}, nil, nil
}

// spellings knows name:arch, and that the host's own architecture may be left out, or called native, any or all. The same name for
// another architecture is another package, which a rule that denies the name keeps away too. apt takes a + behind a name for the
// wish to install it.
func (a apt) spellings(ctx context.Context, name string) (own, other []string, err error) {
	base, arch, with := strings.Cut(name, ":")
	other = []string{base, strings.TrimRight(base, "+")}
	if !with {
		return []string{name}, other, nil
	}
	native, err := a.architecture(ctx, []pkg{{state: stateInstalled}})
	if err != nil {
		return nil, nil, err
	}
	if slices.Contains([]string{native, "native", "any", "all"}, arch) {
		return []string{base, name}, other, nil
	}
	return []string{name}, other, nil
}

// spellings are told by the name alone (see named): asking the repositories would take seconds. A name with a version in it stands for
// itself, and may mean whatever stands before a dash and a digit.
func (r rpmdb) spellings(_ context.Context, name string) (own, other []string, err error) {
	own = []string{name}
	if i := strings.LastIndexByte(name, '.'); i > 0 && !digitFirst(name[i+1:]) {
		other = append(other, name[:i])
		if nativeRPM(name[i+1:]) {
			own = []string{name[:i], name}
		}
	}
	for i := range len(name) - 1 {
		if i > 0 && name[i] == '-' && digitFirst(name[i+1:]) {
			other = append(other, name[:i])
		}
	}
	return own, other, nil
}

// nativeRPM reports an architecture of this host's own packages, as rpm calls it.
func nativeRPM(arch string) bool {
	switch runtime.GOARCH {
	case "amd64":
		return arch == "noarch" || strings.HasPrefix(arch, "x86_64")
	case "arm64":
		return arch == "noarch" || arch == "aarch64"
	case "386":
		return arch == "noarch" || isX86(arch)
	}
	return arch == "noarch" || arch == runtime.GOARCH
}

// spellings of pacman and apk: a package has one name there.
func (pacman) spellings(_ context.Context, name string) (own, other []string, err error) {
	return []string{name}, nil, nil
}

func (apk) spellings(_ context.Context, name string) (own, other []string, err error) {
	return []string{name}, nil, nil
}
