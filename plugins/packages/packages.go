package packages

import (
	"cmp"
	"context"
	"crypto/md5" // a fingerprint to compare hosts by, as MCollective has it; nothing trusts it
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"

	"fleet/internal/logkey"
	"fleet/internal/program"
	"fleet/plugins/plugin"
)

const (
	maxUpdates  = 2000 // of checkupdates, in a reply
	namedInLine = 5    // packages named in a message before "and N more"
)

// Packages is the plugin "package" on this host.
type Packages struct {
	manager manager // nil: none that is known
	log     *slog.Logger
	turn    chan struct{} // held by the one change that runs: a second one waits here, not in the manager
}

var (
	_ plugin.Plugin     = (*Packages)(nil)
	_ plugin.DataSource = (*Packages)(nil)
)

// New finds this host's package manager. Without one the plugin still works: every action is skipped.
func New(log *slog.Logger) *Packages {
	var m manager
	have := func(name string) bool { _, err := program.Find(name); return err == nil }
	release, err := os.Open("/etc/os-release")
	if err == nil {
		defer release.Close()
		m = detect(release, have, system{})
	} else {
		log.Warn("os-release cannot be read; the package manager is guessed from the programs here", logkey.Error, err)
		m = detect(strings.NewReader(""), have, system{})
	}
	return newPackages(m, log)
}

func newPackages(m manager, log *slog.Logger) *Packages {
	return &Packages{manager: m, log: log, turn: make(chan struct{}, 1)}
}

// Declaration is the same on every host; see the function of that name.
func (*Packages) Declaration() plugin.Declaration { return Declaration() }

// Run runs one action. Changes run one after another.
func (p *Packages) Run(ctx context.Context, call plugin.Call) plugin.Result {
	action, ok := Declaration().Action(call.Action)
	if !ok {
		return plugin.Failf("package has no action %q", oneLine(call.Action))
	}
	if p.manager == nil {
		return plugin.Skipf("no package manager that fleet knows is here (apt, dnf, yum, zypper, pacman, apk)")
	}
	if action.Kind == plugin.Change {
		select {
		case p.turn <- struct{}{}:
			defer func() { <-p.turn }()
		case <-ctx.Done():
			return plugin.Failf("another package job on this host ran until the time limit; nothing was done")
		}
		ctx = withWatcher(ctx, call.Output)
	}
	return p.dispatch(ctx, call)
}

func (p *Packages) dispatch(ctx context.Context, call plugin.Call) plugin.Result {
	name := call.Args.String("package")
	switch call.Action {
	case "status":
		return p.status(ctx, name)
	case "install":
		return p.install(ctx, name, call.Args.String("version"))
	case "update":
		return p.update(ctx, name)
	case "uninstall":
		return p.remove(ctx, name, false)
	case "purge":
		return p.remove(ctx, name, true)
	case "count":
		return p.count(ctx)
	case "md5":
		return p.md5(ctx)
	case "checkupdates":
		return p.checkUpdates(ctx)
	case "refresh":
		return p.refresh(ctx)
	}
	return plugin.Failf("the action %s is declared and has no code", call.Action)
}

// Reads says that the data function shows what status does.
func (p *Packages) Reads(name string) plugin.Call {
	return plugin.Call{Action: "status", Args: plugin.Args{"package": name}}
}

// Query answers package('name') in filters with the outputs of status. It asks only the database of installed
// packages. An absent package is an answer (status "absent"), not an error.
func (p *Packages) Query(ctx context.Context, argument string) (map[string]any, error) {
	status, _ := Declaration().Action("status")
	if _, err := status.Check(plugin.Args{"package": argument}); err != nil {
		return nil, err
	}
	if p.manager == nil {
		return nil, errors.New("no package manager that fleet knows is here")
	}
	found, err := p.manager.query(ctx, argument)
	if err != nil {
		return nil, err
	}
	return p.each(found), nil
}

func (p *Packages) status(ctx context.Context, name string) plugin.Result {
	found, err := p.manager.query(ctx, name)
	if err != nil {
		return plugin.Failf("%v", err)
	}
	return plugin.Result{State: plugin.OK, Message: describe(found), Data: p.data(found)}
}

