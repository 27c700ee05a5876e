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
	"fleet/internal/program"
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
	if before.whole() && (version == "" || before.evr.fits(version)) {
		return p.unchanged(before, "already "+before.ensure())
	}
	// What is half there is finished as it is, even if no repository has that version any more.
	target := ""
	if !before.present() || version != "" && !before.evr.fits(version) {
		if target, err = p.choose(ctx, name, version); err != nil {
			return p.failed(before, before, err)
		}
	}
	err = p.manager.install(ctx, name, target)
	after, lookErr := p.look(ctx, name)
	switch {
	case err != nil || lookErr != nil:
		return p.failed(before, after, cmp.Or(err, lookErr))
	case !after.present():
		return p.failed(before, after, fmt.Errorf("%s was content, but there is no package %s now; it may only be provided by another: ask for that one by name", p.manager.provider(), name))
	case !after.whole():
		return p.failed(before, after, errors.New(describe(after)))
	case version != "" && !after.evr.fits(version):
		return p.failed(before, after, fmt.Errorf("wanted %s, %s is here after all", version, after.ensure()))
	case before.present() && before.ensure() != after.ensure():
		return p.changed(before, after, before.ensure()+" -> "+after.ensure())
	}
	return p.changed(before, after, "installed "+after.ensure())
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

// notOffered says what there is instead.
func (p *Packages) notOffered(ctx context.Context, name, version string, o offer) error {
	if len(o.versions) > 0 {
		var have []string
		for _, v := range o.versions {
			have = append(have, v.String())
		}
		return fmt.Errorf("no repository of this host has %s %s; they have %s", name, version, some(slices.Compact(have)))
	}
	hint := ""
	if names, err := p.manager.names(ctx); err == nil {
		if close := nearest(name, names); close != "" {
			hint = "; the nearest name is " + close
		}
	}
	return fmt.Errorf("no repository of this host has a package %s%s", name, hint)
}

func (p *Packages) update(ctx context.Context, name string) plugin.Result {
	before, err := p.manager.query(ctx, name)
	if err != nil {
		return plugin.Failf("%v", err)
	}
	if !before.present() {
		return plugin.Result{State: plugin.Skipped, Message: "not installed here", Data: p.data(before)}
	}
	refreshErr := p.manager.refresh(ctx)
	held, err := p.manager.held(ctx, name)
	if err != nil {
		return p.failed(before, before, err)
	}
	if held {
		return p.heldBack(ctx, before)
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
		return p.changed(before, after, before.ensure()+" -> "+after.ensure()+note)
	case refreshErr != nil: // nobody knows whether there is something newer
		return p.failed(before, after, fmt.Errorf("still %s%s", after.ensure(), note))
	}
	if o, err := p.manager.offers(ctx, name); err == nil && o.candidate != (evr{}) && o.candidate != after.evr {
		note = fmt.Sprintf(" (%s offers %s and does not take it)", p.manager.provider(), o.candidate)
	}
	if !before.whole() {
		return p.changed(before, after, "finished "+after.ensure()+note)
	}
	return p.unchanged(after, "already "+after.ensure()+note)
}

// heldBack answers for a package that somebody told the manager to keep as it is.
func (p *Packages) heldBack(ctx context.Context, here pkg) plugin.Result {
	here.held = true
	o, err := p.manager.offers(ctx, here.name)
	if err != nil {
		return p.failed(here, here, err)
	}
	best := o.candidate
	if best == (evr{}) && len(o.versions) > 0 {
		best = o.versions[0]
	}
	if best == (evr{}) || best == here.evr {
		return p.unchanged(here, "already "+here.ensure()+" (held)")
	}
	res := p.unchanged(here, fmt.Sprintf("held at %s by this host's %s; %s is there", here.ensure(), p.manager.provider(), best))
	res.State = plugin.Skipped
	return res
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

func (p *Packages) changed(before, after pkg, message string) plugin.Result {
	return plugin.Result{State: plugin.OK, Message: message, Data: p.changeData(before, after)}
}

// failed tells the error and, if the package changed in spite of it, to what.
func (p *Packages) failed(before, after pkg, err error) plugin.Result {
	if after == (pkg{}) {
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
	data["changed"] = before.ensure() != after.ensure() || before.state != after.state
	data["old"], data["new"] = before.ensure(), after.ensure()
	return data
}
