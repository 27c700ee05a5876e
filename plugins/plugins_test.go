package plugins

import (
	"context"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"fleet/plugins/plugin"
	"fleet/policy"
)

// tool is a declaration with one of everything.
func tool() plugin.Declaration {
	name := plugin.Input{Name: "package", Prompt: "Package name", Type: plugin.String, Positional: true, Pattern: `[a-z]+`, MaxLength: 90}
	return plugin.Declaration{
		Name: "tool", Description: "Do things to packages", Author: "somebody", Version: "1.2", License: "MIT", Timeout: time.Minute,
		Actions: []plugin.Action{
			{
				Name: "status", Description: "Say what is there", Kind: plugin.Read, Inputs: []plugin.Input{name},
				Outputs:   []plugin.Output{{Name: "ensure", Description: "Version or absent"}, {Name: "size", Description: "In bytes"}},
				Summaries: []plugin.Summary{{Output: "ensure", By: plugin.CountValues}, {Output: "size", By: plugin.Sum}},
			},
			{
				Name: "install", Description: "Put it there", Kind: plugin.Change, Timeout: 3 * time.Minute, Inputs: []plugin.Input{
					name,
					{Name: "version", Prompt: "Version", Description: "as the package manager writes it", Type: plugin.String, Positional: true, Optional: true},
					{Name: "mode", Prompt: "Mode", Type: plugin.List, Choices: []string{"fast", "slow"}, Default: "slow"},
					{Name: "force", Prompt: "Force", Type: plugin.Boolean, Optional: true},
					{Name: "tries", Prompt: "Tries", Type: plugin.Integer, Default: int64(3)},
					{Name: "load", Prompt: "Load", Type: plugin.Float, Optional: true},
				},
			},
			{Name: "count", Description: "Count them", Kind: plugin.Read},
			{Name: "update", Description: "Bring it to the newest version", Kind: plugin.Change, Inputs: []plugin.Input{name}},
		},
	}
}

func TestWords(t *testing.T) {
	tests := []struct {
		line   string
		action string
		args   map[string]string
		err    string
	}{
		{"status openssl", "status", map[string]string{"package": "openssl"}, ""},
		{"openssl status", "status", map[string]string{"package": "openssl"}, ""},
		{"status package=openssl", "status", map[string]string{"package": "openssl"}, ""},
		{"package=openssl status", "status", map[string]string{"package": "openssl"}, ""},
		{"install openssl 1.2", "install", map[string]string{"package": "openssl", "version": "1.2"}, ""},
		{"openssl install 1.2", "install", map[string]string{"package": "openssl", "version": "1.2"}, ""},
		{"install 1.2 package=openssl", "install", map[string]string{"package": "openssl", "version": "1.2"}, ""},
		{"install force=true openssl mode=fast", "install", map[string]string{"package": "openssl", "force": "true", "mode": "fast"}, ""},
		{"install openssl version=a=b", "install", map[string]string{"package": "openssl", "version": "a=b"}, ""},
		{"install openssl version=", "install", map[string]string{"package": "openssl", "version": ""}, ""},
		{"count", "count", map[string]string{}, ""},
		{"status status", "status", map[string]string{"package": "status"}, ""},
		{"status package=update", "status", map[string]string{"package": "update"}, ""},
		{"update", "update", map[string]string{}, ""}, // that package is missing is Parse's to say

		{"", "", nil, "tool needs an action; it can status, install, count, update"},
		{"package=openssl", "", nil, "tool needs an action; it can status, install, count, update"},
		{"openssl", "", nil, `tool has no action "openssl"; it can status, install, count, update`},
		{"openssl stauts", "", nil, `tool has no action "stauts"; did you mean status?`},
		{"updaet openssl", "", nil, `tool has no action "updaet"; did you mean update?`},
		{"frob openssl", "", nil, `neither "frob" nor "openssl" is an action of tool; it can status, install, count, update`},
		{"status update", "", nil, "tool has both actions status and update; mark the value, as in `tool status package=update`"},
		{"count status", "", nil, "tool has both actions count and status; mark the value, as in `tool count`"},
		{"status openssl curl", "", nil, `tool status takes no argument "curl"; it takes package`},
		{"count openssl", "", nil, `tool count takes no argument "openssl"; it takes no arguments`},
		{"install openssl verison=1", "", nil, `tool install has no argument "verison"; did you mean version?`},
		{"status openssl os=Debian", "", nil, `tool status has no argument "os"; it takes package`},
		{"status =x", "", nil, `tool status has no argument ""; it takes package`},
		{"install a package=b", "install", map[string]string{"package": "b", "version": "a"}, ""},
		{"status package=a package=b", "", nil, "package is given twice"},
	}
	for _, tt := range tests {
		t.Run(tt.line, func(t *testing.T) {
			action, args, err := Words(tool(), strings.Fields(tt.line))
			if tt.err != "" {
				if err == nil || err.Error() != tt.err {
					t.Fatalf("%s %v, error\n %v, want\n %s", action, args, err, tt.err)
				}
				return
			}
			if err != nil || action != tt.action || !maps.Equal(args, tt.args) {
				t.Errorf("%s %v, %v; want %s %v", action, args, err, tt.action, tt.args)
			}
		})
	}
}

