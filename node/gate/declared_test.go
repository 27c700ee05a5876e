package gate

import (
	"strings"
	"testing"

	"fleet/identity"
	"fleet/job"
	"fleet/job/filter"
	"fleet/plugins/plugin"
)

// signersOwn is an action as another release declares it.
func signersOwn(kind plugin.Kind, inputs ...plugin.Input) plugin.Action {
	return plugin.Action{Name: "x", Kind: kind, Inputs: inputs}
}

// A host runs what the signer took the action for, or nothing.
func TestTheActionIsWhatItsSignerKnew(t *testing.T) {
	name := plugin.Input{Name: "service", Type: plugin.String, Pattern: "[a-z]+"} // as it is declared here
	with := func(change func(*plugin.Input)) plugin.Input {
		in := name
		change(&in)
		return in
	}
	for _, tt := range []struct {
		name   string
		signer plugin.Action
		change func(*job.Job)
		want   Verdict
		reason job.Reason
		text   string
	}{
		{"a change, for both", signersOwn(plugin.Change, name), nil, Pass, "", ""},
		{"a read, for both", signersOwn(plugin.Read, name), func(j *job.Job) { j.Action = "status" }, Pass, "", ""},
		{"with an input that only the signer knows, and that the job leaves out", signersOwn(plugin.Change, name, plugin.Input{Name: "force", Type: plugin.Boolean, Optional: true}), nil, Pass, "", ""},
		{"a change, for the signer a read", signersOwn(plugin.Read, name), nil, Refuse, job.ReasonDeclared,
			"web1 takes service.restart for a change, the job's signer for a read: its plugin is of another version; upgrade fleet on the older"},
		{"a read, for the signer a change", signersOwn(plugin.Change, name), func(j *job.Job) { j.Action = "status" }, Refuse, job.ReasonDeclared,
			"web1 takes service.status for a read, the job's signer for a change"},
		{"a question about a change, for the signer a read", signersOwn(plugin.Read, name), func(j *job.Job) { j.Mode = job.Match }, Refuse, job.ReasonDeclared, "takes service.restart for a change"},
		{"an input that is not here", signersOwn(plugin.Change, name, plugin.Input{Name: "force", Type: plugin.Boolean, Optional: true}), func(j *job.Job) { j.Args["force"] = true },
			Refuse, job.ReasonDeclared, `has another service.restart than the job's signer (restart has no argument "force"`},
		{"an input that the signer does not know", signersOwn(plugin.Change), func(j *job.Job) { j.Args = nil }, Refuse, job.ReasonDeclared, "(restart needs service"},
		{"another check", signersOwn(plugin.Change, with(func(in *plugin.Input) { in.Pattern = "[a-z-]+" })), nil, Refuse, job.ReasonDeclared, "with other inputs, checks or defaults"},
		{"another default", signersOwn(plugin.Change, with(func(in *plugin.Input) { in.Default = "cron" })), nil, Refuse, job.ReasonDeclared, "with other inputs, checks or defaults"},
		{"a secret for the signer", signersOwn(plugin.Change, with(func(in *plugin.Input) { in.Secret = true })), nil, Refuse, job.ReasonDeclared, "with other inputs"},

		{"not for this host", signersOwn(plugin.Read, name), func(j *job.Job) { j.Filter = filter.Filter{Facts: []string{"hagroup=a"}} }, NoMatch, "", ""},
		{"not allowed", signersOwn(plugin.Read, name), func(j *job.Job) { j.Plugin, j.Action = "package", "purge" }, Refuse, job.ReasonPolicy, ""},
		{"not known here", signersOwn(plugin.Read, name), func(j *job.Job) { j.Plugin = "nothing" }, Refuse, job.ReasonAction, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			sign := func(id string, alter func(*job.Job)) []byte {
				return w.job(t, func(j *job.Job) {
					if j.ID = id; tt.change != nil {
						tt.change(j)
					}
					alter(j)
				})
			}
			id := job.NewID(now)
			signed := sign(id, func(j *job.Job) { j.Declared = declared(t, tt.signer, j.Args) })
			for range 2 {
				d := w.gate.Judge(t.Context(), signed)
				if tt.want == Pass {
					if d.Verdict != Pass {
						t.Fatalf("%v %s %q", d.Verdict, d.Reason, d.Message)
					}
					return
				}
				if d.Verdict != tt.want || d.Reason != tt.reason || !strings.Contains(d.Message, tt.text) || d.Claimed {
					t.Errorf("%v %s %q, claimed %t", d.Verdict, d.Reason, d.Message, d.Claimed)
				}
			}
			if tt.reason != job.ReasonDeclared {
				return
			}
			w.restart()
			if d := w.gate.Judge(t.Context(), signed); d.Verdict != Refuse {
				t.Errorf("after a restart: %v", d.Verdict)
			}
			// The id is free for a job that the host knows.
			honest := sign(id, func(j *job.Job) { j.Args = map[string]any{"service": "nginx"} })
			if d := w.gate.Judge(t.Context(), honest); d.Verdict != Pass && d.Verdict != WouldRun {
				t.Errorf("another job of that id: %v %s %q", d.Verdict, d.Reason, d.Message)
			}
		})
	}
}

