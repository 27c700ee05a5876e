package client

import (
	"testing"

	"fleet/identity"
	"fleet/job"
)

// Many targets are addressed together, unless they are few of the fleet: then nobody else shall have to look at the job.
func TestSubjects(t *testing.T) {
	for _, tt := range []struct {
		name           string
		targets, fleet int
		all            bool
	}{
		{"whoever matches", -1, 5000, true},
		{"a few", 100, 0, false},
		{"many, of who knows how many", 101, 0, true},
		{"all of a small fleet", 500, 500, true},
		{"a quarter", 500, 2000, true},
		{"a portion of a large fleet", 500, 2001, false},
	} {
		g := gathering{request: Request{Fleet: tt.fleet}}
		for range tt.targets {
			g.request.Targets = append(g.request.Targets, Target{Node: identity.NewKey[identity.Node]().Public().ID()})
		}
		got := g.subjects()
		if all := len(got) == 1 && got[0] == job.AllSubject; all != tt.all || !all && len(got) != tt.targets {
			t.Errorf("%s: %d subjects, the first is %s", tt.name, len(got), got[0])
		}
	}
}
