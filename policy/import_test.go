package policy

import (
	"strings"
	"testing"
)

func TestImport(t *testing.T) {
	const from = "# who may\n\npolicy default deny\nallow\tcert=admin\t*\t*\t*\nallow\tcert=acme-devs\tenable disable status\tcustomer=acme\tacme::devserver\ndeny\t*\tstop\thagroup=c\n"
	const want = `# imported from MCollective's service.policy; signers are names in the roster (fleet admin list)
default = "defer" # for all other plugins

[[rule]] # line 4
decision = "allow"
signer = ["admin"]
action = ["service.*"]

[[rule]] # line 5
decision = "allow"
signer = ["acme-devs"]
action = ["service.enable", "service.disable", "service.status"]
when = "customer=acme and acme::devserver"

[[rule]] # line 6
decision = "deny"
action = ["service.stop"]
when = "hagroup=c"

[[rule]] # policy default
decision = "deny"
action = ["service.*"]
`
	got, err := Import("/etc/mcollective/policies/service.policy", []byte(from), known)
	if err != nil || got != want {
		t.Fatalf("got %v\n%s\nwant\n%s", err, got, want)
	}
	f, err := Parse("policy.toml", []byte(got))
	if err != nil {
		t.Fatal(err)
	}
	if f.Rules() != 4 {
		t.Errorf("%d rules", f.Rules())
	}
	// The caller fits as a whole: there, a rule for cert=admin let cert=a in.
	for signer, allowed := range map[string]bool{"admin": true, "a": false, "administrator": false, "": false} {
		q := restart("ops")
		q.Signer.Name = signer
		if a := f.Decide(t.Context(), q, func() Answer { return Answer{Allowed: true} }); a.Allowed != allowed {
			t.Errorf("%q: %+v", signer, a)
		}
	}
	q := restart("ops") // another plugin is not touched
	q.Plugin = "package"
	if a := f.Decide(t.Context(), q, func() Answer { return Answer{Allowed: true, By: "the roster"} }); a.By != "the roster" {
		t.Errorf("%+v", a)
	}
}

// known is what fleet has, as far as these tests go.
var known = map[string][]string{"service": {"status", "start", "stop", "restart", "enable", "disable"}, "package": {"status", "refresh"}}

// What fleet does not have is named, and default.policy decides for every plugin.
func TestImportOfWhatFleetLacks(t *testing.T) {
	for _, tt := range []struct{ file, text, want string }{
		{"service.policy", "policy default deny\nallow\tcert=a\tstatus look\t*\t*\nallow\tcert=b\tlook\t*\t*\n", `# imported from MCollective's service.policy; signers are names in the roster (fleet admin list)
default = "defer" # for all other plugins

# line 2: left out service.look, which fleet does not have

[[rule]] # line 2
decision = "allow"
signer = ["a"]
action = ["service.status"]

# line 3: left out service.look, which fleet does not have

[[rule]] # policy default
decision = "deny"
action = ["service.*"]
`},
		{"puppet.policy", "policy default deny\nallow\tcert=a\trunonce\t*\t*\n", `# imported from MCollective's puppet.policy; signers are names in the roster (fleet admin list)
# fleet has no built-in plugin puppet: these rules have an effect only on hosts that have one
default = "defer" # for all other plugins

[[rule]] # line 2
decision = "allow"
signer = ["a"]
action = ["puppet.runonce"]

[[rule]] # policy default
decision = "deny"
action = ["puppet.*"]
`},
		{"default.policy", "policy default deny\nallow\tcert=a\t*\t*\t*\nallow\tcert=b\tstatus\t*\t*\n", `# imported from MCollective's default.policy; signers are names in the roster (fleet admin list)
# for every plugin without rules of its own: put those before these
default = "deny" # for all other plugins

[[rule]] # line 2
decision = "allow"
signer = ["a"]
action = ["*.*"]

[[rule]] # line 3
decision = "allow"
signer = ["b"]
action = ["*.status"]
`},
		{"default.policy", "policy default allow\ndeny\tcert=a\tstop\t*\t*\n", `# imported from MCollective's default.policy; signers are names in the roster (fleet admin list)
# for every plugin without rules of its own: put those before these
default = "defer" # for all other plugins

[[rule]] # line 2
decision = "deny"
signer = ["a"]
action = ["*.stop"]

[[rule]] # policy default
decision = "allow"
action = ["*.*"]
`},
	} {
		if got, err := Import(tt.file, []byte(tt.text), known); err != nil || got != tt.want {
			t.Errorf("%s: %v\n%s\nwant\n%s", tt.file, err, got, tt.want)
		}
	}
}

