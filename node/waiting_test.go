package node

import (
	"strings"
	"testing"
	"time"

	"fleet/identity"
	"fleet/internal/identitytest"
	"fleet/job"
)

type waitingWorld struct {
	t        *testing.T
	root     identity.Quorum
	ann, bob identity.PrivateKey[identity.Admin]
	roster   identity.Roster
	now      time.Time
}

func newWaitingWorld(t *testing.T) *waitingWorld {
	w := &waitingWorld{t: t, root: identitytest.Root(), ann: identity.NewKey[identity.Admin](), bob: identity.NewKey[identity.Admin](), now: time.Now()}
	w.roster = identity.Roster{Version: 1, Admins: []identity.AdminEntry{{Name: "ann", Key: w.ann.Public()}, {Name: "bob", Key: w.bob.Public()}}}
	return w
}

func (w *waitingWorld) signed(by identity.PrivateKey[identity.Admin], change func(*job.Job)) (id string, signed []byte) {
	w.t.Helper()
	j := job.Job{ID: job.NewID(w.now), Fleet: w.root.Anchor().ID(), Issued: w.now.UnixMilli(), Expires: w.now.Add(time.Minute).UnixMilli(), Mode: job.Run,
		Plugin: "service", Action: "restart", Targets: []identity.ID{w.ann.Public().ID()}, SealTo: identity.NewSealKey().Public(), Declared: job.Declared{Change: true, Meaning: job.Hash{1}}}
	if change != nil {
		change(&j)
	}
	signed, err := j.Sign(by)
	if err != nil {
		w.t.Fatal(err)
	}
	return j.ID, signed
}

func TestOnlyWhatAnAdminMaySendCanWait(t *testing.T) {
	w := newWaitingWorld(t)
	for _, tt := range []struct {
		name   string
		by     identity.PrivateKey[identity.Admin]
		change func(*job.Job)
		after  time.Duration
		err    string
	}{
		{"a job", w.ann, nil, 0, ""},
		{"a stranger's", identity.NewKey[identity.Admin](), nil, 0, "no admin in roster version 1"},
		{"for all hosts", w.ann, func(j *job.Job) { j.Targets = nil }, 0, "without exact targets"},
		{"a question", w.ann, func(j *job.Job) { j.Mode = job.Match }, 0, "match mode"},
		{"of another fleet", w.ann, func(j *job.Job) { j.Fleet = w.ann.Public().ID() }, 0, "another fleet"},
		{"expired", w.ann, nil, 2 * time.Minute, "expired"},
		{"early", w.ann, nil, -2 * time.Minute, "future"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var store waiting
			id, signed := w.signed(tt.by, tt.change)
			err := store.take(signed, w.roster, w.root.Anchor().ID(), w.now.Add(tt.after))
			if tt.err == "" && (err != nil || string(store.get(id, w.now)) != string(signed)) {
				t.Errorf("not kept: %v", err)
			}
			if tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err) || store.get(id, w.now) != nil) {
				t.Errorf("got %v, want an error with %q", err, tt.err)
			}
		})
	}
	var store waiting
	_, signed := w.signed(w.ann, nil)
	signed[len(signed)-1] ^= 1
	if store.take(signed, w.roster, w.root.Anchor().ID(), w.now) == nil {
		t.Error("a changed job was taken")
	}
}

// Two admins approve their copies at the same moment: both approvals count. What does not hold takes nobody's place.
func TestApprovalsOfAWaitingJobAddUp(t *testing.T) {
	w := newWaitingWorld(t)
	cleo := identity.NewKey[identity.Admin]()
	w.roster.Admins = append(w.roster.Admins, identity.AdminEntry{Name: "cleo", Key: cleo.Public()})
	var store waiting
	id, signed := w.signed(w.ann, nil)
	for _, by := range []identity.PrivateKey[identity.Admin]{identity.NewKey[identity.Admin](), w.bob, cleo, w.bob} {
		approved, err := job.Approve(signed, by)
		if err == nil {
			err = store.take(approved, w.roster, w.root.Anchor().ID(), w.now)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	u, err := job.Decode(store.get(id, w.now))
	if err != nil {
		t.Fatal(err)
	}
	if a := u.Approvers(w.roster); len(a) != 2 || a[0].Name != "bob" || a[1].Name != "cleo" {
		t.Errorf("approved by %v", a)
	}
	if len(store.get(id, w.now)) != len(signed)+2*96 {
		t.Error("a stranger's approval was kept")
	}
}

func TestWaitingJobsAreBounded(t *testing.T) {
	w := newWaitingWorld(t)
	var store waiting
	for i := range job.MaxWaiting + 1 {
		_, signed := w.signed(w.ann, nil)
		err := store.take(signed, w.roster, w.root.Anchor().ID(), w.now)
		if full := i == job.MaxWaiting; (err != nil) != full {
			t.Fatalf("job %d: %v", i, err)
		}
	}
	if _, signed := w.signed(w.bob, nil); store.take(signed, w.roster, w.root.Anchor().ID(), w.now) != nil {
		t.Error("one admin's jobs keep another's out")
	}
	w.now = w.now.Add(2 * time.Minute)
	if _, signed := w.signed(w.ann, nil); store.take(signed, w.roster, w.root.Anchor().ID(), w.now) != nil || len(store.jobs) != 1 {
		t.Errorf("expired jobs take room: %d are kept", len(store.jobs))
	}
}
