package gate

import (
	"errors"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fleet/identity"
	"fleet/job"
	"fleet/job/filter"
	"fleet/node/audit"
)

// notes is an audit in memory: for each line how it was written, its event and its decision.
type notes struct {
	mu    sync.Mutex // jobs are judged at the same time; what has been written is read when they have been
	lines []string
	last  audit.Entry
	full  bool
}

func (n *notes) note(how string, e audit.Entry) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.full {
		return errors.New("audit cannot be written: no space left on device")
	}
	n.last = e
	n.lines = append(n.lines, strings.TrimSpace(how+" "+string(e.Event)+" "+e.Decision))
	return nil
}

func (n *notes) Add(e audit.Entry) error        { return n.note("plain", e) }
func (n *notes) AddDurable(e audit.Entry) error { return n.note("durable", e) }
func (n *notes) AddLimited(e audit.Entry) error { return n.note("limited", e) }

// Each way out of the gate writes its line: durably for a change, with a limit where anybody can bring the same again.
func TestEachDecisionIsWritten(t *testing.T) {
	read := func(j *job.Job) { j.Action = "status" }
	elsewhere := func(j *job.Job) { j.Filter = filter.Filter{Facts: []string{"hagroup=a"}} }
	both := func(a, b func(*job.Job)) func(*job.Job) { return func(j *job.Job) { a(j); b(j) } }
	for _, tt := range []struct {
		name   string
		change func(*job.Job)
		want   string // "" for none
	}{
		{"a change that runs", nil, "durable decision run"},
		{"a read that runs: written when it has ended", read, ""},
		{"match mode", func(j *job.Job) { j.Mode = job.Match }, "plain decision would run"},
		{"a change for other hosts", elsewhere, "durable decision no match"},
		{"a read for other hosts", both(read, elsewhere), "plain decision no match"},
		{"a change that may not run", func(j *job.Job) { j.Args["service"] = "cron" }, "durable decision refuse"},
		{"a change that no rule can allow, which claims nothing", func(j *job.Job) { j.Plugin, j.Action = "package", "purge" }, "limited decision refuse"},
		{"a change that lists other hosts", func(j *job.Job) { j.Targets = []identity.ID{identity.NewKey[identity.Node]().Public().ID()} }, "limited decision no match"},
		{"a change that names no hosts", func(j *job.Job) { j.Targets = noHosts }, "limited decision refuse"},
		{"a change that its signer took for a read", func(j *job.Job) { j.Declared = declared(t, signersOwn("read"), nil) }, "durable decision refuse"},
		{"an action that is not here", func(j *job.Job) { j.Plugin = "nothing" }, "plain decision refuse"},
		{"a late change, which is not claimed", func(j *job.Job) { shift(j, -time.Hour) }, "limited decision refuse"},
	} {
		w := newWorld(t)
		w.rules[0].Args = map[string]string{"service": "nginx"}
		signed := w.job(t, tt.change)
		w.gate.Judge(t.Context(), signed)
		if got := strings.Join(w.audit.lines, ", "); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
		w.audit.lines = nil
		w.gate.Judge(t.Context(), signed) // a copy
		if got := strings.Join(w.audit.lines, ", "); got != "limited repeated" && got != tt.want {
			t.Errorf("%s, a copy: %q", tt.name, got)
		}
	}
	w := newWorld(t)
	w.gate.Judge(t.Context(), []byte("nobody's"))
	if got := strings.Join(w.audit.lines, ", "); got != "limited dropped" || w.audit.last.Hash == "" || w.audit.last.Signer != "" {
		t.Errorf("%q, %+v", got, w.audit.last)
	}
}

// A change whose decision cannot be written does not pass, unless the host says that it may; a read does.
func TestWithoutAnAuditNothingIsChanged(t *testing.T) {
	for _, tt := range []struct {
		action   string
		optional bool
		want     Verdict
	}{{"restart", false, Refuse}, {"restart", true, Pass}, {"status", false, Pass}} {
		w := newWorld(t)
		w.audit.full, w.gate.AuditOptional = true, tt.optional
		d := w.gate.Judge(t.Context(), w.job(t, func(j *job.Job) { j.Action = tt.action }))
		if d.Verdict != tt.want || (d.Passed.plugin != "") != (tt.want == Pass) {
			t.Errorf("%+v: %+v", tt, d)
		}
		if d.Verdict == Refuse && (d.Reason != job.ReasonAudit || !strings.Contains(d.Message, "this host changes nothing until it can") || !d.Claim.First) {
			t.Errorf("%s, %q, claim %+v", d.Reason, d.Message, d.Claim)
		}
	}
}

// The package comment lists the steps of Judge as they stand there.
func TestTheStepsAreTold(t *testing.T) {
	steps := func(file, pattern string) (list []string) {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(string(raw), -1) {
			list = append(list, m[1])
		}
		return list
	}
	told, done := steps("doc.go", `(?m)^// +(\d+\. .*)$`), steps("gate.go", `(?m)^\t// (\d+\. [^;:\n]*)`)
	if len(told) == 0 || !slices.Equal(told, done) {
		t.Errorf("told  %q\ndone %q", told, done)
	}
}
