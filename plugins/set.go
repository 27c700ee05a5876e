package plugins

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"fleet/plugins/plugin"
)

// Set is the plugins of one host. It does not change and may be used by several goroutines at once.
type Set struct {
	plugins      map[string]plugin.Plugin
	declarations []plugin.Declaration // by name
}

// New makes a set. Two plugins of one name, or a declaration that does not hold together, are an error that names
// every fault.
func New(list ...plugin.Plugin) (*Set, error) {
	s := &Set{plugins: map[string]plugin.Plugin{}}
	var errs []error
	for _, p := range list {
		d := p.Declaration()
		if _, taken := s.plugins[d.Name]; taken {
			errs = append(errs, fmt.Errorf("two plugins are called %q", d.Name))
			continue
		}
		errs = append(errs, check(d))
		s.plugins[d.Name] = p
		s.declarations = append(s.declarations, d)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	slices.SortFunc(s.declarations, byName)
	return s, nil
}

func byName(a, b plugin.Declaration) int { return strings.Compare(a.Name, b.Name) }

// Get returns the plugin of that name.
func (s *Set) Get(name string) (plugin.Plugin, bool) {
	p, ok := s.plugins[name]
	return p, ok
}

// Action returns the declaration of an action.
func (s *Set) Action(pluginName, action string) (plugin.Action, bool) {
	p, ok := s.plugins[pluginName]
	if !ok {
		return plugin.Action{}, false
	}
	return p.Declaration().Action(action)
}

// Names says under which names this host knows what an argument names; see plugin.Namer.
func (s *Set) Names(ctx context.Context, pluginName, action, input, value string) (own, other []string, err error) {
	if namer, ok := s.plugins[pluginName].(plugin.Namer); ok {
		return plugin.SafelyNames(ctx, namer, action, input, value)
	}
	return []string{value}, nil, nil
}

// Declarations returns what the plugins say of themselves, by name.
func (s *Set) Declarations() []plugin.Declaration { return slices.Clone(s.declarations) }

// Reads returns the action of the plugin of that name that shows what its data function does.
func (s *Set) Reads(name, argument string) (plugin.Call, bool) {
	source, ok := s.DataSource(name)
	if !ok {
		return plugin.Call{}, false
	}
	return source.Reads(argument), true
}

// DataSource returns the plugin behind the data function of that name.
func (s *Set) DataSource(name string) (plugin.DataSource, bool) {
	source, ok := s.plugins[name].(plugin.DataSource)
	return source, ok
}
