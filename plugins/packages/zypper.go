package packages

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"

	"fleet/internal/version"
)

// zypper is SUSE: rpm for what is here, zypper's XML for the rest.
type zypper struct {
	rpmdb
	global []string // more arguments, before its own
}

func (zypper) provider() string { return "zypper" }

// zypper's exit codes that say more than "failed"; see EXIT CODES in zypper(8).
const (
	zypperLocked        = 7
	zypperUpdateNeeded  = 100
	zypperRebootNeeded  = 102
	zypperRestartNeeded = 103
	zypperNotFound      = 104
)

// zypperAnswer is what is used of all of zypper's XML documents.
type zypperAnswer struct {
	messages []zypperMessage
	solvable []zypperSolvable
	updates  []zypperUpdate
	locks    []zypperLock
	problems []string // why the solver gave up
}

type zypperMessage struct {
	Type string `xml:"type,attr"`
	Text string `xml:",chardata"`
}

type zypperSolvable struct {
	Status     string `xml:"status,attr"`
	Name       string `xml:"name,attr"`
	Kind       string `xml:"kind,attr"`
	Edition    string `xml:"edition,attr"`
	Arch       string `xml:"arch,attr"`
	Repository string `xml:"repository,attr"`
}

// zypperLock holds what its pattern names, in one repository if it says one.
type zypperLock struct {
	Name string `xml:"name"`
	Type string `xml:"type"`
	Repo string `xml:"repo"`
}

func (l zypperLock) holds(name string) bool {
	ok, err := path.Match(l.Name, name)
	return err == nil && ok && (l.Type == "" || l.Type == "package")
}

type zypperUpdate struct {
	Kind string `xml:"kind,attr"`
	Name string `xml:"name,attr"`
	New  string `xml:"edition,attr"`
	Old  string `xml:"edition-old,attr"`
}

// parseZypper collects the elements of interest wherever they stand: their place differs between the commands. What
// plugins say before the document is no part of it.
func parseZypper(text string) (zypperAnswer, error) {
	var a zypperAnswer
	if begin := strings.Index(text, "<?xml"); begin > 0 {
		text = text[begin:]
	}
	d := xml.NewDecoder(strings.NewReader(text))
	for {
		t, err := d.Token()
		if errors.Is(err, io.EOF) {
			return a, nil
		}
		if err != nil {
			return a, fmt.Errorf("zypper: cannot read its XML: %w", err)
		}
		if start, ok := t.(xml.StartElement); ok {
			if err := a.add(d, start); err != nil {
				return a, fmt.Errorf("zypper: cannot read its <%s>: %w", start.Name.Local, err)
			}
		}
	}
}

func (a *zypperAnswer) add(d *xml.Decoder, start xml.StartElement) error {
	switch start.Name.Local {
	case "message":
		return decodeInto(d, start, &a.messages)
	case "solvable":
		return decodeInto(d, start, &a.solvable)
	case "update":
		return decodeInto(d, start, &a.updates)
	case "lock":
		return decodeInto(d, start, &a.locks)
	case "prompt":
		var prompt struct {
			Description string `xml:"description"`
		}
		err := d.DecodeElement(&prompt, &start)
		if prompt.Description != "" {
			a.problems = append(a.problems, prompt.Description)
		}
		return err
	}
	return nil
}

func decodeInto[T any](d *xml.Decoder, start xml.StartElement, all *[]T) error {
	var one T
	err := d.DecodeElement(&one, &start)
	*all = append(*all, one)
	return err
}

// why is what zypper said of a failure: its error messages, else the first problem of the solver.
func (a zypperAnswer) why() string {
	var errs []string
	for _, m := range a.messages {
		if m.Type == "error" {
			errs = append(errs, oneLine(m.Text))
		}
	}
	if len(errs) == 0 && len(a.problems) > 0 {
		errs = a.problems[:1]
	}
	return oneLine(strings.Join(errs, "; "))
}

const byZypperLock = "a zypper lock"

// held is for locks of the whole package. A lock of one repository leaves the others, so zypper decides.
func (z zypper) held(ctx context.Context, name string) (string, error) {
	a, err := z.read(ctx, "locks")
	if slices.ContainsFunc(a.locks, func(l zypperLock) bool { return l.holds(name) && l.Repo == "" }) {
		return byZypperLock, err
	}
	return "", err
}

func (z zypper) offers(ctx context.Context, name string) (offer, error) {
	a, err := z.read(ctx, "search", "--details", "--match-exact", "--type", "package", "--", name)
	var o offer
	for _, s := range a.solvable {
		// What is here but in no repository stands in this one.
		if s.Name != name || s.Repository == "(System Packages)" || foreign(s.Arch) {
			continue
		}
		v := parseEVR(s.Edition)
		if v.version == "" {
			return o, fmt.Errorf("zypper: no version of %s in its answer", oneLine(s.Name))
		}
		o.versions = append(o.versions, v)
	}
	newestFirst(version.RPM, o.versions)
	return o, err
}

