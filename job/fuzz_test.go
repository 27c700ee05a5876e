package job_test

import (
	"bytes"
	"errors"
	"net/netip"
	"testing"

	"fleet/identity"
	"fleet/internal/wire"
	"fleet/job"
)

// What decodes is in bounds, and is the same job when it is encoded again.
func FuzzDecode(f *testing.F) {
	w := fixedWorld(f)
	good := w.signed(f, nil)
	match := w.signed(f, func(j *job.Job) {
		j.Mode, j.Targets = job.Match, []identity.ID{w.root.ID(), w.admin.Public().ID()}
	})
	part := w.signed(f, portion)
	for _, seed := range [][]byte{good, match, part, good[:70], flipped(good, -1)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, signed []byte) {
		u, err := job.Decode(signed)
		if err != nil {
			return
		}
		if len(u.ID()) != 26 || len(u.Signer()) != 26 {
			t.Errorf("id %q, signer %q", u.ID(), u.Signer())
		}
		if _, err := u.Verify(w.admin.Public()); err == nil && !bytes.Equal(signed, good) && !bytes.Equal(signed, match) && !bytes.Equal(signed, part) {
			t.Errorf("a job that nobody signed verifies: %x", signed)
		}
	})
}

// The message behind an admin's signature may be anything too. What decodes says what its signer took the action for, its plan fits its
// targets, and it is the same job when it is encoded again.
func FuzzDecodeMessage(f *testing.F) {
	w := fixedWorld(f)
	for _, change := range []func(*job.Job){nil, portion, whole, func(j *job.Job) { j.Mode, j.Declared.Change = job.Match, false }} {
		f.Add(w.signed(f, change)[64:])
	}
	f.Add(vector(f, "job.v1.hex")[64:])
	f.Fuzz(func(t *testing.T, message []byte) {
		decode := func(signed []byte) (job.Job, error) {
			u, err := job.Decode(signed)
			if err != nil {
				return job.Job{}, err
			}
			return u.Verify(w.admin.Public())
		}
		j, err := decode(w.admin.Sign(identity.JobContext, message))
		if err != nil {
			return
		}
		if j.Declared.Meaning == (job.Hash{}) || !j.Plan.IsZero() && (len(j.Targets) == 0 || j.Hosts() < len(j.Targets) || j.Hosts() > job.MaxPlan) {
			t.Errorf("%+v", j)
		}
		once, err := j.Sign(w.admin)
		if err != nil {
			t.Fatalf("it decodes but cannot be signed: %v", err)
		}
		again, err := decode(once)
		if err != nil {
			t.Fatalf("signed again it does not decode: %v", err)
		}
		if twice, err := again.Sign(w.admin); err != nil || !bytes.Equal(once, twice) {
			t.Errorf("it encodes to %x, and that to %x (%v)", once, twice, err)
		}
	})
}

// The message behind a signature that holds may still be anything: a node may be taken.
func FuzzOpenReply(f *testing.F) {
	w := fixedWorld(f)
	hash := job.HashOf(w.signed(f, nil))
	statements := identity.NewVerifier(w.root)
	for _, r := range []job.Reply{
		{Protocol: job.Protocol, Job: hash, Kind: job.Result, State: job.OK, Data: map[string]any{"a": []any{1, "b", nil, true, 1.5}}, Host: w.node.Statement},
		{Protocol: job.Protocol, Job: hash, Kind: job.Refused, State: job.Denied, Reason: job.ReasonClock, Message: "no", Host: w.node.Statement},
		{Protocol: job.Protocol, Job: hash, Kind: job.Accepted, Host: w.node.Statement},
	} {
		raw, err := wire.Marshal(r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		v, err := job.OpenReply(statements, w.roster, hash, w.node.Key.Sign(identity.ReplyContext, message))
		if err != nil {
			return
		}
		if v.Node.ID != w.node.Key.Public().ID() || v.Job != hash {
			t.Errorf("%+v", v)
		}
		again, err := v.Reply.Sign(w.node)
		if err != nil {
			t.Fatalf("it opens but cannot be signed: %v", err)
		}
		if _, err := job.OpenReply(statements, w.roster, hash, again); err != nil {
			t.Fatalf("signed again it does not open: %v", err)
		}
	})
}

func FuzzDecodeMembers(f *testing.F) {
	id := fixed[identity.Node](f, "node", 3).Public().ID()
	raw, err := job.Members{From: id, Members: []job.Member{
		{Node: id, Name: "web1", Presence: job.Alive, Role: identity.Peer, Broker: "10.0.0.1:7421", Since: 1, LastSeen: 2, Duplicate: []string{"10.0.0.1", "10.0.0.2"}},
	}}.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := job.DecodeMembers(raw)
		if err != nil {
			return
		}
		for _, h := range m.Members {
			if len(h.Node) != 26 || identity.CheckHostName(h.Name) != nil {
				t.Errorf("%+v", h)
			}
		}
		again, err := m.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := job.DecodeMembers(again); err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzDecodeMesh(f *testing.F) {
	raw, err := job.Mesh{Brokers: []string{"10.0.0.1:7421", "[2001:db8::1]:7421"}, Digest: []byte{1, 0}}.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := job.DecodeMesh(raw)
		if err != nil {
			return
		}
		for _, b := range m.Brokers {
			if _, err := netip.ParseAddrPort(b); err != nil {
				t.Error(err)
			}
		}
		if _, err := m.Encode(); err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzDecodeDocuments(f *testing.F) {
	query, err := job.DocumentQuery{Documents: []job.WantedDocument{{Kind: "roster", Name: "roster", Version: 3, Hash: make([]byte, 32)}, {Kind: "revocation"}}}.Encode()
	if err != nil {
		f.Fatal(err)
	}
	answer, err := job.DocumentAnswer{Documents: [][]byte{{1}, {}}}.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(query)
	f.Add(answer)
	f.Fuzz(func(t *testing.T, raw []byte) {
		if q, err := job.DecodeDocumentQuery(raw); err == nil {
			once, err := q.Encode()
			again, err2 := job.DecodeDocumentQuery(once)
			twice, err3 := again.Encode()
			if errors.Join(err, err2, err3) != nil || !bytes.Equal(once, twice) || len(q.Documents) > job.MaxDocuments {
				t.Errorf("%x decodes to %+v, which encodes to %x and then to %x", raw, q, once, twice)
			}
		}
		if a, err := job.DecodeDocuments(raw); err == nil {
			if again, err := a.Encode(); err != nil || len(again) > len(raw)+8 {
				t.Errorf("%x decodes to %d documents, which encode to %x (%v)", raw, len(a.Documents), again, err)
			}
		}
	})
}