// Whatever is typed, what comes out is declared, and every word that is not the action is in it.
func FuzzWords(f *testing.F) {
	for _, line := range []string{"status\nopenssl", "openssl\nstatus", "install\nforce=true\na\nb", "=\n=", "count\ncount", "status\nupdate", "\n", "package=a\npackage=b"} {
		f.Add(line)
	}
	d := tool()
	f.Fuzz(func(t *testing.T, line string) {
		words := strings.Split(line, "\n")
		action, args, err := Words(d, words)
		if err != nil {
			if action != "" || args != nil {
				t.Errorf("%q: %s %v beside the error %v", words, action, args, err)
			}
			return
		}
		a, ok := d.Action(action)
		if !ok || len(args) != len(words)-1 {
			t.Fatalf("%q: %s %v", words, action, args)
		}
		for name, value := range args {
			if !hasInput(a, name) || !strings.Contains(line, value) {
				t.Errorf("%q: %s=%q", words, name, value)
			}
		}
	})
}

const toolPage = `tool: Do things to packages
version 1.2, by somebody, licence MIT, time limit 1m0s

status (reads only)
  Say what is there
  $ fleet run tool status PACKAGE
  inputs:
    package  Package name
             (at most 90 bytes; matches [a-z]+)
  outputs:
    ensure  Version or absent
    size    In bytes
  summaries:
    ensure  hosts per value
    size    sum over all hosts

install (can change the host, time limit 3m0s)
  Put it there
  $ fleet run tool install PACKAGE [VERSION] [mode=MODE] [force=FORCE] [tries=TRIES] [load=LOAD]
  inputs:
    package  Package name
             (at most 90 bytes; matches [a-z]+)
    version  Version: as the package manager writes it
             (at most 256 bytes; optional)
    mode     Mode
             (one of fast, slow; default slow)
    force    Force
             (true or false; optional)
    tries    Tries
             (a whole number; default 3)
    load     Load
             (a number; optional)

count (reads only)
  Count them
  $ fleet run tool count

update (can change the host)
  Bring it to the newest version
  $ fleet run tool update PACKAGE
  inputs: same as status
`

func TestDocument(t *testing.T) {
	if got := Document(tool()); got != toolPage {
		t.Errorf("got\n%s", got)
	}
}

// fake is a plugin that is only its declaration.
type fake struct{ d plugin.Declaration }

func (f fake) Declaration() plugin.Declaration                           { return f.d }
func (f fake) Run(context.Context, plugin.Call) plugin.Result            { return plugin.Result{State: plugin.OK} }
func (f withData) Query(context.Context, string) (map[string]any, error) { return nil, nil }
func (f withData) Reads(string) plugin.Call                              { return plugin.Call{} }

type withData struct{ fake }

