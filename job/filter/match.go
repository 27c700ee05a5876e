package filter

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"fleet/internal/version"
)

// Host is what a filter asks of a host. All but Data answer from memory.
type Host interface {
	Name() string
	// Fact returns the fact at a dotted path, such as os.release.major: a string, bool, number, list or map. False or
	// nil means that the host does not have it.
	Fact(path string) (any, bool)
	Classes() []string
	Agents() []string
	// HasData reports whether the host has a data function of that name. It is never asked for fact and agent.
	HasData(function string) bool
	// Data runs a data function and returns its outputs by name; an output that does not apply is nil. It may block
	// until ctx ends. An error means that the host cannot answer.
	Data(ctx context.Context, function, argument string) (map[string]any, error)
}

// Matcher is a compiled Filter. It is safe for use by several goroutines.
type Matcher struct {
	identities *identities // nil: none were given
	classes    []pattern
	agents     []pattern
	facts      []factTerm
	selects    []expr
	functions  []string // data functions named in selects, but for fact and agent
}

// Match reports whether the host is selected. An error, always with false, says why that cannot be decided: a data
// function is not on this host or failed, or ctx ended. Such a host is not selected. It blocks only in Host.Data.
func (m *Matcher) Match(ctx context.Context, h Host) (bool, error) {
	if m.identities != nil && !m.identities.fits(h.Name()) {
		return false, nil
	}
	for _, c := range m.classes {
		if !c.fitsAny(h.Classes()) {
			return false, nil
		}
	}
	for _, a := range m.agents {
		if !a.fitsAny(h.Agents()) {
			return false, nil
		}
	}
	for i := range m.facts {
		if !m.facts[i].holdsOn(h) {
			return false, nil
		}
	}
	if len(m.selects) == 0 {
		return true, nil
	}
	for _, name := range m.functions {
		if !h.HasData(name) {
			return false, fmt.Errorf("-S uses %s(), but this host has no such data function", name)
		}
	}
	ok, err := allOf(m.selects).holds(&evaluation{ctx: ctx, host: h})
	return ok && err == nil, err
}

func (t *factTerm) holdsOn(h Host) bool {
	v, ok := h.Fact(t.name)
	return ok && t.comparison.holds(v, factOrdering(h))
}

// factOrdering compares a host's facts in the order of its package manager, which its family tells. It asks for the
// family only if two texts are to be compared.
func factOrdering(h Host) ordering {
	return func(value, typed string) (int, bool) { return systemOrder(h).CompareFacts(value, typed) }
}

func systemOrder(h Host) version.Order {
	for _, name := range []string{"os.family", "osfamily", "os.name", "operatingsystem"} {
		v, _ := h.Fact(name)
		if text, ok := v.(string); ok {
			if order, known := version.OfSystem(text); known {
				return order
			}
		}
	}
	return version.Debian
}

// dataOrdering compares the outputs of a data function: those of a package manager in its own order.
func dataOrdering(h Host, outputs map[string]any) ordering {
	if provider, ok := outputs["provider"].(string); ok {
		if order, known := version.OfProvider(provider); known {
			return order.ComparePackages
		}
	}
	return factOrdering(h)
}

// evaluation is one run of the selects on one host. Data functions run once for each argument.
type evaluation struct {
	ctx  context.Context
	host Host
	data map[[2]string]answer
}

type answer struct {
	outputs map[string]any
	err     error
}

func (list allOf) holds(ev *evaluation) (bool, error) {
	for _, e := range list {
		if ok, err := e.holds(ev); !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}

func (list anyOf) holds(ev *evaluation) (bool, error) {
	for _, e := range list {
		if ok, err := e.holds(ev); ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}

func (n notExpr) holds(ev *evaluation) (bool, error) {
	ok, err := n.of.holds(ev)
	return !ok && err == nil, err
}

func (c classTerm) holds(ev *evaluation) (bool, error) { return c.fitsAny(ev.host.Classes()), nil }

func (t factTerm) holds(ev *evaluation) (bool, error) { return t.holdsOn(ev.host), nil }

func (t dataTerm) holds(ev *evaluation) (bool, error) {
	if t.function == agentFunction {
		return t.comparison.holds(slices.Contains(ev.host.Agents(), t.argument), factOrdering(ev.host)), nil
	}
	a := ev.ask(t.function, t.argument)
	if a.err != nil {
		return false, fmt.Errorf("%s: %w", t.call(), a.err)
	}
	v, ok := a.outputs[t.output]
	if !ok {
		return false, fmt.Errorf("%s has no output %s on this host", t.call(), t.output)
	}
	return t.comparison.holds(v, dataOrdering(ev.host, a.outputs)), nil
}

// call is the function as typed.
func (t dataTerm) call() string { return t.function + "(" + quote(t.argument) + ")" }

func (ev *evaluation) ask(function, argument string) answer {
	key := [2]string{function, argument}
	a, ok := ev.data[key]
	if ok {
		return a
	}
	if err := ev.ctx.Err(); err != nil {
		a.err = err
	} else if a.outputs, a.err = ev.host.Data(ev.ctx, function, argument); a.err == nil && a.outputs == nil {
		a.err = errors.New("it gave no answer")
	}
	if ev.data == nil {
		ev.data = map[[2]string]answer{}
	}
	ev.data[key] = a
	return a
}
