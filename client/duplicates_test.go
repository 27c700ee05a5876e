package client_test

import (
	"strings"
	"testing"

	"fleet/client"
	"fleet/job"
)

// Whose key two machines use is named in each run, with both addresses, and left out of what changes things.
func TestTwinsAreNamedAndLeftOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.host("web1", ok)
	duplicate := w.host("web2", ok)
	w.duplicate(duplicate.id(), "10.0.0.2", "10.0.0.9")
	named := func(what string, duplicates []client.DuplicateKey) {
		t.Helper()
		if len(duplicates) != 1 || duplicates[0].Node != duplicate.id() || duplicates[0].Name != "web2" {
			t.Fatalf("%s: %+v", what, duplicates)
		}
		for _, part := range []string{"web2", "10.0.0.2", "10.0.0.9", "fleet node revoke web2"} {
			if text := duplicates[0].Warning(); !strings.Contains(text, part) {
				t.Errorf("%s: %q does not say %s", what, text, part)
			}
		}
	}
	run, err := w.run(t.Context(), request())
	if err != nil || outcome(t, run, "web2").State != job.OK {
		t.Fatalf("%+v, %v", run, err)
	}
	named("a run", run.Duplicates)
	plan, err := w.client().Plan(t.Context(), request(), nil)
	if err != nil || len(plan.Targets) != 1 || plan.Targets[0].Name != "web1" || len(plan.Refused) != 1 || plan.Refused[0].Reason != job.ReasonPolicy {
		t.Fatalf("%+v, %v", plan, err)
	}
	named("a plan", plan.Duplicates)
}
