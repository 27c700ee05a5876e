package plugins

import (
	"errors"
	"fmt"
	"regexp"
	"slices"

	"fleet/plugins/plugin"
)

// tokenRights stands in rules where an action has its plugin, for the rights to create join tokens.
const tokenRights = "token"

// check says what is wrong with a declaration, all of it at once.
func check(d plugin.Declaration) error {
	c := checker{where: "plugin " + d.Name}
	c.word("its name", d.Name)
	c.must(d.Name != tokenRights, "has a name that stands in rules for the rights to create tokens")
	c.must(d.Description != "", "has no description")
	c.must(d.Timeout > 0, "has no time limit")
	c.must(len(d.Actions) > 0, "has no action")
	seen := map[string]bool{}
	for _, a := range d.Actions {
		c.where = fmt.Sprintf("plugin %s, action %s", d.Name, a.Name)
		c.must(!seen[a.Name], "is declared twice")
		seen[a.Name] = true
		c.action(a)
	}
	return errors.Join(c.errs...)
}

// checker gathers faults.
type checker struct {
	where string
	errs  []error
}

func (c *checker) must(holds bool, format string, args ...any) {
	if !holds {
		c.errs = append(c.errs, fmt.Errorf("%s %s", c.where, fmt.Sprintf(format, args...)))
	}
}

// word holds for names that people type: also k=v on a command line and name('...').output in a filter.
func (c *checker) word(what, name string) {
	c.must(plugin.ValidName(name), "cannot use %q as %s: it must be a lower-case letter followed by letters, digits and _, at most 64 in all", name, what)
}

func (c *checker) action(a plugin.Action) {
	c.word("its name", a.Name)
	c.must(a.Description != "", "has no description")
	c.must(a.Kind == plugin.Read || a.Kind == plugin.Change, "has the unknown kind %q", a.Kind)
	c.must(a.Timeout >= 0, "has a negative time limit")
	c.must(slices.Contains([]plugin.Display{"", plugin.DisplayAlways, plugin.DisplayOK, plugin.DisplayFailed}, a.Display), "has the unknown display %q", a.Display)
	c.must(!a.Detached || a.Kind == plugin.Change, "runs detached, which is for changes")
	c.must(!a.Detached || !slices.ContainsFunc(a.Inputs, func(in plugin.Input) bool { return in.Secret }), "runs detached and has a secret input, which would end up on disk")
	c.inputs(a.Inputs)

	outputs := map[string]bool{}
	for _, out := range a.Outputs {
		c.word("an output's name", out.Name)
		c.must(!outputs[out.Name], "has the output %s twice", out.Name)
		outputs[out.Name] = true
	}
	for _, s := range a.Summaries {
		c.must(outputs[s.Output], "summarises %q, which is not one of its outputs", s.Output)
		c.must(slices.Contains([]plugin.Aggregate{plugin.CountValues, plugin.Average, plugin.Sum}, s.By), "summarises %s by the unknown function %q", s.Output, s.By)
	}
}

func (c *checker) inputs(inputs []plugin.Input) {
	seen := map[string]bool{}
	optional := "" // the first positional input that may be left out
	for _, in := range inputs {
		c.word("an input's name", in.Name)
		c.must(!seen[in.Name], "has the input %s twice", in.Name)
		seen[in.Name] = true
		if in.Positional && (in.Optional || in.Default != nil) && optional == "" {
			optional = in.Name
		} else if in.Positional && !in.Optional && in.Default == nil {
			c.must(optional == "", "needs %s after %s, which may be left out", in.Name, optional)
		}
		c.input(in)
	}
}

func (c *checker) input(in plugin.Input) {
	c.must(in.Prompt != "", "input %s has no prompt", in.Name)
	c.must(slices.Contains([]plugin.Type{plugin.String, plugin.List, plugin.Boolean, plugin.Integer, plugin.Float}, in.Type), "input %s has the unknown type %q", in.Name, in.Type)
	c.must((in.Type == plugin.List) == (len(in.Choices) > 0), "input %s: a list, and only a list, has choices", in.Name)
	c.must(in.Type == plugin.String || in.Pattern == "" && in.MaxLength == 0, "input %s: only a string has a pattern or a longest length", in.Name)
	c.must(in.MaxLength >= 0, "input %s has a negative longest length", in.Name)
	_, err := regexp.Compile(in.Pattern)
	c.must(err == nil, "input %s has a broken pattern: %v", in.Name, err)
	if in.Default != nil && err == nil {
		_, err := plugin.Action{Name: "its default", Inputs: []plugin.Input{in}}.Check(plugin.Args{in.Name: in.Default})
		c.must(err == nil, "input %s: %v", in.Name, err)
	}
}
