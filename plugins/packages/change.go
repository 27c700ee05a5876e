package packages

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"fleet/internal/logkey"
	"fleet/internal/nearest"
	"fleet/internal/program"
	"fleet/internal/version"
	"fleet/plugins/plugin"
)

// mayBeHalfDone adds what to run where a change was broken off in the middle.
func mayBeHalfDone(err error, repair string) error {
	if !errors.Is(err, program.ErrStopped) {
		return err
	}
	return fmt.Errorf("%w; packages may be half installed: look at status, and run %s there if so", err, repair)
}

func (p *Packages) refresh(ctx context.Context) plugin.Result {
	data := map[string]any{"provider": p.manager.provider()}
	if err := p.manager.refresh(ctx); err != nil {
		return plugin.Result{State: plugin.Failed, Message: fmt.Sprintf("the lists were not all refreshed: %v", err), Data: data}
	}
	return plugin.Result{State: plugin.OK, Message: "lists refreshed", Data: data}
}

func (p *Packages) install(ctx context.Context, name, version string) plugin.Result {
	before, err := p.manager.query(ctx, name)
	if err != nil {
		return plugin.Failf("%v", err)
	}
	if v, ok := before.having(version); ok && before.whole() {
		return p.unchanged(before, "already "+v.String()+besides(before, v))
	}
	// What is half there is finished as it is, even if no repository has that version any more.
	target := ""
	if _, ok := before.having(version); !ok {
		if target, err = p.choose(ctx, name, version); err != nil {
			return p.failed(before, before, err)
		}
	}
	err = p.manager.install(ctx, name, target)
	after, lookErr := p.look(ctx, name)
	v, wanted := after.having(version)
	switch {
	case err != nil || lookErr != nil:
		return p.failed(before, after, cmp.Or(err, lookErr))
	case !after.present():
		return p.failed(before, after, fmt.Errorf("%s was content, but there is no package %s now; it may only be provided by another: ask for that one by name", p.manager.provider(), name))
	case !after.whole():
		return p.failed(before, after, errors.New(describe(after)))
	case !wanted:
		return p.failed(before, after, fmt.Errorf("wanted %s, %s is here after all", version, after.ensure()))
	case before.present() && len(after.beside) == 0 && before.ensure() != after.ensure():
		return p.changed(before, after, before.ensure()+" -> "+after.ensure())
	}
	return p.changed(before, after, "installed "+v.String()+besides(after, v))
}

// besides names the versions that are installed side by side with v.
func besides(here pkg, v evr) string {
	others := here.but(v)
	if len(others) == 0 {
		return ""
	}
	return " beside " + some(others)
}

// choose finds the version to install: "" if the manager may choose. A host that was just made has no lists yet, and
// an old one may not know the version, so the lists are refreshed once before it is an error.
func (p *Packages) choose(ctx context.Context, name, version string) (string, error) {
	offered, err := p.manager.offers(ctx, name)
	if err != nil {
		return "", err
	}
	found, ok := pick(offered, version)
	if !ok {
		refreshErr := p.manager.refresh(ctx)
		if offered, err = p.manager.offers(ctx, name); err != nil {
			return "", err
		}
		if found, ok = pick(offered, version); !ok {
			err = p.notOffered(ctx, name, version, offered)
			if refreshErr != nil {
				err = fmt.Errorf("%w (the lists were not all refreshed: %w)", err, refreshErr)
			}
			return "", err
		}
	}
	return found, nil
}

func pick(o offer, version string) (string, bool) {
	if version == "" {
		return "", len(o.versions) > 0
	}
	v, ok := o.find(version)
	return v.String(), ok
}

