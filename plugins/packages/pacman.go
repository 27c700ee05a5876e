package packages

import (
	"context"
	"fmt"
	"strings"
	"unicode"
)

// pacman is Arch. It offers one version of each package: what the repositories have now.
type pacman struct {
	run    runner
	global []string // more arguments, before its own
}

func (pacman) provider() string { return "pacman" }

func (p pacman) query(ctx context.Context, name string) (pkg, error) {
	found, err := p.info(ctx, "-Qi", "--", name)
	if err != nil {
		return pkg{}, err
	}
	for _, f := range found {
		if f.name == name { // and not one that only provides it
			f.state = stateInstalled
			return f, nil
		}
	}
	return pkg{name: name, state: stateAbsent}, nil
}

func (p pacman) list(ctx context.Context) ([]pkg, error) {
	found, err := p.info(ctx, "-Qi")
	for i := range found {
		found[i].state = stateInstalled
	}
	return found, err
}

func (p pacman) offers(ctx context.Context, name string) (offer, error) {
	found, err := p.info(ctx, "-Si", "--", name)
	var o offer
	for _, f := range found {
		if f.name == name {
			o.versions = append(o.versions, f.evr)
		}
	}
	if len(o.versions) > 0 {
		o.candidate = o.versions[0] // of several repositories, the first in pacman.conf
	}
	return o, err
}

// info runs -Qi or -Si; none found is an empty answer.
func (p pacman) info(ctx context.Context, args ...string) ([]pkg, error) {
	c, out, err := p.exec(ctx, args...)
	switch {
	case err != nil:
		return nil, err
	case out.code == 1 && (strings.Contains(out.stderr, "was not found") || !strings.Contains(out.stderr, "error:")):
		return nil, nil // the second: no package at all
	case out.code != 0:
		return nil, failure(c, out)
	}
	return parsePacmanInfo(out.stdout)
}

// parsePacmanInfo reads the blocks of -Qi and -Si: "Key : value" lines, and indented ones that continue a list.
func parsePacmanInfo(text string) ([]pkg, error) {
	var found []pkg
	for line := range strings.Lines(text) {
		key, value, ok := strings.Cut(line, " : ")
		if !ok || strings.HasPrefix(line, " ") {
			continue
		}
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		if key == "Name" {
			found = append(found, pkg{name: value})
			continue
		}
		if len(found) == 0 {
			continue
		}
		switch last := &found[len(found)-1]; key {
		case "Version":
			last.evr = parseEVR(value)
		case "Architecture":
			last.arch = value
		}
	}
	for _, f := range found {
		if f.name == "" || f.evr.version == "" || strings.ContainsFunc(f.name+f.evr.String(), unicode.IsSpace) {
			return nil, fmt.Errorf("pacman: a package without a name or a version of one word in its answer")
		}
	}
	return found, nil
}

func (p pacman) held(ctx context.Context, name string) (string, error) {
	_, ignored, err := p.upgradable(ctx, "--", name)
	if len(ignored) == 0 {
		return "", err
	}
	return "IgnorePkg or IgnoreGroup in pacman.conf", err
}

func (p pacman) newest(ctx context.Context, name string, _ pkg) (v evr, by string, err error) {
	o, err := p.offers(ctx, name)
	return o.candidate, "", err
}

func (p pacman) updates(ctx context.Context) (found, held []update, err error) {
	return p.upgradable(ctx)
}

// providers asks what pacman would install for the name: that comes last, behind what it needs.
func (p pacman) providers(ctx context.Context, name string) ([]string, error) {
	_, out, err := p.exec(ctx, "-Sp", "--print-format", "%n", "--", name)
	if err != nil || out.code != 0 { // nothing does
		return nil, err
	}
	names := strings.Fields(out.stdout)
	return names[max(0, len(names)-1):], nil
}

// upgradable runs -Qu, which ends with code 1 and says nothing if there is nothing.
func (p pacman) upgradable(ctx context.Context, args ...string) (found, ignored []update, err error) {
	c, out, err := p.exec(ctx, append([]string{"-Qu"}, args...)...)
	switch {
	case err != nil:
		return nil, nil, err
	case out.code != 0 && (out.code != 1 || strings.Contains(out.stderr, "error:")):
		return nil, nil, failure(c, out)
	}
	return parsePacmanUpdates(out.stdout)
}

// parsePacmanUpdates reads lines of "name old -> new", with " [ignored]" behind those that IgnorePkg or IgnoreGroup
// in pacman.conf hold.
func parsePacmanUpdates(text string) (found, ignored []update, err error) {
	for line := range rows(text, "->") {
		f := strings.Fields(line)
		if len(f) < 4 || f[2] != "->" {
			return nil, nil, fmt.Errorf("pacman: cannot read the line %q", oneLine(line))
		}
		u := update{name: f[0], old: f[1], new: f[3]}
		if len(f) > 4 && f[4] == "[ignored]" {
			ignored = append(ignored, u)
		} else {
			found = append(found, u)
		}
	}
	return found, ignored, nil
}

func (p pacman) names(ctx context.Context) ([]string, error) {
	_, out, err := p.exec(ctx, "-Slq")
	return strings.Fields(out.stdout), err
}

func (p pacman) refresh(ctx context.Context) error { return p.change(ctx, "-Sy") }

// install can only install what is offered; the caller has seen that version is.
func (p pacman) install(ctx context.Context, name, _ string) error {
	return p.change(ctx, "-S", "--needed", "--noprogressbar", "--", name)
}

// upgrade installs only what -Qu finds newer: -S would take an older version too, where the one here is from elsewhere.
func (p pacman) upgrade(ctx context.Context, name string) error {
	found, _, err := p.upgradable(ctx, "--", name)
	if err != nil || len(found) == 0 {
		return err
	}
	return p.install(ctx, name, "")
}

func (p pacman) remove(ctx context.Context, name string, purge bool) error {
	verb := "-R"
	if purge {
		verb = "-Rn" // without .pacsave copies of changed configuration files
	}
	return p.change(ctx, verb, "--noprogressbar", "--", name)
}

func (p pacman) change(ctx context.Context, args ...string) error {
	c, out, err := p.exec(ctx, args...)
	switch {
	case err != nil:
		return mayBeHalfDone(err, "pacman -Dk (and remove db.lck if no pacman runs)")
	case out.code != 0:
		return failure(c, out)
	}
	return nil
}

// exec runs pacman, which never waits for its lock.
func (p pacman) exec(ctx context.Context, args ...string) (command, output, error) {
	c := command{argv: append(append([]string{"pacman"}, p.global...), "--noconfirm", "--color", "never")}
	c.argv = append(c.argv, args...)
	out, err := whenUnlocked(ctx, p.run, c, pacmanLocked)
	return c, out, err
}

// pacmanLocked is true where waiting helps: -Sy gives no cause, the others do, and it may be a lack of permission.
func pacmanLocked(out output) bool {
	_, cause, told := strings.Cut(out.stderr, "could not lock database: ")
	return out.code != 0 && strings.Contains(out.stderr, "unable to lock database") &&
		(!told || strings.HasPrefix(cause, "File exists"))
}
