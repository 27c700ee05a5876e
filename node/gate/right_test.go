package gate

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"fleet/identity"
	"fleet/job"
	"fleet/job/filter"
	"fleet/node/journal"
	"fleet/policy"
)

// untouched is a host whose facts and data functions nobody may ask.
type untouched struct {
	host
	t *testing.T
}

func (u untouched) Fact(path string) (any, bool) {
	u.t.Errorf("the fact %s was asked for", path)
	return nil, false
}

func (u untouched) Data(context.Context, string, string) (map[string]any, error) {
	u.t.Error("a data function was asked")
	return nil, nil
}

// unbegun is a journal in which no job may begin.
type unbegun struct {
	*journal.Journal
	t *testing.T
}

func (u unbegun) Begin(journal.Job, time.Time) (journal.Claim, error) {
	u.t.Error("a job was begun")
	return journal.Claim{}, nil
}

// Who can have no right here is refused the same whatever the filter would say, and for all modes and kinds; only what the signer may
// know, a name or a label, makes it no match, and only where he has the right on other hosts.
func TestWithoutARightTheFilterIsNotLookedAt(t *testing.T) {
	facts := func(text string) filter.Filter { return filter.Filter{Facts: []string{text}} }
	for _, tt := range []struct {
		name   string
		rules  []identity.Rule
		filter filter.Filter
		want   Verdict
	}{
		{"a filter that fits", nil, facts("hagroup=c"), Refuse},
		{"a filter that does not fit", nil, facts("hagroup=a"), Refuse},
		{"a filter for another label", nil, facts("env=dev"), Refuse},
		{"a data function", nil, filter.Filter{Selects: []string{"service('nginx').status=running"}}, Refuse},
		{"no filter at all", nil, filter.Filter{}, Refuse},
		{"a filter that does not parse", nil, filter.Filter{Selects: []string{"and and"}}, Refuse},
		{"on other hosts", []identity.Rule{{Action: "*.*", Hosts: "env=dev"}}, facts("hagroup=a"), Refuse},
		{"on other hosts, and that is whom the job is for", []identity.Rule{{Action: "*.*", Hosts: "env=dev"}}, facts("env=dev"), NoMatch},
		{"on other hosts, by name", []identity.Rule{{Action: "*.*", Hosts: "env=dev"}}, filter.Filter{Identities: []string{"db*"}}, NoMatch},
	} {
		for _, action := range []string{"restart", "status"} {
			for _, mode := range []job.Mode{job.Run, job.Match} {
				name := fmt.Sprintf("%s, %s, %s", tt.name, action, mode)
				w := newWorld(t)
				w.rules, w.self.Labels = tt.rules, map[string]string{"env": "prod"}
				w.gate.Host, w.gate.Journal = untouched{t: t}, unbegun{w.journal, t}
				signed := w.job(t, func(j *job.Job) { j.Action, j.Mode, j.Filter = action, mode, tt.filter })
				for range 2 {
					d := w.gate.Judge(t.Context(), signed)
					if d.Verdict != tt.want || d.Claimed || d.Claim.First || tt.want == Refuse && (d.Reason != job.ReasonPolicy || !strings.Contains(d.Message, "no role of ann allows service."+action)) {
						t.Errorf("%s: %v %s %q", name, d.Verdict, d.Reason, d.Message)
					}
				}
				w.rules, w.gate.Host, w.gate.Journal = []identity.Rule{{Action: "*.*"}}, host{}, w.journal
				w.self.Labels = map[string]string{"env": "dev"}
				if d := w.gate.Judge(t.Context(), signed); tt.want == Refuse && d.Verdict != Refuse {
					t.Errorf("%s, once there is a right: %v", name, d.Verdict)
				}
			}
		}
	}
}

// Thousands of jobs of an admin without a right take no room, and neither does his use of another's id.
func TestWithoutARightNothingIsTaken(t *testing.T) {
	w := newWorld(t)
	good := w.job(t, nil)
	if d := w.gate.Judge(t.Context(), good); d.Verdict != Pass {
		t.Fatalf("%+v", d)
	}
	w.rules = []identity.Rule{{Action: "service.restart"}}
	status := func(j *job.Job) { j.Action = "status" }
	for range 9000 { // more than reads are remembered
		if d := w.gate.Judge(t.Context(), w.job(t, status)); d.Verdict != Refuse || d.Reason != job.ReasonPolicy {
			t.Fatalf("%v %q", d.Verdict, d.Message)
		}
	}
	id := w.gate.Judge(t.Context(), good).Job.ID
	w.gate.Judge(t.Context(), w.job(t, func(j *job.Job) { j.ID = id; status(j) }))
	if d := w.gate.Judge(t.Context(), good); d.Verdict != Seen || !d.Claim.Running {
		t.Errorf("the change that runs: %+v", d)
	}
	w.rules = []identity.Rule{{Action: "service.*"}}
	if d := w.gate.Judge(t.Context(), w.job(t, status)); d.Verdict != Pass {
		t.Errorf("an honest read: %v %s %q", d.Verdict, d.Reason, d.Message)
	}
}

// A job that ran while its signer had the right is answered by how it stands, also when the right is gone.
func TestARightThatIsGoneUndoesNothing(t *testing.T) {
	for _, action := range []string{"restart", "status"} {
		w := newWorld(t)
		signed := w.job(t, func(j *job.Job) { j.Action = action })
		if d := w.gate.Judge(t.Context(), signed); d.Verdict != Pass {
			t.Fatalf("%+v", d)
		}
		w.rules = nil
		if d := w.gate.Judge(t.Context(), signed); d.Verdict != Seen || !d.Claim.Running {
			t.Errorf("%s: %v %q", action, d.Verdict, d.Message)
		}
	}
}

// The host's own file gives a right that no role gives; a file that cannot be read gives none.
func TestTheHostsFileGivesARight(t *testing.T) {
	const file = "[[rule]]\ndecision = \"allow\"\naction = [\"service.*\"]\nsigner = [\"ann\"]\nwhen = \"hagroup=c\"\n"
	for _, tt := range []struct {
		file string
		want Verdict
	}{{file, Pass}, {file + "singer = 1\n", Refuse}, {"", Refuse}} {
		w := newWorld(t)
		w.rules = nil
		w.gate.Policy = func() (policy.File, error) { return policy.Parse("p.toml", []byte(tt.file)) }
		if d := w.gate.Judge(t.Context(), w.job(t, nil)); d.Verdict != tt.want {
			t.Errorf("%q: %v %q", tt.file, d.Verdict, d.Message)
		}
	}
}