// notOffered says what there is instead, and what hides the version that somebody wants.
func (p *Packages) notOffered(ctx context.Context, name, version string, o offer) error {
	wanted := strings.TrimSpace(name + " " + version)
	if v, by, err := p.manager.newest(ctx, name, pkg{name: name, state: stateAbsent, evr: first(o.versions)}); err == nil && by != "" && (version == "" || v.fits(version)) {
		return fmt.Errorf("this host's %s does not offer %s: %s is held by %s", p.manager.provider(), wanted, v, by)
	}
	if len(o.versions) > 0 {
		var have []string
		for _, v := range o.versions {
			have = append(have, v.String())
		}
		return fmt.Errorf("no repository of this host has %s; they have %s", wanted, some(slices.Compact(have)))
	}
	hint := ""
	if others, err := p.manager.providers(ctx, name); err == nil && len(others) > 0 {
		slices.Sort(others)
		hint = "; it is provided by " + some(slices.Compact(others)) + ": ask for one of them by name"
	} else if names, err := p.manager.names(ctx); err == nil {
		if close := nearest.Misspelt(name, names); close != "" {
			hint = "; the nearest name is " + close
		}
	}
	return fmt.Errorf("no repository of this host has a package %s%s", wanted, hint)
}

func (p *Packages) update(ctx context.Context, name string) plugin.Result {
	before, err := p.manager.query(ctx, name)
	if err != nil {
		return plugin.Failf("%v", err)
	}
	if !before.present() {
		return plugin.Result{State: plugin.Skipped, Message: "not installed here" + elsewhere(before), Data: p.data(before)}
	}
	refreshErr := p.manager.refresh(ctx)
	by, err := p.manager.held(ctx, name)
	if err != nil {
		return p.failed(before, before, err)
	}
	if by != "" {
		return p.heldBack(ctx, name, before, by)
	}
	err = p.manager.upgrade(ctx, name)
	after, lookErr := p.look(ctx, name)
	note := ""
	if refreshErr != nil {
		note = fmt.Sprintf(" (the lists were not all refreshed: %v)", refreshErr)
	}
	switch {
	case err != nil || lookErr != nil:
		return p.failed(before, after, cmp.Or(err, lookErr))
	case !after.whole():
		return p.failed(before, after, errors.New(describe(after)))
	case before.ensure() != after.ensure():
		return p.changed(before, after, before.ensure()+" -> "+after.ensure()+p.behind(ctx, name, after)+note)
	case refreshErr != nil: // nobody knows whether there is something newer
		return p.failed(before, after, fmt.Errorf("still %s%s", after.ensure(), note))
	case !before.whole():
		return p.changed(before, after, "finished "+after.ensure()+p.behind(ctx, name, after))
	}
	return p.notUpdated(ctx, name, after)
}

// notUpdated answers where the manager had nothing to do: because there is nothing newer, or because it does not take it.
func (p *Packages) notUpdated(ctx context.Context, name string, here pkg) plugin.Result {
	best, by, err := p.manager.newest(ctx, name, here)
	switch order := p.order(); {
	case err != nil:
		return p.failed(here, here, fmt.Errorf("still %s, and nobody knows whether there is something newer: %w", here.ensure(), err))
	case newer(order, best, here.evr) && by != "":
		return p.skipped(here, held(here, by, best))
	case newer(order, best, here.evr):
		return p.skipped(here, fmt.Sprintf("still %s: %s has %s and does not take it; run its upgrade by hand to see why", here.ensure(), p.manager.provider(), best))
	case best == (evr{}):
		return p.unchanged(here, fmt.Sprintf("already %s; no repository of this host has it", here.ensure()))
	case newer(order, here.evr, best):
		return p.unchanged(here, fmt.Sprintf("already %s, which is newer than the %s of the repositories", here.ensure(), best))
	}
	return p.unchanged(here, "already "+here.ensure()+besides(here, here.evr))
}

// behind says what an update did not reach.
func (p *Packages) behind(ctx context.Context, name string, here pkg) string {
	best, by, err := p.manager.newest(ctx, name, here)
	switch {
	case err != nil || !newer(p.order(), best, here.evr):
		return ""
	case by != "":
		return fmt.Sprintf(" (%s is available and held by %s)", best, by)
	}
	return fmt.Sprintf(" (%s is available)", best)
}

