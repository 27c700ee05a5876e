package gate

import (
	"bytes"
	"crypto/ed25519"
	"strings"
	"testing"

	"fleet/identity"
	"fleet/job"
	"fleet/policy"
)

// approved appends an approval as another program than fleet's client would, whatever the job is.
func approved(signed []byte, by identity.PrivateKey[identity.Admin]) []byte {
	out := append(bytes.Clone(signed), by.Public().Bytes()...)
	return append(out, by.Sign(identity.ApprovalContext, signed)[:ed25519.SignatureSize]...)
}

// A job without targets is for every host. Where a rule asks for a second key, no signature makes up for it: who gave it could not
// see which hosts it is for. A change without targets does not get that far.
func TestNobodyApprovesAJobWithoutTargets(t *testing.T) {
	file := func(text string) func(*world) {
		return func(w *world) {
			w.gate.Policy = func() (policy.File, error) { return policy.Parse("policy.toml", []byte(text)) }
		}
	}
	second := func(n uint8) func(*world) {
		return func(w *world) { w.rules = []identity.Rule{{Action: "service.*", Second: n}} }
	}
	for _, rule := range []struct {
		name  string
		setup func(*world)
	}{
		{"the roster asks for a second key", second(1)},
		{"the roster asks above 50 % of the fleet", second(51)},
		{"the roster asks above 99 % of the fleet", second(100)},
		{"the host's file asks for one", file("[[rule]]\ndecision = \"allow\"\naction = [\"service.*\"]\nsecond_key = true\n")},
		{"the host's file asks above 99 %", file("[[rule]]\ndecision = \"allow\"\naction = [\"service.*\"]\nsecond_key = 99\n")},
	} {
		for _, action := range []string{"restart", "status"} {
			for _, tt := range []struct {
				name   string
				change func(*world, *job.Job)
			}{
				{"nothing else", func(*world, *job.Job) {}},
				{"a filter", func(_ *world, j *job.Job) { j.Filter.Identities = []string{"web1"} }},
				{"a deadline of admission", func(w *world, j *job.Job) { j.Planned = w.now.UnixMilli() }},
			} {
				t.Run(rule.name+", "+action+", "+tt.name, func(t *testing.T) {
					w := newWorld(t)
					rule.setup(w)
					both := approved(w.job(t, func(j *job.Job) { j.Action, j.Targets = action, noHosts; tt.change(w, j) }), w.second)
					reason, message := job.ReasonSecond, "without exact targets cannot be approved"
					if action == "restart" {
						reason, message = job.ReasonHosts, "names no hosts"
					}
					for range 2 {
						d := w.gate.Judge(t.Context(), both)
						if d.Verdict != Refuse || d.Reason != reason || !strings.Contains(d.Message, message) {
							t.Errorf("%v %s %q", d.Verdict, d.Reason, d.Message)
						}
					}
					if got := strings.Join(w.audit.lines, ", "); strings.Contains(got, "run") || !strings.Contains(got, "decision refuse") {
						t.Errorf("the audit says %s", got)
					}
				})
			}
		}
	}
	t.Run("another rule needs no second key", func(t *testing.T) {
		w := newWorld(t)
		w.rules = []identity.Rule{{Action: "service.*", Second: 1}, {Action: "service.status"}}
		if d := w.gate.Judge(t.Context(), approved(w.job(t, func(j *job.Job) { j.Action = "status" }), w.second)); d.Verdict != Pass || len(d.CoSigners) != 0 {
			t.Errorf("%v %q, approved by %v", d.Verdict, d.Message, d.CoSigners)
		}
	})
	t.Run("a question is answered", func(t *testing.T) {
		w := newWorld(t)
		second(1)(w)
		if d := w.gate.Judge(t.Context(), w.job(t, func(j *job.Job) { j.Mode = job.Match })); d.Verdict != WouldRun {
			t.Errorf("%v %q", d.Verdict, d.Message)
		}
	})
}