func TestImportFaults(t *testing.T) {
	const good = "policy default deny\n"
	tests := []struct{ name, file, text, want string }{
		{"spaces instead of tabs", "", "allow cert=a * * *\n" + good, "service.policy:1: 1 fields instead of 4 or 5"},
		{"too many fields", "", good + "allow\tcert=a\t*\t*\t*\t*\n", "service.policy:2: 6 fields"},
		{"trailing white space", "", good + "allow\tcert=a\t*\t*\t* \n", "service.policy:2: ends with white space"},
		{"no default", "", "allow\tcert=a\t*\t*\t*\n", "service.policy:1: no line says `policy default deny`"},
		{"no lines", "", "", "service.policy:1: no line says"},
		{"two defaults", "", good + good, "service.policy:2: the default is said twice"},
		{"another default", "", "policy default maybe\n", `"maybe" is neither`},
		{"another decision", "", good + "Allow\tcert=a\t*\t*\t*\n", `service.policy:2: "Allow" is neither`},
		{"a caller pattern", "", good + "allow\t/cert=.*/\t*\t*\t*\n", `service.policy:2: the caller "/cert=.*/"`},
		{"a group", "", good + "allow\tgroup=ops\t*\t*\t*\n", `the caller "group=ops"`},
		{"several callers", "", good + "allow\tcert=a cert=b\t*\t*\t*\n", `the caller "cert=a cert=b"`},
		{"an action pattern", "", good + "allow\tcert=a\tst*\t*\t*\n", `"st*" is not the name of an action`},
		{"a star among actions", "", good + "allow\tcert=a\t* status\t*\t*\n", `"*" is not the name of an action`},
		{"a user's number", "", good + "allow\tuid=500\t*\t*\t*\n", `service.policy:2: the caller "uid=500" is the number of a user`},
		{"a denial of what fleet does not have", "", "policy default allow\ndeny\tcert=a\tstop shut_off\t*\t*\n", "service.policy:2: it denies service.shut_off"},
		{"a denial of what no plugin has", "default.policy", "policy default allow\ndeny\tcert=a\tshut_off\t*\t*\n", "it denies *.shut_off"},
		{"a compound", "", good + "allow\tcert=a\t*\tcountry=uk or country=us\t*\n", "bind in another way"},
		{"a parenthesis", "", good + "allow\tcert=a\t*\t(country=uk)\n", "bind in another way"},
		{"a negated class", "", good + "allow\tcert=a\t*\t*\t!web\n", "bind in another way"},
		{"a comparison", "", good + "allow\tcert=a\t*\tprocessors>9\t*\n", "compares with > in another way"},
		{"a fact pattern", "", good + "allow\tcert=a\t*\tcountry=/uk/\t*\n", "the value is a pattern"},
		{"a class among facts", "", good + "allow\tcert=a\t*\twebserver\t*\n", `"webserver" is no fact=value`},
		{"a class pattern", "", good + "allow\tcert=a\t*\t*\t/web/\n", "is no class's name"},
		{"Windows", "", "policy default deny\r\n", "cannot be printed"},
		{"another name", "service.txt", good, "the name must be that of the plugin"},
		{"a name that is no plugin", "my service.policy", good, "the name must be that of the plugin"},
		{"all faults at once", "", "x\n" + good + "y\n", "service.policy:1: 1 fields instead of 4 or 5 with tabs between them: allow or deny, caller, actions, facts, classes\nservice.policy:3"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file := tt.file
			if file == "" {
				file = "service.policy"
			}
			got, err := Import(file, []byte(tt.text), known)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q\n%s", err, tt.want, got)
			}
			if got != "" {
				t.Errorf("something was imported all the same: %s", got)
			}
		})
	}
}

// Whatever the file says, what is imported is a good host file with a rule for each line that is one, in their order.
func FuzzImport(f *testing.F) {
	f.Add("policy default deny\nallow\tcert=admin\t*\t*\t*\n")
	f.Add("policy default allow\ndeny\tuid=500\tstop start\ta=b c==d\tx::y z\n#\n\n")
	f.Add("policy default deny\nallow\tcert=a\t*\ta=\"b\\\t*\n")
	f.Add("allow cert=a * * *\n")
	f.Add("policy default deny\nallow\tcert=a\t*\tnot=x\tand\n")
	f.Fuzz(func(t *testing.T, text string) {
		out, err := Import("service.policy", []byte(text), nil)
		if err != nil {
			if out != "" {
				t.Error("a fault, and yet something is imported")
			}
			return
		}
		file, err := Parse("policy.toml", []byte(out))
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		var want []bool
		for l := range strings.Lines(text) {
			if strings.HasPrefix(l, "allow\t") || strings.HasPrefix(l, "deny\t") {
				want = append(want, strings.HasPrefix(l, "allow"))
			}
		}
		if len(file.rules) != len(want)+1 {
			t.Fatalf("%d rules of %d lines:\n%s", len(file.rules), len(want), out)
		}
		for i, allow := range want {
			if file.rules[i].allow != allow || len(file.rules[i].signers) > 1 {
				t.Errorf("rule %d:\n%s", i, out)
			}
		}
	})
}