func (z zypper) newest(ctx context.Context, name string, here pkg) (v evr, by string, err error) {
	o, err := z.offers(ctx, name)
	if err != nil || len(o.versions) == 0 || !newer(version.RPM, o.versions[0], here.evr) {
		return first(o.versions), "", err
	}
	a, err := z.read(ctx, "locks")
	if slices.ContainsFunc(a.locks, func(l zypperLock) bool { return l.holds(name) }) {
		by = byZypperLock
	}
	return o.versions[0], by, err
}

// updates are what zypper would take, and what a lock keeps back. What --all has besides comes from another vendor or
// from a repository with a lower priority, and is no update of what is here.
func (z zypper) updates(ctx context.Context) (found, held []update, err error) {
	locked, err := z.read(ctx, "locks")
	if err != nil {
		return nil, nil, err
	}
	a, err := z.read(ctx, "list-updates")
	if err != nil {
		return nil, nil, err
	}
	if found, err = a.packages(); err != nil || len(locked.locks) == 0 {
		return found, nil, err
	}
	if a, err = z.read(ctx, "list-updates", "--all"); err != nil {
		return nil, nil, err
	}
	all, err := a.packages()
	for _, u := range all {
		if !slices.Contains(found, u) && slices.ContainsFunc(locked.locks, func(l zypperLock) bool { return l.holds(u.name) }) {
			held = append(held, u)
		}
	}
	return found, held, err
}

func (a zypperAnswer) packages() ([]update, error) {
	var found []update
	for _, u := range a.updates {
		if u.Kind != "package" {
			continue
		}
		if u.Name == "" || u.New == "" {
			return nil, fmt.Errorf("zypper: an update without a name or a version in its answer")
		}
		found = append(found, update{name: u.Name, old: u.Old, new: u.New})
	}
	return found, nil
}

func (z zypper) providers(ctx context.Context, name string) ([]string, error) {
	a, err := z.read(ctx, "search", "--provides", "--match-exact", "--type", "package", "--", name)
	var names []string
	for _, s := range a.solvable {
		names = append(names, s.Name)
	}
	return names, err
}

func (z zypper) names(ctx context.Context) ([]string, error) {
	a, err := z.read(ctx, "search", "--type", "package")
	var names []string
	for _, s := range a.solvable {
		names = append(names, s.Name)
	}
	return names, err
}

func (z zypper) refresh(ctx context.Context) error {
	_, err := z.exec(ctx, "refresh")
	return err
}

func (z zypper) install(ctx context.Context, name, version string) error {
	if version != "" {
		return z.change(ctx, "install", "--name", "--oldpackage", "--", name+"="+version)
	}
	return z.change(ctx, "install", "--name", "--", name)
}

func (z zypper) upgrade(ctx context.Context, name string) error {
	return z.change(ctx, "update", "--", name)
}

func (z zypper) remove(ctx context.Context, name string, _ bool) error {
	return z.change(ctx, "remove", "--", name)
}

func (z zypper) change(ctx context.Context, args ...string) error {
	// The lists are refreshed where an action says so and nowhere else.
	_, err := z.exec(ctx, append([]string{"--no-refresh"}, args...)...)
	return mayBeHalfDone(err, "zypper verify")
}

func (z zypper) read(ctx context.Context, args ...string) (zypperAnswer, error) {
	return z.exec(ctx, append([]string{"--no-refresh"}, args...)...)
}

// exec runs zypper, which takes its lock to look as well, and waits for it only if told to. Nothing found is an
// answer for looking; a change asks only for what was found before.
func (z zypper) exec(ctx context.Context, args ...string) (zypperAnswer, error) {
	c := command{
		argv: append(append([]string{"zypper"}, z.global...), "--non-interactive", "--xmlout"),
		env:  []string{"ZYPP_LOCK_TIMEOUT=" + strconv.Itoa(lockSeconds(ctx))},
	}
	c.argv = append(c.argv, args...)
	out, err := whenUnlocked(ctx, z.run, c, func(out output) bool { return out.code == zypperLocked || rpmLocked(out) })
	if err != nil {
		return zypperAnswer{}, err
	}
	a, err := parseZypper(out.stdout)
	switch out.code {
	case 0, zypperUpdateNeeded, zypperRebootNeeded, zypperRestartNeeded, zypperNotFound:
		return a, err
	}
	if why := a.why(); why != "" {
		return a, fmt.Errorf("zypper: %s", why)
	}
	return a, failure(c, output{stderr: out.stderr, code: out.code})
}
