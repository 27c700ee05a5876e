package client_test

import (
	"strings"
	"testing"

	"fleet/client"
	"fleet/job"
	"fleet/plugins/plugin"
)

// Each job says what this program takes the action for, and a review what the first signer's does.
func TestAJobSaysWhatItsSignerKnows(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	jobs := make(chan job.Job, 9)
	h := w.host("web1", func(a asked) {
		if a.copy == 1 { // a slow machine is asked again
			jobs <- a.job
		}
		ok(a)
	})
	restart := client.Request{Plugin: "service", Action: "restart", Args: map[string]any{"service": "nginx"}, Timeout: patience}
	c := w.client()
	sent := func(err error) job.Job {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return <-jobs
	}
	says := func(action string) job.Declared {
		a, _ := declared("service", action)
		meaning, err := a.Meaning(restart.Args)
		if err != nil {
			t.Fatal(err)
		}
		return job.Declared{Change: a.Kind == plugin.Change, Meaning: meaning}
	}
	_, err := c.Plan(t.Context(), restart, nil)
	if j := sent(err); j.Mode != job.Match || j.Declared != says("restart") || !j.Declared.Change {
		t.Errorf("a plan: %s %+v", j.Mode, j.Declared)
	}
	restart.Targets = []client.Target{{Node: h.id(), Name: "web1"}}
	_, err = c.Run(t.Context(), restart, nil)
	change := sent(err)
	if change.Mode != job.Run || change.Declared != says("restart") {
		t.Errorf("a change: %s %+v", change.Mode, change.Declared)
	}
	_, err = c.Run(t.Context(), request(), nil)
	if j := sent(err); j.Declared != says("status") || j.Declared.Change {
		t.Errorf("a read: %+v", j.Declared)
	}
	change.Declared.Meaning[0]++
	_, _, err = c.Review(t.Context(), change, patience, nil)
	if j := sent(err); j.Mode != job.Match || j.Declared != change.Declared {
		t.Errorf("a review: %s %+v, of a job that says %+v", j.Mode, j.Declared, change.Declared)
	}
}

// Nothing is sent that no host would run.
func TestWhatIsNotSigned(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.host("web1", func(a asked) { t.Errorf("%s %s was sent", a.job.Plugin, a.job.Action); ok(a) })
	c := w.client()
	for _, tt := range []struct {
		name   string
		change func(*client.Request)
		want   string
	}{
		{"a change for whoever matches", func(r *client.Request) { r.Action = "restart" }, "has to be planned before it is sent"},
		{"a change for a name", func(r *client.Request) { r.Action, r.Filter = "restart", named(t, "web1") }, "has to be planned before it is sent"},
		{"no targets left", func(r *client.Request) { r.Targets = []client.Target{} }, "without targets"},
		{"an action that is not known", func(r *client.Request) { r.Action = "explode" }, "knows no action service explode"},
		{"a plugin that is not known", func(r *client.Request) { r.Plugin = "docker" }, "knows no action docker status"},
	} {
		r := request()
		tt.change(&r)
		if _, err := c.Run(t.Context(), r, nil); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}
