package service

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Which names mean the same service. It is for rules of policy, so what a name may mean counts: a rule that denies looks at all names.

// spellings asks systemd which unit a name means, as look does. The unit's id stands for it, with and without .service.
func (s *systemd) spellings(ctx context.Context, name string) (own, other []string, err error) {
	unit, err := unitName(name)
	if err != nil { // a template, or a unit that is no service: every action fails on it
		return []string{name}, nil, nil
	}
	st, err := s.look(ctx, name)
	if err != nil && !errors.Is(err, errAbsent) {
		return nil, nil, err
	}
	id := cmp.Or(st.ID, unit) // one that is absent stands for itself
	props, err := s.bus.properties(ctx, id)
	if err != nil {
		return nil, nil, fmt.Errorf("asking systemd for %s: %w", id, err)
	}
	aliases, _ := props["Names"].([]string) // before systemd 246 only those that were asked for
	aliases = append(slices.Clone(aliases), s.links(id)...)
	for _, alias := range append(aliases, unit, unescape(id)) {
		other = append(other, bothWays(alias)...)
	}
	return bothWays(id), append(other, name), nil
}

// bothWays is a unit's name as it is and, of a service, without the suffix that may be left out.
func bothWays(unit string) []string {
	if short, service := strings.CutSuffix(unit, ".service"); service {
		return []string{unit, short}
	}
	return []string{unit}
}

// links are the names of the links to a unit file in the directories of systemd.
func (s *systemd) links(unit string) (names []string) {
	for _, dir := range unitDirs() {
		names = append(names, linksTo(filepath.Join(s.root, dir), unit)...)
	}
	return names
}

// linksTo are the links in dir whose target has that name. What cannot be read has none.
func linksTo(dir, name string) (names []string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if e.Type()&os.ModeSymlink == 0 || e.Name() == name {
			continue
		}
		if target, err := os.Readlink(filepath.Join(dir, e.Name())); err == nil && filepath.Base(target) == name {
			names = append(names, e.Name())
		}
	}
	return names
}

// spellings are those of the script. OpenRC makes different services of links to one script, such as net.eth0, so a link stands for
// itself; a rule that denies sees the script and its other links too.
func (o openrc) spellings(ctx context.Context, name string) (own, other []string, err error) {
	return sysv(o).spellings(ctx, name)
}

func (s sysv) spellings(_ context.Context, name string) (own, other []string, err error) {
	script := name
	if target, err := os.Readlink(s.script(name)); err == nil {
		script = filepath.Base(target)
		other = append(other, script)
	}
	return []string{name}, append(other, linksTo(s.path("/etc/init.d"), script)...), nil
}
