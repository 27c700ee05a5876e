package gate

import (
	"testing"

	"fleet/identity"
	"fleet/job"
)

// A rule about a share of the fleet judges the change, in however many portions and batches it goes out.
func TestTheShareIsOfThePlan(t *testing.T) {
	for _, tt := range []struct {
		name          string
		listed, total int
		waits         bool
	}{
		{"a few", 2, 0, false},
		{"many", 3, 0, true},
		{"a batch of a few", 1, 2, false},
		{"a batch of many", 1, 3, true},
		{"a portion of all", 2, 9, true},
	} {
		w := newWorld(t)
		w.rules, w.hosts = []identity.Rule{{Action: "service.*", Second: 31}}, 9
		d := w.gate.Judge(t.Context(), w.job(t, func(j *job.Job) {
			j.Targets = []identity.ID{w.self.ID}
			for len(j.Targets) < tt.listed {
				j.Targets = append(j.Targets, identity.NewKey[identity.Node]().Public().ID())
			}
			if tt.total > 0 {
				j.Plan = job.Plan{ID: job.NewID(now), Total: uint32(tt.total), Parts: uint32(tt.total - tt.listed + 1)}
			}
		}))
		if tt.waits && (d.Verdict != Refuse || d.Reason != job.ReasonSecond) || !tt.waits && d.Verdict != Pass {
			t.Errorf("%s: %v %s %q", tt.name, d.Verdict, d.Reason, d.Message)
		}
	}
}
