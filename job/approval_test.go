package job_test

import (
	"bytes"
	"testing"

	"fleet/identity"
	"fleet/job"
)

func TestApproval(t *testing.T) {
	w, bob, mallory := newWorld(t), identity.NewKey[identity.Admin](), identity.NewKey[identity.Admin]()
	roster := identity.Roster{Admins: []identity.AdminEntry{{Name: "ann", Key: w.admin.Public()}, {Name: "bob", Key: bob.Public()}}}
	signed := w.signed(t, toTheNode(w))
	approve := func(raw []byte, k identity.PrivateKey[identity.Admin]) []byte {
		t.Helper()
		out, err := job.Approve(raw, k)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	approvers := func(raw []byte) string {
		t.Helper()
		u, err := job.Decode(raw)
		if err != nil {
			return "does not decode"
		}
		if u.Hash() != job.HashOf(signed) {
			t.Error("an approval changed the job's hash")
		}
		names := ""
		for _, a := range u.Approvers(roster) {
			names += a.Name + " "
		}
		return names
	}
	good := approve(signed, bob)
	forged := append(append(bytes.Clone(signed), bob.Public().Bytes()...), mallory.Sign(identity.ApprovalContext, signed)[:64]...)
	other := append(append(bytes.Clone(signed), bob.Public().Bytes()...), bob.Sign(identity.JobContext, signed)[:64]...)
	own := append(append(bytes.Clone(signed), w.admin.Public().Bytes()...), w.admin.Sign(identity.ApprovalContext, signed)[:64]...)
	for _, tt := range []struct {
		name string
		raw  []byte
		want string
	}{
		{"none", signed, ""},
		{"bob", good, "bob "},
		{"somebody who is not in the roster", approve(signed, mallory), ""},
		{"somebody else in bob's name", forged, ""},
		{"bob's signature as something else", other, ""},
		{"the signer again", own, ""},
		{"bob twice", append(bytes.Clone(good), good[len(signed):]...), "bob "},
		{"four", append(append(append(bytes.Clone(good), good[len(signed):]...), good[len(signed):]...), good[len(signed):]...), "does not decode"},
		{"interrupted", good[:len(good)-1], "does not decode"},
		{"of another job", append(w.signed(t, func(j *job.Job) { toTheNode(w)(j); j.Action = "stop" }), good[len(signed):]...), "does not decode"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.name == "of another job" {
				u, err := job.Decode(tt.raw)
				if err != nil || len(u.Approvers(roster)) != 0 {
					t.Errorf("an approval holds for another job (%v)", err)
				}
				return
			}
			if got := approvers(tt.raw); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	if _, err := job.Approve(signed, w.admin); err == nil {
		t.Error("the signer approved the job too")
	}
	if _, err := job.Approve(good, bob); err == nil {
		t.Error("bob approved twice")
	}
}

// toTheNode makes the job one for exactly the world's node.
func toTheNode(w world) func(*job.Job) {
	return func(j *job.Job) { j.Targets = []identity.ID{w.node.Key.Public().ID()} }
}

// Who approves has to know which hosts it is for, and that it runs at all.
func TestWhatCannotBeApproved(t *testing.T) {
	w := newWorld(t)
	for name, change := range map[string]func(*job.Job){
		"no targets":      func(j *job.Job) {},
		"only a deadline": func(j *job.Job) { j.Planned = now.UnixMilli() },
		"a question":      func(j *job.Job) { toTheNode(w)(j); j.Mode = job.Match },
	} {
		if _, err := job.Approve(w.signed(t, change), identity.NewKey[identity.Admin]()); err == nil {
			t.Errorf("%s: approved", name)
		}
	}
}
