package attack

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"fleet/identity"
	"fleet/internal/wire"
	"fleet/job"
	"fleet/job/filter"
	"fleet/plugins"
	"fleet/plugins/plugin"
)

// change is a job that would change each host if it ran: the host logs "job runs" with the service's name, which no host
// has. Each test takes its own name.
func (m *mesh) change(service string) job.Job {
	now := time.Now()
	j := job.Job{
		ID: job.NewID(now), Fleet: m.root.Anchor().ID(), Issued: now.UnixMilli(), Expires: now.Add(time.Minute).UnixMilli(),
		Mode: job.Run, SealTo: identity.NewSealKey().Public(),
	}
	for _, h := range m.hosts {
		j.Targets = append(j.Targets, h.id)
	}
	return asks(j, "service", "restart", map[string]any{"service": service})
}

// asks is the job for another action, as a client sends it that knows the same plugins as the hosts.
func asks(j job.Job, pluginName, action string, args map[string]any) job.Job {
	a, known := declared(pluginName, action)
	meaning, err := a.Meaning(args)
	if !known || err != nil {
		panic(fmt.Sprintf("%s %s: %v", pluginName, action, err)) // a test with a typing error
	}
	j.Plugin, j.Action, j.Args, j.Declared = pluginName, action, args, job.Declared{Change: a.Kind == plugin.Change, Meaning: meaning}
	return j
}

func declared(pluginName, action string) (plugin.Action, bool) {
	return plugin.Find(plugins.BuiltinDeclarations(), pluginName, action)
}

