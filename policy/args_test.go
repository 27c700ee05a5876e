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

// spelled is a host where sshd is an alias of ssh.service, and where nothing tells what "lost" is.
func spelled(_ context.Context, input, value string) (own, other []string, err error) {
	switch {
	case input != "service":
		return []string{value}, nil, nil
	case value == "lost":
		return nil, nil, errors.New("systemd does not answer")
	case value == "ssh" || value == "ssh.service" || value == "sshd" || value == "sshd.service":
		return []string{"ssh.service", "ssh"}, []string{"sshd.service", "sshd"}, nil
	}
	value = strings.TrimSuffix(value, ".service")
	return []string{value + ".service", value}, nil, nil
}

func askedFor(service string) Question {
	return Question{
		Signer: identity.AdminEntry{Name: "eve", Roles: []string{"ops"}}, Plugin: "service", Action: "restart", Change: true, Share: share(1), Now: time.Unix(1_772_366_400, 0),
		Args: map[string]any{"service": service, "force": true}, Spellings: spelled, Facts: labelled{map[string]string{"env": "prod"}},
	}
}

// Each rule is asked for each spelling, and says the same to those of one service.
func TestRulesCompareWhatIsMeant(t *testing.T) {
	ssh, nginx := []string{"ssh", "sshd", "ssh.service", "sshd.service"}, []string{"nginx", "nginx.service"}
	for _, tt := range []struct {
		value                    string
		denies, allows           bool // ssh
		deniesNginx, allowsNginx bool
	}{
		{"sshd", true, true, false, false},
		{"ssh", true, true, false, false},
		{"sshd.service", true, true, false, false},
		{"ssh.service", true, true, false, false},
		{"ssh*", true, true, false, false},
		{"sshd*", true, false, false, false}, // a pattern allows what the service itself is called
		{"*d.service", true, false, false, false},
		{"*.service", true, true, true, true},
		{"*", true, true, true, true},
		{"nginx", false, false, true, true},
		{"nginx*", false, false, true, true},
		{"ngin", false, false, false, false},
	} {
		for _, services := range [][]string{ssh, nginx} {
			denies, allows := tt.denies, tt.allows
			if services[0] == "nginx" {
				denies, allows = tt.deniesNginx, tt.allowsNginx
			}
			for _, s := range services {
				q := askedFor(s)
				if got := decideBy(t, "deny", tt.value, "", q, true); got.Allowed == denies {
					t.Errorf("deny %s: %s is allowed: %t", tt.value, s, got.Allowed)
				}
				if got := decideBy(t, "allow", tt.value, "", q, false); got.Allowed != allows {
					t.Errorf("allow %s: %s is allowed: %t", tt.value, s, got.Allowed)
				}
				roster := identity.Roster{Roles: []identity.RoleEntry{{Name: "ops", Rules: []identity.Rule{{Action: "service.*", Args: map[string]string{"service": tt.value}}}}}}
				if got := Roster(t.Context(), roster, q); got.Allowed != allows {
					t.Errorf("the roster allows %s: %s is allowed: %t", tt.value, s, got.Allowed)
				}
			}
		}
	}
}

// decideBy decides by a file with one rule, behind which a roster allows everything or nothing.
func decideBy(t *testing.T, decision, service, more string, q Question, otherwise bool) Answer {
	t.Helper()
	f, err := Parse("policy.toml", fmt.Appendf(nil, "[[rule]]\ndecision = %q\naction = [\"service.*\"]\nargs = { service = %q }\n%s\n", decision, service, more))
	if err != nil {
		t.Fatal(err)
	}
	return f.Decide(t.Context(), q, func() Answer { return Answer{Allowed: otherwise, By: "the roster"} })
}

// What the host cannot compare is refused by the rule that names it, whatever stands behind the rule; other rules do not care.
func TestAnArgumentThatCannotBeCompared(t *testing.T) {
	for _, tt := range []struct {
		name, decision, service, more, asked string
		allowed                              bool
	}{
		{"a denial", "deny", "sshd", "", "lost", false},
		{"a permission", "allow", "sshd", "", "lost", false},
		{"a pattern", "deny", "ssh*", "", "lost", false},
		{"the rule's own value", "deny", "lost", "", "nginx", false},
		{"any value", "deny", "*", "", "lost", false},
		{"any value allowed", "allow", "*", "", "lost", true},
		{"two keys", "allow", "sshd", "second_key = true", "lost", false},
		{"on other hosts", "deny", "sshd", `when = "env=test"`, "lost", true},
		{"on these hosts", "deny", "sshd", `when = "env=prod"`, "lost", false},
		{"for another admin", "deny", "sshd", `signer = ["bob"]`, "lost", true},
	} {
		got := decideBy(t, tt.decision, tt.service, tt.more, askedFor(tt.asked), true)
		if got.Allowed != tt.allowed || got.Waits {
			t.Errorf("%s: %+v", tt.name, got)
		}
		if named := strings.Contains(got.By, "systemd does not answer"); named != (!tt.allowed && tt.service != "*") {
			t.Errorf("%s: decided by %s", tt.name, got.By)
		}
	}
	other, err := Parse("policy.toml", []byte("[[rule]]\ndecision = \"deny\"\naction = [\"service.*\"]\nargs = { service = \"sshd\", force = \"false\" }\n"))
	if err != nil {
		t.Fatal(err)
	}
	if got := other.Decide(t.Context(), askedFor("lost"), func() Answer { return Answer{Allowed: true} }); !got.Allowed {
		t.Errorf("another argument of the rule differs: %+v", got)
	}
	rules := []identity.Rule{{Action: "service.*", Args: map[string]string{"service": "sshd"}}}
	roster := identity.Roster{Roles: []identity.RoleEntry{{Name: "ops", Rules: rules}}}
	if got := Roster(t.Context(), roster, askedFor("lost")); got.Allowed || !strings.Contains(got.By, "systemd does not answer") {
		t.Errorf("the roster: %+v", got)
	}
	roster.Roles[0].Rules = append(rules, identity.Rule{Action: "service.*"})
	if got := Roster(t.Context(), roster, askedFor("lost")); !got.Allowed {
		t.Errorf("a rule of the roster that names no argument: %+v", got)
	}
}

// A rule that asks for a second key cannot be passed by with an alias, and with two keys it allows only what it names.
func TestASecondKeyByAlias(t *testing.T) {
	for _, service := range []string{"ssh", "sshd", "sshd.service"} {
		q := askedFor(service)
		if got := decideBy(t, "allow", "sshd*", "second_key = true", q, true); !got.Waits || got.Allowed {
			t.Errorf("%s, one key: %+v", service, got)
		}
		q.CoSigned = true
		if got := decideBy(t, "allow", "sshd*", "second_key = true", q, false); got.Allowed {
			t.Errorf("%s, two keys: %+v", service, got)
		}
		if got := decideBy(t, "allow", "sshd", "second_key = true", q, false); !got.Allowed {
			t.Errorf("%s, two keys, by name: %+v", service, got)
		}
	}
}
