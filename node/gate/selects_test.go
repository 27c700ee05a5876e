package gate

import (
	"context"
	"strings"
	"testing"

	"fleet/identity"
	"fleet/job"
	"fleet/job/filter"
	"fleet/policy"
)

// counted counts how often its data functions are asked.
type counted struct {
	host
	asked *int
}

func (c counted) Data(ctx context.Context, function, argument string) (map[string]any, error) {
	*c.asked++
	return c.host.Data(ctx, function, argument)
}

// A data function answers whom the policy lets run the read that shows the same, with that argument, and nobody else: neither in
// match mode nor under not, and only if it is needed at all.
func TestADataFunctionNeedsTheRightToItsRead(t *testing.T) {
	const denyFile = "[[rule]]\ndecision = \"deny\"\naction = [\"service.status\"]\n"
	status := identity.Rule{Action: "service.status"}
	nginx := identity.Rule{Action: "service.status", Args: map[string]string{"service": "nginx"}}
	two := identity.Rule{Action: "service.status", Second: 1}
	for _, tt := range []struct {
		name   string
		rules  []identity.Rule
		file   string
		filter string
		want   Verdict
		asked  int
		text   string
	}{
		{"with the right", []identity.Rule{status}, "", "service('nginx').status=running", Pass, 1, ""},
		{"with the right, and it does not hold", []identity.Rule{status}, "", "service('nginx').status=stopped", NoMatch, 1, ""},
		{"without", nil, "", "service('nginx').status=running", Refuse, 0, `the filter asks service("nginx"), which needs the right to service.status: no role of ann allows service.status`},
		{"without, under not", nil, "", "not service('nginx').status=running", Refuse, 0, "service.status"},
		{"without, and it is not needed", nil, "", "hagroup=c or service('nginx').status=running", Pass, 0, ""},
		{"without, and it does not count", nil, "", "hagroup=a and service('nginx').status=running", NoMatch, 0, ""},
		{"with the right to another argument", []identity.Rule{nginx}, "", "service('sshd').status=running", Refuse, 0, `service("sshd")`},
		{"with the right to this argument", []identity.Rule{nginx}, "", "service('nginx').status=running", Pass, 1, ""},
		{"the right to one of two", []identity.Rule{nginx}, "", "service('nginx').status=running and service('sshd').status=running", Refuse, 1, `service("sshd")`},
		{"with a second signature, which is not there", []identity.Rule{two}, "", "service('nginx').status=running", Refuse, 0, "needs the signature of a second admin"},
		{"denied by the host's file", []identity.Rule{status}, denyFile, "service('nginx').status=running", Refuse, 0, "p.toml:1"},
		{"allowed by the host's file", nil, strings.ReplaceAll(denyFile, "deny", "allow"), "service('nginx').status=running", Pass, 1, ""},
		{"by a rule that asks a data function", nil, strings.ReplaceAll(denyFile, "deny", "allow") + "when = \"service('x').status=running\"\n",
			"service('nginx').status=running", Pass, 2, ""},
		{"a function that is not here", nil, "", "not docker('x').up=true", NoMatch, 0, ""},
		{"what every host has", nil, "", "agent('service').present=true and fact('hagroup').value=c", Pass, 0, ""},
	} {
		for _, mode := range []job.Mode{job.Run, job.Match} {
			w, asked := newWorld(t), 0
			w.rules = append(tt.rules, identity.Rule{Action: "service.restart"})
			w.gate.Policy = func() (policy.File, error) { return policy.Parse("p.toml", []byte(tt.file)) }
			w.gate.Host = counted{asked: &asked}
			d := w.gate.Judge(t.Context(), w.job(t, func(j *job.Job) { j.Mode, j.Filter = mode, filter.Filter{Selects: []string{tt.filter}} }))
			want := tt.want
			if want == Pass && mode == job.Match {
				want = WouldRun
			}
			if d.Verdict != want || asked != tt.asked || want == Refuse && d.Reason != job.ReasonPolicy || !strings.Contains(d.Message, tt.text) {
				t.Errorf("%s, %s: %v %s %q, asked %d times", tt.name, mode, d.Verdict, d.Reason, d.Message, asked)
			}
		}
	}
}

// A change that two admins signed may ask what both may read.
func TestADataFunctionWithASecondSignature(t *testing.T) {
	w := newWorld(t)
	w.rules = []identity.Rule{{Action: "service.*", Second: 1}}
	alone := w.job(t, func(j *job.Job) {
		j.Targets, j.Filter = []identity.ID{w.self.ID}, filter.Filter{Selects: []string{"service('nginx').status=running"}}
	})
	both, err := job.Approve(alone, w.second)
	if err != nil {
		t.Fatal(err)
	}
	if d := w.gate.Judge(t.Context(), alone); d.Verdict != Refuse || d.Reason != job.ReasonPolicy {
		t.Errorf("alone: %v %q", d.Verdict, d.Message)
	}
	if d := w.gate.Judge(t.Context(), both); d.Verdict != Pass {
		t.Errorf("both: %v %q", d.Verdict, d.Message)
	}
}