// heldBack answers for a package that somebody told the manager to keep as it is.
func (p *Packages) heldBack(ctx context.Context, name string, here pkg, by string) plugin.Result {
	here.held = true
	best, _, err := p.manager.newest(ctx, name, here)
	switch {
	case err != nil:
		return p.failed(here, here, err)
	case newer(p.order(), best, here.evr):
		return p.skipped(here, held(here, by, best))
	}
	return p.unchanged(here, fmt.Sprintf("already %s (held by %s)", here.ensure(), by))
}

func held(here pkg, by string, best evr) string {
	return fmt.Sprintf("held by %s at %s; %s is available", by, here.ensure(), best)
}

// order is how this host's package manager orders versions.
func (p *Packages) order() version.Order {
	order, _ := version.OfProvider(p.manager.provider())
	return order
}

func (p *Packages) remove(ctx context.Context, name string, purge bool) plugin.Result {
	before, err := p.manager.query(ctx, name)
	if err != nil {
		return plugin.Failf("%v", err)
	}
	leftovers := before.state == stateConfigFiles
	if !before.present() && !(purge && leftovers) {
		return p.unchanged(before, describe(before))
	}
	others, err := p.manager.list(ctx)
	if err != nil {
		return p.failed(before, before, err)
	}
	err = p.manager.remove(ctx, name, purge)
	after, lookErr := p.look(ctx, name)
	switch {
	case err != nil || lookErr != nil:
		return p.failed(before, after, cmp.Or(err, lookErr))
	case after.present():
		return p.failed(before, after, fmt.Errorf("%s was content, but %s is still here; other packages may need it", p.manager.provider(), after))
	}
	message := "removed " + before.ensure()
	switch {
	case purge && leftovers:
		message = "purged its configuration files"
	case purge:
		message = "purged " + before.ensure()
	case after.state == stateConfigFiles:
		message += ", its configuration files stay"
	}
	also := p.gone(ctx, others, before.name)
	if len(also) > 0 {
		message += "; with it went " + some(also)
	}
	res := p.changed(before, after, message)
	gone := []any{}
	for _, name := range also[:min(len(also), maxUpdates)] {
		gone = append(gone, name)
	}
	res.Data["also_removed"] = gone
	return res
}

// gone names the packages of before that are not here any more, except name.
func (p *Packages) gone(ctx context.Context, before []pkg, name string) []string {
	now, err := p.manager.list(ctx)
	if err != nil {
		p.log.Warn("cannot tell what else was removed", logkey.Package, name, logkey.Error, err)
		return nil
	}
	missing := map[string]bool{}
	for _, b := range before {
		missing[b.name] = b.name != name
	}
	for _, n := range now {
		delete(missing, n.name)
	}
	delete(missing, name)
	return slices.Sorted(maps.Keys(missing))
}

// look asks again after a change, also when the change was stopped: what is there now must be told either way.
func (p *Packages) look(ctx context.Context, name string) (pkg, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopGrace)
	defer cancel()
	return p.manager.query(ctx, name)
}

func (p *Packages) unchanged(here pkg, message string) plugin.Result {
	return plugin.Result{State: plugin.Unchanged, Message: message, Data: p.changeData(here, here)}
}

func (p *Packages) skipped(here pkg, message string) plugin.Result {
	return plugin.Result{State: plugin.Skipped, Message: message, Data: p.changeData(here, here)}
}

func (p *Packages) changed(before, after pkg, message string) plugin.Result {
	return plugin.Result{State: plugin.OK, Message: message, Data: p.changeData(before, after)}
}

// failed tells the error and, if the package changed in spite of it, to what.
func (p *Packages) failed(before, after pkg, err error) plugin.Result {
	if after.name == "" {
		after = before // could not be looked at
	}
	message := err.Error()
	if d := describe(after); d != describe(before) && !strings.Contains(message, d) {
		message += "; it is now " + d
	}
	return plugin.Result{State: plugin.Failed, Message: message, Data: p.changeData(before, after)}
}

func (p *Packages) changeData(before, after pkg) map[string]any {
	data := p.data(after)
	data["changed"] = !slices.Equal(before.versions(), after.versions()) || before.state != after.state
	data["old"], data["new"] = before.ensure(), after.ensure()
	return data
}