func TestSet(t *testing.T) {
	other := tool()
	other.Name = "another"
	s, err := New(fake{tool()}, withData{fake{other}})
	if err != nil {
		t.Fatal(err)
	}
	if d := s.Declarations(); len(d) != 2 || d[0].Name != "another" || d[1].Name != "tool" {
		t.Errorf("declarations are %v", d)
	}
	if p, ok := s.Get("tool"); !ok || p.Declaration().Name != "tool" {
		t.Errorf("Get gives %v, %v", p, ok)
	}
	if _, ok := s.Get("nope"); ok {
		t.Error("there is a plugin nope")
	}
	for name, want := range map[string]bool{"another": true, "tool": false, "nope": false} {
		if _, ok := s.DataSource(name); ok != want {
			t.Errorf("data function %s: %v, want %v", name, ok, want)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	if _, err := New(fake{tool()}, fake{tool()}); err == nil || err.Error() != `two plugins are called "tool"` {
		t.Errorf("two of one name: %v", err)
	}
	name := func(d *plugin.Declaration) *plugin.Input { return &d.Actions[0].Inputs[0] }
	tests := []struct {
		spoil func(*plugin.Declaration)
		err   string
	}{
		{func(d *plugin.Declaration) { d.Name = "Tool" }, `plugin Tool cannot use "Tool" as its name`},
		{func(d *plugin.Declaration) { d.Name = policy.TokenPlugin }, "plugin token has a name that stands in rules for the rights to create tokens"},
		{func(d *plugin.Declaration) { d.Name = "" }, `cannot use "" as its name`},
		{func(d *plugin.Declaration) { d.Description = "" }, "plugin tool has no description"},
		{func(d *plugin.Declaration) { d.Timeout = 0 }, "plugin tool has no time limit"},
		{func(d *plugin.Declaration) { d.Actions = nil }, "plugin tool has no action"},
		{func(d *plugin.Declaration) { d.Actions[1].Name = "status" }, "plugin tool, action status is declared twice"},
		{func(d *plugin.Declaration) { d.Actions[0].Name = "do=it" }, `cannot use "do=it" as its name`},
		{func(d *plugin.Declaration) { d.Actions[0].Description = "" }, "action status has no description"},
		{func(d *plugin.Declaration) { d.Actions[0].Kind = "" }, `has the unknown kind ""`},
		{func(d *plugin.Declaration) { d.Actions[0].Timeout = -1 }, "has a negative time limit"},
		{func(d *plugin.Declaration) { d.Actions[0].Kind, d.Actions[0].Detached = plugin.Read, true }, "runs detached, which is for changes"},
		{func(d *plugin.Declaration) {
			d.Actions[0].Kind, d.Actions[0].Detached, name(d).Secret = plugin.Change, true, true
		}, "runs detached and has a secret input, which would end up on disk"},
		{func(d *plugin.Declaration) { d.Actions[0].Display = "never" }, `has the unknown display "never"`},
		{func(d *plugin.Declaration) { d.Actions[0].Outputs[1].Name = "ensure" }, "has the output ensure twice"},
		{func(d *plugin.Declaration) { d.Actions[0].Summaries[0].Output = "ensured" }, `summarises "ensured", which is not one of its outputs`},
		{func(d *plugin.Declaration) { d.Actions[0].Summaries[0].By = "median" }, `summarises ensure by the unknown function "median"`},
		{func(d *plugin.Declaration) { d.Actions[1].Inputs[1].Name = "package" }, "has the input package twice"},
		{func(d *plugin.Declaration) {
			d.Actions[1].Inputs[0].Optional = true
			d.Actions[1].Inputs[1].Optional = false
		}, "needs version after package, which may be left out"},
		{func(d *plugin.Declaration) { name(d).Prompt = "" }, "input package has no prompt"},
		{func(d *plugin.Declaration) { name(d).Type = "path" }, `input package has the unknown type "path"`},
		{func(d *plugin.Declaration) { name(d).Pattern = "(" }, "input package has a broken pattern"},
		{func(d *plugin.Declaration) { name(d).MaxLength = -1 }, "has a negative longest length"},
		{func(d *plugin.Declaration) { name(d).Default = "7" }, `input package: its default package: "7" does not match [a-z]+`},
		{func(d *plugin.Declaration) { name(d).Choices = []string{"a"} }, "a list, and only a list, has choices"},
		{func(d *plugin.Declaration) { d.Actions[1].Inputs[2].Choices = nil }, "a list, and only a list, has choices"},
		{func(d *plugin.Declaration) { d.Actions[1].Inputs[3].Pattern = "a" }, "only a string has a pattern"},
		{func(d *plugin.Declaration) { d.Actions[1].Inputs[4].Default = 3 }, "input tries: its default tries: must be a whole number, not int"},
	}
	for _, tt := range tests {
		d := tool()
		tt.spoil(&d)
		if _, err := New(fake{d}); err == nil || !strings.Contains(err.Error(), tt.err) {
			t.Errorf("got %v, want an error with %q", err, tt.err)
		}
	}
}

func TestNewNamesEveryFault(t *testing.T) {
	d := tool()
	d.Timeout, d.Actions[0].Kind = 0, "?"
	if _, err := New(fake{d}); err == nil || strings.Count(err.Error(), "\n") != 1 {
		t.Errorf("got %v, want two faults", err)
	}
}

func TestBuiltin(t *testing.T) {
	s, err := Builtin(nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(s.Declarations(), BuiltinDeclarations()) {
		t.Error("a node and those without one see different declarations")
	}
	for name, argument := range map[string]string{"package": "hello", "service": "nginx", "fstat": "/etc/hosts"} {
		call, ok := s.Reads(name, argument)
		action, declared := s.Action(name, call.Action)
		if _, err := action.Check(call.Args); !ok || !declared || action.Kind != plugin.Read || err != nil {
			t.Errorf("the data function %s shows what %+v does: %t, %t, %v", name, call, ok, declared, err)
		}
	}
	alone, err := WithoutNode(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range s.Declarations() {
		detached := slices.ContainsFunc(d.Actions, func(a plugin.Action) bool { return a.Detached })
		if _, ok := alone.Get(d.Name); detached && !ok {
			t.Errorf("%s has actions that run without the node, and is not there then", d.Name)
		}
		for line := range strings.Lines(Document(d)) {
			if len(line) > 130 {
				t.Errorf("%d columns: %s", len(line), line)
			}
		}
	}
}
