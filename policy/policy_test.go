package policy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"fleet/identity"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func restart(roles ...string) Question {
	return Question{
		Signer: identity.AdminEntry{Name: "ann", Roles: roles}, Plugin: "service", Action: "restart", Change: true,
		Args: map[string]any{"service": "nginx", "force": false}, Labels: map[string]string{"env": "prod"}, Facts: host{}, Now: noon,
	}
}

// host has a fact and a data function that cannot answer.
type host struct{ labelled }

func (host) Fact(path string) (any, bool) { return "c", path == "hagroup" }
func (host) HasData(f string) bool        { return f == "broken" }
func (host) Data(context.Context, string, string) (map[string]any, error) {
	return nil, errors.New("cannot answer")
}

func TestRoster(t *testing.T) {
	rule := func(r identity.Rule) identity.Roster {
		return identity.Roster{Roles: []identity.RoleEntry{{Name: "ops", Rules: []identity.Rule{r}}}}
	}
	tests := []struct {
		name   string
		rule   identity.Rule
		change func(*Question)
		allow  bool
		waits  bool
	}{
		{name: "everything", rule: identity.Rule{Action: "*.*"}, allow: true},
		{name: "the plugin", rule: identity.Rule{Action: "service.*"}, allow: true},
		{name: "the action", rule: identity.Rule{Action: "service.restart"}, allow: true},
		{name: "the action of any plugin", rule: identity.Rule{Action: "*.restart"}, allow: true},
		{name: "another action", rule: identity.Rule{Action: "service.status"}},
		{name: "another plugin", rule: identity.Rule{Action: "package.*"}},
		{name: "no dot", rule: identity.Rule{Action: "*"}},
		{name: "the argument", rule: identity.Rule{Action: "*.*", Args: map[string]string{"service": "nginx"}}, allow: true},
		{name: "an argument by pattern", rule: identity.Rule{Action: "*.*", Args: map[string]string{"service": "ng*x"}}, allow: true},
		{name: "an argument that only begins so", rule: identity.Rule{Action: "*.*", Args: map[string]string{"service": "ngin"}}},
		{name: "a boolean argument", rule: identity.Rule{Action: "*.*", Args: map[string]string{"force": "false"}}, allow: true},
		{name: "another argument", rule: identity.Rule{Action: "*.*", Args: map[string]string{"service": "sshd"}}},
		{name: "an argument that is not there", rule: identity.Rule{Action: "*.*", Args: map[string]string{"mode": "*"}}},
		{name: "the label", rule: identity.Rule{Action: "*.*", Hosts: "env=prod"}, allow: true},
		{name: "another label", rule: identity.Rule{Action: "*.*", Hosts: "env=dev"}},
		{name: "a fact is no label", rule: identity.Rule{Action: "*.*", Hosts: "hagroup=c"}},
		{name: "a data function is no label", rule: identity.Rule{Action: "*.*", Hosts: "not broken('x').a=1"}},
		{name: "an expression that does not parse", rule: identity.Rule{Action: "*.*", Hosts: "and and"}},
		{name: "from now", rule: identity.Rule{Action: "*.*", From: noon.Unix()}, allow: true},
		{name: "from tomorrow", rule: identity.Rule{Action: "*.*", From: noon.Unix() + 1}},
		{name: "until now", rule: identity.Rule{Action: "*.*", Until: noon.Unix()}},
		{name: "until later", rule: identity.Rule{Action: "*.*", Until: noon.Unix() + 1}, allow: true},
		{name: "two keys", rule: identity.Rule{Action: "*.*", Second: 1}, waits: true},
		{name: "two keys, and both are there", rule: identity.Rule{Action: "*.*", Second: 1}, change: func(q *Question) { q.CoSigned = true }, allow: true},
		{name: "two keys above 20 %, for all", rule: identity.Rule{Action: "*.*", Second: 21}, waits: true},
		{name: "two keys above 20 %, for 20 %", rule: identity.Rule{Action: "*.*", Second: 21}, change: func(q *Question) { q.Share = share(20) }, allow: true},
		{name: "another role", rule: identity.Rule{Action: "*.*"}, change: func(q *Question) { q.Signer.Roles = []string{"opss"} }},
		{name: "no role", rule: identity.Rule{Action: "*.*"}, change: func(q *Question) { q.Signer.Roles = nil }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			q := restart("ops")
			if tt.change != nil {
				tt.change(&q)
			}
			got := Roster(t.Context(), rule(tt.rule), q)
			if got.Allowed != tt.allow || got.Waits != tt.waits || got.By == "" {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func share(percent float64) func() (float64, string) {
	return func() (float64, string) { return percent, fmt.Sprintf("counted %g %%", percent) }
}

// What one key was enough for says up to which share, unless another rule allows it however large that is; what waits says how the
// share was counted.
func TestTheShareThatOneKeyIsEnoughFor(t *testing.T) {
	above := func(percents ...uint8) (rules []identity.Rule) {
		for _, n := range percents {
			rules = append(rules, identity.Rule{Action: "service.*", Second: n + 1})
		}
		return rules
	}
	for _, tt := range []struct {
		name   string
		rules  []identity.Rule
		share  float64
		signed bool
		upTo   float64
		by     string
		waits  bool
	}{
		{"below", above(20), 20, false, 20, "role ops, rule 1", false},
		{"above", above(20), 20.1, false, 0, "above 20 % of the fleet; counted 20.1 %", true},
		{"the wider of two", above(20, 40, 30), 10, false, 40, "role ops, rule 2", false},
		{"above one of two", above(20, 40), 30, false, 40, "role ops, rule 2", false},
		{"signed by two", above(20), 100, true, 0, "role ops, rule 1", false},
		{"another rule has no limit", append(above(20), identity.Rule{Action: "service.restart"}), 10, false, 0, "role ops, rule 2", false},
		{"always", above(0), 1, false, 0, "role ops, rule 1", true},
	} {
		q := restart("ops")
		q.Share, q.CoSigned = share(tt.share), tt.signed
		got := Roster(t.Context(), identity.Roster{Roles: []identity.RoleEntry{{Name: "ops", Rules: tt.rules}}}, q)
		if got.Waits != tt.waits || got.Allowed == tt.waits || got.UpTo != tt.upTo || !strings.Contains(got.By, tt.by) {
			t.Errorf("%s: %+v", tt.name, got)
		}
	}
	f, err := Parse("p.toml", []byte("[[rule]]\ndecision = \"allow\"\naction = [\"*.*\"]\nsecond_key = 10\n"))
	if err != nil {
		t.Fatal(err)
	}
	q := restart("ops")
	for percent, want := range map[float64]Answer{10: {Allowed: true, UpTo: 10, By: "p.toml:1"}, 11: {Waits: true, By: "p.toml:1; counted 11 %"}} {
		q.Share = share(percent)
		if got := f.Decide(t.Context(), q, nil); got != want {
			t.Errorf("the host's file, %g %%: %+v", percent, got)
		}
	}
}

func TestARuleWithoutASecondKeyIsEnough(t *testing.T) {
	r := identity.Roster{Roles: []identity.RoleEntry{{Name: "ops", Rules: []identity.Rule{
		{Action: "service.*", Second: 1}, {Action: "service.restart", Args: map[string]string{"service": "nginx"}},
	}}}}
	if got := Roster(t.Context(), r, restart("ops")); !got.Allowed || !strings.Contains(got.By, "rule 2") {
		t.Errorf("got %+v", got)
	}
}

func TestHostFile(t *testing.T) {
	allowed := func() Answer { return Answer{Allowed: true, By: "roster"} }
	tests := []struct {
		name, file string
		allow      bool
		by         string
	}{
		{"empty defers", "", true, "roster"},
		{"default deny", `default = "deny"`, false, "p.toml: no rule matches"},
		{"deny wins over the roster", "[[rule]]\ndecision = \"deny\"\naction = [\"service.*\"]", false, "p.toml:1"},
		{"the first that fits wins", "# a\n[[rule]]\ndecision = \"allow\"\naction = [\"service.restart\"]\n[[ rule ]]\ndecision = \"deny\"\naction = [\"*.*\"]", true, "p.toml:2"},
		{"signer must be exact", "default = \"deny\"\n[[rule]]\ndecision = \"allow\"\naction = [\"*.*\"]\nsigner = [\"an\", \"annn\", \"a*\"]", false, "default is deny"},
		{"signer", "default = \"deny\"\n[[rule]]\ndecision = \"allow\"\naction = [\"*.*\"]\nsigner = [\"ann\"]", true, "p.toml:2"},
		{"role", "default = \"deny\"\n[[rule]]\ndecision = \"allow\"\naction = [\"*.*\"]\nrole = [\"ops\"]", true, "p.toml:2"},
		{"fact", "default = \"deny\"\n[[rule]]\ndecision = \"allow\"\naction = [\"*.*\"]\nwhen = \"hagroup=c\"", true, "p.toml:2"},
		{"a doubt does not allow", "default = \"deny\"\n[[rule]]\ndecision = \"allow\"\naction = [\"*.*\"]\nwhen = \"not broken('x').a=1\"", false, "default is deny"},
		{"a doubt denies", "[[rule]]\ndecision = \"deny\"\naction = [\"*.*\"]\nwhen = \"broken('x').a=1\"", false, "p.toml:1"},
		{"two keys", "[[rule]]\ndecision = \"allow\"\naction = [\"*.*\"]\nsecond_key = 10", false, "p.toml:1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, err := Parse("p.toml", []byte(tt.file))
			if err != nil {
				t.Fatal(err)
			}
			got := f.Decide(t.Context(), restart("ops"), allowed)
			if got.Allowed != tt.allow || !strings.Contains(got.By, tt.by) {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestOneBadLineRefusesTheFile(t *testing.T) {
	const good = "[[rule]]\ndecision = \"deny\"\naction = [\"*.*\"]\n"
	tests := []struct{ name, file, want string }{
		{"syntax", good + "x = = 1", "p.toml:4"},
		{"unknown key", "defualt = \"deny\"\n" + good, `p.toml:1: unknown key "defualt"`},
		{"unknown key that a text looks like", good + "when = \"\"\"\ndefualt = \"\"\"\n\n[ defualt ]", `p.toml:7: unknown key "defualt"`},
		{"empty default", "default = ''\n" + good, "p.toml:1: default must be"},
		{"default of another kind", good[:0] + "default = false\n" + good, "p.toml:1: default"},
		{"unknown default", good[:0] + "\ndefault = \"allow\"\n" + good, "p.toml:2: default"},
		{"unknown key in a rule", good + "[[rule]]\ndecision = \"deny\"\naction = [\"*.*\"]\nsinger = [\"ann\"]", "p.toml:4: singer: unknown key"},
		{"no decision", good + "\n[[rule]]\naction = [\"*.*\"]", "p.toml:5: decision is missing"},
		{"other decision", "[[rule]]\ndecision = \"maybe\"\naction = [\"*.*\"]", "allow or deny"},
		{"no action", "[[rule]]\ndecision = \"allow\"", "action is missing"},
		{"action without a dot", "[[rule]]\ndecision = \"allow\"\naction = [\"service\"]", "not PLUGIN.ACTION"},
		{"empty list", "[[rule]]\ndecision = \"allow\"\naction = []", "list of texts"},
		{"expression", "[[rule]]\ndecision = \"allow\"\naction = [\"*.*\"]\nwhen = \"and\"", "when:"},
		{"percent", "[[rule]]\ndecision = \"allow\"\naction = [\"*.*\"]\nsecond_key = 100", "second_key"},
		{"one table instead of a list", "[rule]\ndecision = \"deny\"", "p.toml"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse("p.toml", []byte(tt.file))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add("default = \"deny\"\n[[rule]]\ndecision = \"allow\"\naction = [\"*.*\"]\nargs = { service = \"n*\" }\nwhen = \"a=b\"\nsecond_key = 5")
	f.Fuzz(func(t *testing.T, text string) {
		file, err := Parse("p.toml", []byte(text))
		if err != nil {
			return
		}
		q := restart("ops")
		a := file.Decide(t.Context(), q, func() Answer { return Answer{By: "roster"} })
		if a.By == "" || a.Allowed && a.Waits {
			t.Fatalf("%+v", a)
		}
	})
}

func FuzzGlob(f *testing.F) {
	f.Add("a*b*c", "aXbYc")
	f.Fuzz(func(t *testing.T, pattern, text string) {
		if glob(pattern, text) && !strings.Contains(pattern, "*") && pattern != text {
			t.Fatal("a pattern without * fits something else")
		}
		if !glob("*", text) || !glob(strings.ReplaceAll(text, "*", ""), strings.ReplaceAll(text, "*", "")) {
			t.Fatal("* or the text itself does not fit")
		}
	})
}
