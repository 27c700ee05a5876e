package attack

import (
	"errors"
	"testing"
	"time"

	"fleet/client"
	"fleet/identity"
	"fleet/internal/identitytest"
	"fleet/job"
)

// only is a change for web4 alone, as it would be captured on its way.
func only(t *testing.T, service string) []byte {
	t.Helper()
	j := shared.change(service)
	j.Targets = []identity.ID{shared.hosts[3].id}
	return sign(t, j, shared.admin)
}

func TestReplayOnTheSameHost(t *testing.T) {
	signed, web4 := only(t, "replay-same"), shared.hosts[3]
	shared.honest(t, signed, "replay-same", web4)
	before := shared.stats(t)
	for range 5 {
		shared.send(t, job.AllSubject, signed)
		shared.send(t, job.NodeSubject(web4.id), signed)
	}
	shared.counted(t, before, "jobs_repeated", 10, web4)
	if n := web4.ran("replay-same"); n != 1 {
		t.Errorf("it ran %d times", n)
	}
	until(t, "web4 writes it down", func() bool { return hasAll(web4.audit(t), []string{`"event":"repeated"`}) })
}

func TestReplayOnAnotherHost(t *testing.T) {
	signed := only(t, "replay-another")
	shared.honest(t, signed, "replay-another", shared.hosts[3])
	before := shared.stats(t)
	for _, h := range shared.hosts[:3] {
		shared.send(t, job.NodeSubject(h.id), signed)
	}
	// Each of them had it already: it came to all at first, and now on its own subject. Its list says again that it is not for them.
	shared.counted(t, before, "jobs_unmatched", 1, shared.hosts[:3]...)
	for _, h := range shared.hosts[:3] {
		if h.ran("replay-another") != 0 {
			t.Errorf("%s ran it", h.name)
		}
	}
	fresh, before := only(t, "replay-fresh"), shared.stats(t)
	for _, h := range shared.hosts[:3] {
		shared.send(t, job.NodeSubject(h.id), fresh)
	}
	shared.counted(t, before, "jobs_unmatched", 1, shared.hosts[:3]...)
	for _, h := range shared.hosts[:3] {
		if h.ran("replay-fresh") != 0 {
			t.Errorf("%s ran it", h.name)
		}
	}
}

// refused sends a signed job to all hosts and shows that each refuses, counts, logs and audits it.
func (m *mesh) refused(t *testing.T, signed []byte, id string, reason job.Reason, service string) {
	t.Helper()
	before := m.stats(t)
	m.send(t, job.AllSubject, signed)
	m.counted(t, before, "jobs_refused", 1, m.hosts...)
	for _, h := range m.hosts {
		if _, err := h.log.find(0, `msg="job refused"`, id, string(reason)); err != nil {
			t.Errorf("%s: %v", h.name, err)
		}
		if !hasAll(h.audit(t), []string{id, `"decision":"refuse"`, `"reason":"` + string(reason) + `"`}) {
			t.Errorf("%s did not write it down", h.name)
		}
		if service != "" && h.ran(service) != 0 {
			t.Errorf("%s ran it", h.name)
		}
	}
	m.stats(t)
}

func TestExpiredJob(t *testing.T) {
	j := shared.change("expired")
	at := time.Now().Add(-10 * time.Minute)
	j.Issued, j.Expires = at.UnixMilli(), at.Add(9*time.Minute).UnixMilli()
	shared.refused(t, sign(t, j, shared.admin), j.ID, job.ReasonExpired, "expired")
}

func TestJobFromTheFuture(t *testing.T) {
	j := shared.change("future")
	at := time.Now().Add(job.MaxSkew + time.Minute)
	j.Issued, j.Expires = at.UnixMilli(), at.Add(time.Minute).UnixMilli()
	shared.refused(t, sign(t, j, shared.admin), j.ID, job.ReasonClock, "future")
}

// The same person may be an admin of two fleets with one key.
func TestJobOfAnotherFleet(t *testing.T) {
	j := shared.change("another-fleet")
	j.Fleet = identitytest.Root().Anchor().ID()
	shared.refused(t, sign(t, j, shared.admin), j.ID, job.ReasonFleet, "another-fleet")
}

// amend puts a new roster in force, as an admin does who holds the root key.
func (m *mesh) amend(t *testing.T, change func(*identity.Roster)) (signed []byte) {
	t.Helper()
	r, err := m.client.Roster(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r = r.Next("ann")
	change(&r)
	signed, err = identity.SignRoster(m.root, r, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := m.client.PutDocument(t.Context(), signed); err != nil {
		t.Fatal(err)
	}
	for _, h := range m.hosts {
		if _, err := h.log.find(0, `msg="roster in force"`, " version="+itoa(r.Version)+" "); err != nil {
			t.Fatalf("%s: %v", h.name, err)
		}
	}
	return signed
}

// revoke puts a revocation in force.
func (m *mesh) revoke(t *testing.T, v identity.Revocation) {
	t.Helper()
	signed, err := identity.SignRevocations(m.root, "ann", time.Now(), v)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.client.PutDocument(t.Context(), signed); err != nil {
		t.Fatal(err)
	}
	says := string(v.ID) + " is revoked"
	if v.Hosts {
		says += " with all hosts"
	}
	for _, h := range m.hosts {
		until(t, h.name+" has the revocation", func() bool { return countIn(h.audit(t), says) > 0 })
	}
}

func TestDowngradedRoster(t *testing.T) {
	gone := identity.NewKey[identity.Admin]()
	old := shared.amend(t, func(r *identity.Roster) {
		r.Admins = append(r.Admins, identity.AdminEntry{Name: "gone", Key: gone.Public(), Roles: []string{"all"}})
	})
	shared.amend(t, func(r *identity.Roster) { r.Admins = r.Admins[:len(r.Admins)-1] })
	now, err := shared.client.Roster(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	forged := now
	forged.Version += 100
	forged.Admins = append(forged.Admins, identity.AdminEntry{Name: "gone", Key: gone.Public(), Roles: []string{"all"}})
	other := identitytest.Root()
	byOther, err := identity.SignRoster(other, forged, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for name, raw := range map[string][]byte{
		"an older one, which the root did sign": old,
		"a newer one by another root":           byOther,
		"a changed one":                         append(byOther[:64:64], old[64:]...),
	} {
		t.Run(name, func(t *testing.T) {
			before := make([]int, len(shared.hosts))
			refusal := `"event":"document"`
			for i, h := range shared.hosts {
				before[i] = countIn(h.audit(t), refusal)
			}
			shared.send(t, job.DocNewSubject, raw) // as a peer announces it
			for i, h := range shared.hosts {
				until(t, h.name+" writes down that it did not take it", func() bool { return countIn(h.audit(t), refusal) > before[i] })
			}
			if err := shared.client.PutDocument(t.Context(), raw); err == nil { // as an admin hands it in
				t.Error("the brokers took it")
			}
		})
	}
	if r, err := shared.client.Roster(t.Context()); err != nil || r.Version != now.Version {
		t.Errorf("version %d is in force, want %d: %v", r.Version, now.Version, err)
	}
	j := shared.change("downgraded")
	shared.dropped(t, sign(t, j, gone), "downgraded", j.ID, "not in roster")
	if c, err := shared.connect(t.Context(), gone); !errors.Is(err, client.ErrStranger) {
		if err == nil {
			c.Close()
		}
		t.Errorf("who is an admin no more connects: %v", err)
	}
	shared.stats(t)
}
