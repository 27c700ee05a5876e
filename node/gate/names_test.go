package gate

import (
	"context"
	"strings"
	"testing"

	"fleet/identity"
	"fleet/job"
	"fleet/policy"
)

// asking counts how often the plugin is asked what an argument names.
type asking struct {
	anything
	asked *int
}

func (c asking) Names(ctx context.Context, p, a, input, value string) (own, other []string, err error) {
	*c.asked++
	return c.anything.Names(ctx, p, a, input, value)
}

// The rules of file and roster see what the plugin would act on. The plugin is asked only where a rule names the argument, and once
// for each value: it may have to ask the init system.
func TestRulesSeeWhatThePluginDoes(t *testing.T) {
	const denied, allowed = "[[rule]]\ndecision = \"deny\"\naction = [\"service.*\"]\nargs = { service = \"sshd\" }\n",
		"default = \"deny\"\n[[rule]]\ndecision = \"allow\"\naction = [\"service.*\"]\nargs = { service = \"sshd.service\" }\n"
	only := []identity.Rule{{Action: "service.restart", Args: map[string]string{"service": "ssh"}}, {Action: "service.status", Args: map[string]string{"service": "ssh"}}}
	for _, tt := range []struct {
		name, file string
		rules      []identity.Rule // nil: everything
		passes     string          // the services that may be restarted
		asked      int             // for each job
	}{
		{"the file denies sshd", denied, nil, "nginx nginx.service", 2},
		{"the file allows sshd.service", allowed, nil, "sshd ssh sshd.service ssh.service", 2},
		{"the roster allows ssh", "", only, "sshd ssh sshd.service ssh.service", 2},
		{"no rule names it", "[[rule]]\ndecision = \"deny\"\naction = [\"package.*\"]\nargs = { package = \"nginx\" }\n", nil, "nginx nginx.service sshd ssh sshd.service ssh.service lost", 0},
	} {
		for _, service := range strings.Fields("nginx nginx.service sshd ssh sshd.service ssh.service lost") {
			w, asked := newWorld(t), 0
			w.gate.Plugins = asking{asked: &asked}
			w.gate.Policy = func() (policy.File, error) { return policy.Parse("policy.toml", []byte(tt.file)) }
			if tt.rules != nil {
				w.rules = tt.rules
			}
			d := w.gate.Judge(t.Context(), w.job(t, func(j *job.Job) { j.Args = map[string]any{"service": service} }))
			want := Refuse
			if strings.Contains(" "+tt.passes+" ", " "+service+" ") {
				want = Pass
			}
			if d.Verdict != want || want == Refuse && d.Reason != job.ReasonPolicy {
				t.Errorf("%s, %s: %v %s %q", tt.name, service, d.Verdict, d.Reason, d.Message)
			}
			if asked > tt.asked {
				t.Errorf("%s, %s: the plugin was asked %d times", tt.name, service, asked)
			}
			if service == "lost" && want == Refuse && !strings.Contains(d.Message, "cannot say what service=lost names: systemd does not answer") {
				t.Errorf("%s: %q", tt.name, d.Message)
			}
			answer, _ := w.gate.Can(t.Context(), "ann", "service", "restart", map[string]string{"service": service}, 0)
			if answer.Allowed != (want == Pass) {
				t.Errorf("%s: fleet can %s says %+v", tt.name, service, answer)
			}
		}
	}
}
