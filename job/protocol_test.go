package job_test

import (
	"errors"
	"strings"
	"testing"

	"fleet/identity"
	"fleet/internal/wire"
	"fleet/job"
)

// Who does not understand what is spoken here is told apart, with the side that is behind.
func TestApart(t *testing.T) {
	for _, tt := range []struct {
		newest uint8
		says   string
	}{
		{0, ""}, {job.Current, ""}, {job.Protocol, ""}, {job.Protocol + 1, ""}, {job.Current + 2, ""},
		{job.Current + 3, "upgrade fleet on this machine"}, {255, "upgrade fleet on this machine"},
	} {
		if got := job.Incompatible(tt.newest); !strings.Contains(got, tt.says) || (got == "") != job.Understands(tt.newest) || (got == "") != (tt.says == "") {
			t.Errorf("protocol %d: %q", tt.newest, got)
		}
	}
}

// A question is answered in the version it asks for, if that is one that is understood here, and with the page that it asks for.
func TestAskedMembers(t *testing.T) {
	id := identity.NewKey[identity.Node]().Public().ID()
	for _, tt := range []struct {
		question []byte
		want     uint8
		after    identity.ID
	}{
		{job.AskMembers(""), job.Current, ""}, {job.AskMembers(id), job.Current, id}, {[]byte{job.Protocol}, job.Protocol, ""}, {nil, job.Current, ""},
		{[]byte{0}, job.Current, ""}, {[]byte{job.Protocol + 1}, job.Current, ""}, {[]byte{job.Protocol, 0}, job.Protocol, ""}, {append(job.AskMembers(id), 'x'), job.Current, ""},
	} {
		if got, after := job.AskedMembers(tt.question); got != tt.want || after != tt.after {
			t.Errorf("%v is answered in %d after %q", tt.question, got, after)
		}
	}
}

// What a later release added does not decode here. The error speaks of the version, not of a field.
func TestALaterReleaseIsNamed(t *testing.T) {
	w := newWorld(t)
	later := forged(t, w.admin, identity.JobContext, func(m map[int]any) { m[1], m[99] = job.Protocol+1, "new" })
	list, err := wire.Marshal(map[int]any{1: job.Protocol + 1, 2: "x", 99: true})
	if err != nil {
		t.Fatal(err)
	}
	reply, err := wire.Marshal(map[int]any{1: job.Protocol + 1, 99: true})
	if err != nil {
		t.Fatal(err)
	}
	_, inJob := job.Decode(later)
	_, inList := job.DecodeMembers(list)
	_, inReply := job.OpenReply(identity.NewVerifier(w.root), w.roster, job.Hash{}, w.node.Key.Sign(identity.ReplyContext, reply))
	for _, err := range []error{inJob, inList, inReply} {
		if !errors.Is(err, job.ErrVersion) || !strings.Contains(err.Error(), "upgrade fleet on this machine") {
			t.Errorf("%v", err)
		}
	}
	unknown := forged(t, w.admin, identity.JobContext, func(m map[int]any) { m[99] = "new" })
	if _, err := job.Decode(unknown); err == nil || errors.Is(err, job.ErrVersion) {
		t.Errorf("a field that is no part of this version: %v", err)
	}
}