func sign(t *testing.T, j job.Job, key identity.Signer) []byte {
	t.Helper()
	signed, err := j.Sign(key)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// forge puts other contents under the signature of a signed job.
func forge(t *testing.T, signed []byte, change func(*job.Job)) []byte {
	t.Helper()
	sig, message, err := identity.Split(signed)
	if err != nil {
		t.Fatal(err)
	}
	var j job.Job
	if err := wire.Unmarshal(message, &j); err != nil {
		t.Fatal(err)
	}
	change(&j)
	raw, err := wire.Marshal(j)
	if err != nil {
		t.Fatal(err)
	}
	return append(bytes.Clone(sig), raw...)
}

// ran is how often the host ran the change with this service's name.
func (h *host) ran(service string) int { return h.log.count(`msg="job runs"`, service) }

// dropped sends bytes to all hosts and shows that each drops, counts, logs and audits them, for a reason that has these
// parts, and runs nothing.
func (m *mesh) dropped(t *testing.T, raw []byte, service string, parts ...string) {
	t.Helper()
	before := m.stats(t)
	marks := make([]int, len(m.hosts))
	for i, h := range m.hosts {
		marks[i] = h.log.mark()
	}
	m.send(t, job.AllSubject, raw)
	m.counted(t, before, "jobs_dropped", 1, m.hosts...)
	hash := job.HashOf(raw)
	for i, h := range m.hosts {
		if _, err := h.log.find(marks[i], append([]string{`msg="job dropped"`}, parts...)...); err != nil {
			t.Errorf("%s: %v", h.name, err)
		}
		// Strangers must not fill the disk: beyond 60 such lines a minute the audit only counts (package audit).
		written := h.audit(t)
		if !strings.Contains(written, fmt.Sprintf(`"event":"dropped","hash":"%x"`, hash)) && countIn(written, `"event":"dropped"`) < 60 {
			t.Errorf("%s did not write it down", h.name)
		}
		if service != "" && h.ran(service) != 0 {
			t.Errorf("%s ran it", h.name)
		}
	}
}

// honest shows that the change itself is one that hosts run, so that an attack on it means something.
func (m *mesh) honest(t *testing.T, signed []byte, service string, hosts ...*host) {
	t.Helper()
	m.send(t, job.AllSubject, signed)
	for _, h := range hosts {
		until(t, h.name+" runs "+service, func() bool { return h.ran(service) == 1 })
	}
}

func TestForgedSigner(t *testing.T) {
	own := identity.NewKey[identity.Admin]()
	j := shared.change("forged-signer")
	t.Run("a key that is not in the roster", func(t *testing.T) {
		shared.dropped(t, sign(t, j, own), "forged-signer", j.ID, "not in roster")
	})
	t.Run("the admin's name on another's signature", func(t *testing.T) {
		raw := forge(t, sign(t, j, own), func(j *job.Job) { j.Signer = shared.admin.Public() })
		shared.dropped(t, raw, "forged-signer", j.ID, "is not valid")
	})
	t.Run("the admin's signature on another kind of message", func(t *testing.T) {
		j.Protocol, j.Signer = job.Protocol, shared.admin.Public()
		raw, err := wire.Marshal(j)
		if err != nil {
			t.Fatal(err)
		}
		shared.dropped(t, shared.admin.Sign(identity.TokenContext, raw), "forged-signer", j.ID, "is not valid")
	})
	t.Run("a node's key", func(t *testing.T) {
		j.Signer, _ = identity.PublicKeyOf[identity.Admin](shared.hosts[1].creds.Key.Public().Bytes())
		raw, err := wire.Marshal(j)
		if err != nil {
			t.Fatal(err)
		}
		shared.dropped(t, shared.hosts[1].creds.Key.Sign(identity.JobContext, raw), "forged-signer", j.ID, "not in roster")
	})
	shared.honest(t, sign(t, j, shared.admin), "forged-signer", shared.hosts...)
}

func TestChangedArgument(t *testing.T) {
	signed := sign(t, shared.change("argument-a"), shared.admin)
	shared.dropped(t, bytes.Replace(signed, []byte("argument-a"), []byte("argument-b"), 1), "argument-b", "is not valid")
	shared.honest(t, signed, "argument-a", shared.hosts...)
}

func TestWidenedFilter(t *testing.T) {
	j := shared.change("widened-filter")
	j.Filter.Identities = []string{"web4"}
	signed := sign(t, j, shared.admin)
	shared.dropped(t, forge(t, signed, func(j *job.Job) { j.Filter = filter.Filter{} }), "widened-filter", "is not valid")
	before := shared.stats(t)
	shared.honest(t, signed, "widened-filter", shared.hosts[3])
	shared.counted(t, before, "jobs_unmatched", 1, shared.hosts[:3]...) // though the broker sent it to all
	for _, h := range shared.hosts[:3] {
		if h.ran("widened-filter") != 0 {
			t.Errorf("%s ran it", h.name)
		}
	}
}

func TestWidenedTargets(t *testing.T) {
	j := shared.change("widened-targets")
	j.Targets = []identity.ID{shared.hosts[3].id}
	signed := sign(t, j, shared.admin)
	for name, widen := range map[string]func(*job.Job){
		"more":          func(j *job.Job) { j.Targets = append(j.Targets, shared.hosts[0].id) },
		"another":       func(j *job.Job) { j.Targets[0] = shared.hosts[0].id },
		"none, so all":  func(j *job.Job) { j.Targets = nil },
		"a later plan":  func(j *job.Job) { j.Planned = time.Now().Add(time.Hour).UnixMilli() },
		"another asker": func(j *job.Job) { j.SealTo = identity.NewSealKey().Public() },
		"a longer life": func(j *job.Job) { j.Expires += time.Minute.Milliseconds() },
		"for a read":    func(j *job.Job) { j.Declared.Change = false },
		"for another":   func(j *job.Job) { j.Declared.Meaning[0]++ },
		"a smaller plan": func(j *job.Job) {
			j.Plan = job.Plan{ID: job.NewID(time.Now()), Hash: job.HashOfPlan(j.Targets), Total: 1, Parts: 1}
		},
	} {
		t.Run(name, func(t *testing.T) { shared.dropped(t, forge(t, signed, widen), "widened-targets", "is not valid") })
	}
	before := shared.stats(t)
	shared.honest(t, signed, "widened-targets", shared.hosts[3])
	shared.counted(t, before, "jobs_unmatched", 1, shared.hosts[:3]...)
}

// A program that is not fleet's signs a change without saying for which hosts, and sends it by every way there is. Nothing runs, each host
// says why, and the id is left for a job that does say it.
func TestChangeWithoutTargets(t *testing.T) {
	const read = "and it is for a read"
	for name, alter := range map[string]func(*job.Job){
		"to all":                 func(*job.Job) {},
		"to who matches":         func(j *job.Job) { j.Filter.Identities = []string{"web*"} },
		"to one by name":         func(j *job.Job) { j.Filter.Identities = []string{"web4"} },
		"to who was admitted":    func(j *job.Job) { j.Planned = time.Now().UnixMilli() },
		read:                     func(j *job.Job) { j.Declared.Change = false },
		"of another declaration": func(j *job.Job) { j.Declared.Meaning[0]++ },
	} {
		t.Run(name, func(t *testing.T) {
			j := shared.change("no-targets")
			targets := j.Targets
			j.Targets = nil
			alter(&j)
			signed, reason := sign(t, j, shared.admin), job.ReasonHosts
			if name == read {
				reason = job.ReasonDeclared
			}
			shared.refused(t, signed, j.ID, reason, "no-targets")
			before := shared.stats(t)
			for _, h := range shared.hosts {
				shared.send(t, job.NodeSubject(h.id), signed)
			}
			shared.counted(t, before, "jobs_refused", 1, shared.hosts...)
			honest := shared.change("targets-" + j.ID)
			honest.ID, honest.Targets = j.ID, targets
			shared.honest(t, sign(t, honest, shared.admin), "targets-"+j.ID, shared.hosts...)
		})
	}
	if n := shared.hosts[3].ran("no-targets"); n != 0 {
		t.Errorf("web4 ran it %d times", n)
	}
}

// The admin's program has another declaration of the action than the hosts: what she looked up and confirmed is not what would run.
func TestAnotherDeclaration(t *testing.T) {
	for name, alter := range map[string]func(*job.Job){
		"for a read":      func(j *job.Job) { j.Declared.Change = false },
		"of other inputs": func(j *job.Job) { j.Declared.Meaning[31]++ },
	} {
		t.Run(name, func(t *testing.T) {
			j := shared.change("mistaken")
			alter(&j)
			shared.refused(t, sign(t, j, shared.admin), j.ID, job.ReasonDeclared, "mistaken")
			honest := shared.change("declared-" + j.ID)
			honest.ID = j.ID
			shared.honest(t, sign(t, honest, shared.admin), "declared-"+j.ID, shared.hosts...)
		})
	}
	t.Run("a read that is a change for its signer", func(t *testing.T) {
		j := asks(shared.change(""), "service", "status", map[string]any{"service": "declared"})
		j.Declared.Change = true
		shared.refused(t, sign(t, j, shared.admin), j.ID, job.ReasonDeclared, "")
	})
	t.Run("a question", func(t *testing.T) {
		j := shared.change("mistaken")
		j.Mode, j.Targets, j.Declared.Change = job.Match, nil, false
		shared.refused(t, sign(t, j, shared.admin), j.ID, job.ReasonDeclared, "mistaken")
	})
}
