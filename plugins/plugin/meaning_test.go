package plugin_test

import (
	"fmt"
	"testing"

	"fleet/plugins/plugin"
)

func meaning(t *testing.T, a plugin.Action, args plugin.Args) string {
	t.Helper()
	m, err := a.Meaning(args)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", m)
}

// put is an action with an input of each sort.
func put() plugin.Action {
	return plugin.Action{Name: "put", Kind: plugin.Change, Description: "Put it there", Inputs: []plugin.Input{
		{Name: "where", Prompt: "Where", Type: plugin.String, Positional: true, Pattern: "[a-z]+"},
		{Name: "how", Prompt: "How", Type: plugin.List, Optional: true, Default: "fast", Choices: []string{"slow", "fast"}},
		{Name: "keep", Prompt: "Keep", Type: plugin.Boolean, Optional: true, Default: false},
		{Name: "times", Prompt: "Times", Type: plugin.Integer, Optional: true},
		{Name: "key", Prompt: "Key", Type: plugin.String, Optional: true, Secret: true},
	}}
}

// What changes the meaning of a job changes the hash, and nothing else does.
func TestMeaning(t *testing.T) {
	given := plugin.Args{"where": "here"}
	same := meaning(t, put(), given)
	for _, tt := range []struct {
		name   string
		change func(*plugin.Action)
		args   plugin.Args
		same   bool
	}{
		{"nothing", func(*plugin.Action) {}, given, true},
		{"texts for people", func(a *plugin.Action) { a.Description, a.Inputs[0].Prompt, a.Inputs[0].Description = "x", "y", "z" }, given, true},
		{"what the asker alone needs", func(a *plugin.Action) {
			a.Display, a.Timeout, a.Outputs, a.Inputs[0].Positional = plugin.DisplayFailed, 1, []plugin.Output{{Name: "x"}}, false
		}, given, true},
		{"the order of inputs", func(a *plugin.Action) { a.Inputs[0], a.Inputs[4] = a.Inputs[4], a.Inputs[0] }, given, true},
		{"the order of choices", func(a *plugin.Action) { a.Inputs[1].Choices = []string{"fast", "slow"} }, given, true},
		{"the usual longest length, written out", func(a *plugin.Action) { a.Inputs[0].MaxLength = plugin.DefaultMaxLength }, given, true},
		{"a default that makes it optional, also called so", func(a *plugin.Action) { a.Inputs[1].Optional = false }, given, true},
		{"an input that is left out", func(a *plugin.Action) { a.Inputs[3].Type = plugin.Float }, given, true},
		{"another input, that is left out", func(a *plugin.Action) {
			a.Inputs = append(a.Inputs, plugin.Input{Name: "new", Type: plugin.String, Optional: true})
		}, given, true},
		{"another value of a given input", func(*plugin.Action) {}, plugin.Args{"where": "there", "how": "slow", "keep": true, "key": "x"}, true},

		{"the kind", func(a *plugin.Action) { a.Kind = plugin.Read }, given, false},
		{"the name of an input", func(a *plugin.Action) { a.Inputs[0].Name = "wherever" }, given, false},
		{"a type", func(a *plugin.Action) { a.Inputs[4].Type = plugin.Boolean }, given, false},
		{"a pattern", func(a *plugin.Action) { a.Inputs[0].Pattern = "[a-z]*" }, given, false},
		{"a longest length", func(a *plugin.Action) { a.Inputs[0].MaxLength = 7 }, given, false},
		{"a choice more", func(a *plugin.Action) { a.Inputs[1].Choices = []string{"slow", "fast", "never"} }, given, false},
		{"another default", func(a *plugin.Action) { a.Inputs[1].Default = "slow" }, given, false},
		{"another default, of a boolean", func(a *plugin.Action) { a.Inputs[2].Default = true }, given, false},
		{"no default", func(a *plugin.Action) { a.Inputs[2].Default = nil }, plugin.Args{"where": "here", "keep": true}, false},
		{"a default that was not there", func(a *plugin.Action) { a.Inputs[3].Default = int64(0) }, given, false},
		{"it may be left out", func(a *plugin.Action) { a.Inputs[0].Optional = true }, given, false},
		{"it may not be left out", func(a *plugin.Action) { a.Inputs[3].Optional = false }, given, false},
		{"a secret", func(a *plugin.Action) { a.Inputs[0].Secret = true }, given, false},
		{"another secret that is left out", func(a *plugin.Action) {
			a.Inputs = append(a.Inputs, plugin.Input{Name: "new", Type: plugin.String, Optional: true, Secret: true})
		}, given, false},
		{"another argument", func(*plugin.Action) {}, plugin.Args{"where": "here", "times": int64(2)}, false},
	} {
		a := put()
		tt.change(&a)
		if got := meaning(t, a, tt.args); (got == same) != tt.same {
			t.Errorf("%s: the same: %t", tt.name, got == same)
		}
	}
}

// The encoding is pinned: a host and an admin's machine of other releases, and other implementations, get the same hashes.
func TestMeaningVector(t *testing.T) {
	for _, tt := range []struct {
		action plugin.Action
		args   plugin.Args
		want   string
	}{
		{plugin.Action{Name: "ping", Kind: plugin.Read}, nil, "94693825d3c4ee4bf2a9cef6c7aa96eb4c0c53261e62639e9016cb7045d312a2"},
		{put(), plugin.Args{"where": "here", "times": int64(2)}, "3977a4d55a780513cb7137aaf364c582815a3bab55ed3e6ca9002390d19e082a"},
	} {
		if got := meaning(t, tt.action, tt.args); got != tt.want {
			t.Errorf("%s: %s", tt.action.Name, got)
		}
	}
	if _, err := (plugin.Action{Inputs: []plugin.Input{{Name: "x", Type: plugin.String, Default: func() {}}}}).Meaning(nil); err == nil {
		t.Error("a default that is a function has a hash")
	}
}