// defaulting is a host whose restart has an input with a default, which the signer's has not.
type defaulting struct{ actions }

func (d defaulting) Action(p, a string) (plugin.Action, bool) {
	action, ok := d.actions.Action(p, a)
	action.Inputs = append(action.Inputs, plugin.Input{Name: "force", Type: plugin.Boolean, Optional: true, Default: true})
	return action, ok
}

// A value that the signer has not seen is not filled in for him.
func TestADefaultIsWhatItsSignerKnew(t *testing.T) {
	w := newWorld(t)
	signed := w.job(t, nil)
	w.gate.Plugins = defaulting{}
	if d := w.gate.Judge(t.Context(), signed); d.Verdict != Refuse || d.Reason != job.ReasonDeclared {
		t.Errorf("%v %s %q", d.Verdict, d.Reason, d.Message)
	}
	if d := w.gate.Judge(t.Context(), w.job(t, nil)); d.Verdict != Pass || d.Passed.args["force"] != true {
		t.Errorf("of a signer who knows it: %v %q, %v", d.Verdict, d.Message, d.Passed.args)
	}
}

// A change lists its hosts, whatever its filter says and whoever signed it.
func TestAChangeNamesItsHosts(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*job.Job)
		want   Verdict
		reason job.Reason
		text   string
	}{
		{"a change", func(j *job.Job) {}, Refuse, job.ReasonHosts, "job names no hosts: a change lists each host that it is for"},
		{"a change for who matches, which this host does", func(j *job.Job) { j.Filter = filter.Filter{Identities: []string{"web1"}} }, Refuse, job.ReasonHosts, "job names no hosts"},
		{"a change for others", func(j *job.Job) { j.Filter = filter.Filter{Identities: []string{"db1"}} }, Refuse, job.ReasonHosts, "job names no hosts"},
		{"a change of another declaration", func(j *job.Job) { j.Declared = declared(t, signersOwn(plugin.Change), nil) }, Refuse, job.ReasonHosts, "job names no hosts"},
		{"a change that its signer takes for a read", func(j *job.Job) { j.Declared = declared(t, signersOwn(plugin.Read), nil) }, Refuse, job.ReasonDeclared,
			"web1 takes service.restart for a change, the job's signer for a read"},
		{"a question", func(j *job.Job) { j.Mode = job.Match }, WouldRun, "", ""},
		{"a read", func(j *job.Job) { j.Action = "status" }, Pass, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, id := newWorld(t), job.NewID(now)
			signed := w.job(t, func(j *job.Job) { j.ID, j.Targets = id, noHosts; tt.change(j) })
			if tt.want == Refuse {
				w.gate.Host, w.gate.Journal = untouched{t: t}, unbegun{w.journal, t}
			}
			d := w.gate.Judge(t.Context(), signed)
			if d.Verdict != tt.want || d.Reason != tt.reason || !strings.Contains(d.Message, tt.text) {
				t.Fatalf("%v %s %q", d.Verdict, d.Reason, d.Message)
			}
			if tt.want != Refuse {
				return
			}
			w.gate.Host, w.gate.Journal = host{}, w.journal
			if d := w.gate.Judge(t.Context(), signed); d.Verdict != Refuse || d.Reason != tt.reason {
				t.Errorf("again: %v %s", d.Verdict, d.Reason)
			}
			if d := w.gate.Judge(t.Context(), w.job(t, func(j *job.Job) { j.ID = id })); d.Verdict != Pass {
				t.Errorf("planned, with the same id: %v %s %q", d.Verdict, d.Reason, d.Message)
			}
		})
	}
	w := newWorld(t)
	w.rules = []identity.Rule{{Action: "other.*"}}
	if d := w.gate.Judge(t.Context(), w.job(t, func(j *job.Job) { j.Targets = noHosts })); d.Reason != job.ReasonPolicy {
		t.Errorf("who may not do it is told that, and not %s", d.Reason)
	}
}