// describe is the line for one package, with what is not as it should be.
func describe(found pkg) string {
	switch {
	case found.state == stateConfigFiles:
		return "absent (its configuration files are still here)"
	case !found.present():
		return found.String() + elsewhere(found)
	case !found.whole():
		return fmt.Sprintf("%s (%s: a change was broken off; install finishes it)", found, found.state)
	case found.held:
		return found.String() + " (held)"
	}
	return found.String() + besides(found, found.evr)
}

// elsewhere tells of a package that is here for another architecture only.
func elsewhere(found pkg) string {
	if found.foreign == "" {
		return ""
	}
	return " (" + found.foreign + " is here, which is for another architecture)"
}

// data holds the outputs of status. What an absent package has not is left out, so that it is not counted.
func (p *Packages) data(found pkg) map[string]any {
	data := map[string]any{
		"ensure": found.ensure(), "status": found.state, "name": found.name, "provider": p.manager.provider(),
	}
	if found.present() {
		data["version"], data["release"] = found.evr.version, found.evr.release
		data["epoch"] = cmp.Or(found.evr.epoch, "0")
		data["arch"], data["held"] = found.arch, found.held
	}
	if len(found.beside) > 0 {
		data["versions"] = versionTexts(found)
	}
	return data
}

func versionTexts(found pkg) []any {
	var all []any
	for _, v := range found.versions() {
		all = append(all, v.String())
	}
	return all
}

// each is data as filters see it: of versions that are installed side by side each counts, so their outputs are lists.
func (p *Packages) each(found pkg) map[string]any {
	data := p.data(found)
	if len(found.beside) == 0 {
		return data
	}
	var versions, releases, epochs []any
	for _, v := range found.versions() {
		versions, releases, epochs = append(versions, v.version), append(releases, v.release), append(epochs, cmp.Or(v.epoch, "0"))
	}
	data["ensure"], data["version"], data["release"], data["epoch"] = data["versions"], versions, releases, epochs
	return data
}

func (p *Packages) count(ctx context.Context) plugin.Result {
	all, err := p.manager.list(ctx)
	if err != nil {
		return plugin.Failf("%v", err)
	}
	return plugin.Result{State: plugin.OK, Message: plural(len(all), "package"),
		Data: map[string]any{"count": int64(len(all)), "provider": p.manager.provider()}}
}

func (p *Packages) md5(ctx context.Context) plugin.Result {
	all, err := p.manager.list(ctx)
	if err != nil {
		return plugin.Failf("%v", err)
	}
	lines := make([]string, len(all))
	for i, one := range all {
		lines[i] = one.String()
	}
	slices.Sort(lines)
	sum := md5.Sum([]byte(strings.Join(lines, "\n") + "\n"))
	text := hex.EncodeToString(sum[:])
	return plugin.Result{State: plugin.OK, Message: text,
		Data: map[string]any{"md5": text, "count": int64(len(all)), "provider": p.manager.provider()}}
}

func (p *Packages) checkUpdates(ctx context.Context) plugin.Result {
	found, held, err := p.manager.updates(ctx)
	if err != nil {
		return plugin.Failf("%v", err)
	}
	message := "up to date"
	if len(found) > 0 {
		message = plural(len(found), "update") + ": " + some(words(found))
	}
	if len(held) > 0 {
		message += "; " + plural(len(held), "update") + " held back: " + some(words(held))
	}
	return plugin.Result{State: plugin.OK, Message: message, Data: map[string]any{
		"updates": rowsOf(found), "held": rowsOf(held), "count": int64(len(found)), "provider": p.manager.provider()}}
}

// words sorts updates and says each in words.
func words(updates []update) []string {
	slices.SortFunc(updates, func(a, b update) int { return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.new, b.new)) })
	var list []string
	for _, u := range updates {
		list = append(list, u.name+" "+u.old+" -> "+u.new)
	}
	return list
}

func rowsOf(updates []update) []any {
	list := []any{}
	for _, u := range updates[:min(len(updates), maxUpdates)] {
		list = append(list, map[string]any{"name": u.name, "old": u.old, "new": u.new})
	}
	return list
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// some names a few of many.
func some(words []string) string {
	if len(words) <= namedInLine {
		return strings.Join(words, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(words[:namedInLine], ", "), len(words)-namedInLine)
}
