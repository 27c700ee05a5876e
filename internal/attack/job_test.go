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
)

// change is a job that would change each host if it ran: the host logs "job runs" with the service's name, which no host
// has. Each test takes its own name.
func (m *mesh) change(service string) job.Job {
	now := time.Now()
	return job.Job{
		ID: job.NewID(now), Fleet: m.root.Anchor().ID(), Issued: now.UnixMilli(), Expires: now.Add(time.Minute).UnixMilli(),
		Mode: job.Run, Plugin: "service", Action: "restart", Args: map[string]any{"service": service}, SealTo: identity.NewSealKey().Public(),
	}
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
	} {
		t.Run(name, func(t *testing.T) { shared.dropped(t, forge(t, signed, widen), "widened-targets", "is not valid") })
	}
	before := shared.stats(t)
	shared.honest(t, signed, "widened-targets", shared.hosts[3])
	shared.counted(t, before, "jobs_unmatched", 1, shared.hosts[:3]...)
}
