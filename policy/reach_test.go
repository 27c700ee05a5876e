package policy

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"fleet/identity"
)

// asking is a host that fails the test where it is asked a fact or a data function.
type asking struct {
	labelled
	t *testing.T
}

func (a asking) Fact(path string) (any, bool) {
	a.t.Errorf("the host was asked for its fact %s", path)
	return nil, false
}
func (a asking) HasData(string) bool {
	a.t.Error("the host was asked for its data functions")
	return false
}

func TestReach(t *testing.T) {
	const deny, allow = "decision = \"deny\"\n", "decision = \"allow\"\n"
	tests := []struct {
		name  string
		rules []identity.Rule
		file  string
		roles []string
		want  Reach
	}{
		{name: "no role", rules: []identity.Rule{{Action: "*.*"}}, want: Nowhere},
		{name: "a role for other actions", rules: []identity.Rule{{Action: "package.*"}, {Action: "service.status"}}, roles: []string{"ops"}, want: Nowhere},
		{name: "a role", rules: []identity.Rule{{Action: "service.*"}}, roles: []string{"ops"}, want: Here},
		{name: "with other arguments", rules: []identity.Rule{{Action: "service.*", Args: map[string]string{"service": "cron"}}}, roles: []string{"ops"}, want: Here},
		{name: "with a second signature", rules: []identity.Rule{{Action: "service.*", Second: 1}}, roles: []string{"ops"}, want: Here},
		{name: "on other hosts", rules: []identity.Rule{{Action: "service.*", Hosts: "env=dev"}}, roles: []string{"ops"}, want: Elsewhere},
		{name: "on other hosts, or with other arguments on these", rules: []identity.Rule{{Action: "service.*", Hosts: "env=dev"},
			{Action: "service.*", Hosts: "env=prod", Args: map[string]string{"service": "cron"}}}, roles: []string{"ops"}, want: Here},
		{name: "at another time, on other hosts", rules: []identity.Rule{{Action: "service.*", Hosts: "env=dev", Until: noon.Unix()}}, roles: []string{"ops"}, want: Nowhere},
		{name: "by the host's file", file: "[[rule]]\n" + allow + "action = [\"service.*\"]\nsigner = [\"ann\"]\nwhen = \"hagroup=b\"\n", want: Here},
		{name: "by the host's file for others", file: "[[rule]]\n" + allow + "action = [\"service.*\"]\nsigner = [\"ben\"]\n", want: Nowhere},
		{name: "a rule behind one that always denies", file: "[[rule]]\n" + deny + "action = [\"*.*\"]\n[[rule]]\n" + allow + "action = [\"*.*\"]\n", want: Nowhere},
		{name: "a rule behind one that may deny", file: "[[rule]]\n" + deny + "action = [\"*.*\"]\nwhen = \"hagroup=c\"\n[[rule]]\n" + allow + "action = [\"*.*\"]\n", want: Here},
		{name: "what the file denies is told to those for whom the host is meant", rules: []identity.Rule{{Action: "*.*"}}, roles: []string{"ops"}, file: "default = \"deny\"\n", want: Here},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := identity.Roster{Roles: []identity.RoleEntry{{Name: "ops", Rules: tt.rules}}}
			f, err := Parse("p.toml", []byte(tt.file))
			if err != nil {
				t.Fatal(err)
			}
			q := restart(tt.roles...)
			q.Args, q.Facts = nil, asking{t: t}
			if got := f.Reach(q, func() Reach { return RosterReach(t.Context(), r, q) }); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}

// Whatever the rules: what Decide allows, or would with a second signature, is within Reach.
func TestReachNeverSaysLessThanDecide(t *testing.T) {
	luck := rand.New(rand.NewPCG(1, 2))
	one := func(of ...string) string { return of[luck.IntN(len(of))] }
	allowed := 0
	for range 5000 {
		var rules []identity.Rule
		for range luck.IntN(4) {
			r := identity.Rule{Action: one("*.*", "service.*", "service.restart", "*.restart", "package.*"), Hosts: one("", "", "env=prod", "env=dev", "and and")}
			if luck.IntN(2) == 0 {
				r.Args = map[string]string{"service": one("*", "nginx", "cron")}
			}
			r.From, r.Until, r.Second = noon.Unix()-1+int64(luck.IntN(3)), int64(luck.IntN(2))*(noon.Unix()+int64(luck.IntN(2))), uint8(luck.IntN(3))
			rules = append(rules, r)
		}
		var file strings.Builder
		fmt.Fprintf(&file, "default = %q\n", one("defer", "defer", "deny"))
		for range luck.IntN(4) {
			fmt.Fprintf(&file, "[[rule]]\ndecision = %q\naction = [%q]\n", one("allow", "deny"), one("*.*", "service.*", "package.*", "*.restart"))
			file.WriteString(one("", "", "signer = [\"ann\"]\n", "signer = [\"ben\"]\n"))
			file.WriteString(one("", "", "role = [\"ops\"]\n", "role = [\"dba\"]\n"))
			file.WriteString(one("", "", "args = { service = \"nginx\" }\n", "args = { service = \"cron\" }\n"))
			file.WriteString(one("", "", "when = \"hagroup=c\"\n", "when = \"hagroup=b\"\n", "when = \"broken('x').a=1\"\n"))
			file.WriteString(one("", "second_key = true\n"))
		}
		f, err := Parse("p.toml", []byte(file.String()))
		if err != nil {
			t.Fatal(err)
		}
		r := identity.Roster{Roles: []identity.RoleEntry{{Name: "ops", Rules: rules}}}
		q := restart(one("ops", "ops", "dba"))
		a := f.Decide(t.Context(), q, func() Answer { return Roster(context.Background(), r, q) })
		reach := f.Reach(q, func() Reach { return RosterReach(context.Background(), r, q) })
		if a.Allowed || a.Waits {
			if allowed++; reach != Here {
				t.Fatalf("%+v, reach %d\n%+v\n%s", a, reach, rules, file.String())
			}
		}
	}
	if allowed < 500 {
		t.Errorf("only %d were allowed", allowed)
	}
}
