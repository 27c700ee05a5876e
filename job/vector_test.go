package job_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"fleet/identity"
	"fleet/job"
	"fleet/job/filter"
)

// The vectors in testdata are a job and a reply as release 1 signed them. They must decode for as long as the protocol is 1,
// and what decodes must encode to the same bytes. A change that breaks one needs a new protocol number, not a new vector.

// fixed makes a key whose seed is 32 times b: for vectors only.
func fixed[K identity.Kind](t testing.TB, kind string, b byte) identity.PrivateKey[K] {
	t.Helper()
	key, err := identity.ParseSecret[K]("fleet-" + kind + "-secret:" + base64.RawURLEncoding.EncodeToString(bytes.Repeat([]byte{b}, 32)))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func vector(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := hex.DecodeString(strings.Join(strings.Fields(string(text)), ""))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// vectorFleet is the fleet of the vectors.
func vectorFleet(t testing.TB) identity.Anchor {
	first := identity.HashOf(fixed[identity.Root](t, "root", 1).Public().Bytes())
	return identity.Anchor{First: first, Known: first}
}

// fixedWorld has the vectors' keys: the workers of a fuzz run are other processes and must agree on what holds.
func fixedWorld(f *testing.F) world {
	w := world{root: vectorFleet(f), admin: fixed[identity.Admin](f, "admin", 2)}
	v, err := job.OpenReply(identity.NewVerifier(w.root), w.roster, job.HashOf(vector(f, "job.v1.hex")), vector(f, "reply.v1.hex"))
	if err != nil {
		f.Fatal(err)
	}
	w.node = identity.Credentials{Key: fixed[identity.Node](f, "node", 3), Statement: v.Host}
	return w
}

func vectorJob(t *testing.T) job.Job {
	host, before := fixed[identity.Node](t, "node", 3).Public().ID(), fixed[identity.Node](t, "node", 4).Public().ID()
	return job.Job{
		Protocol: 1, ID: "01KJM0BT00000000000000000A", Fleet: vectorFleet(t).ID(),
		Signer: fixed[identity.Admin](t, "admin", 2).Public(), Issued: 1772366400000, Expires: 1772366460000,
		Mode: job.Run, Plugin: "service", Action: "restart",
		Args:    map[string]any{"service": "nginx", "wait": int64(30), "force": false},
		Filter:  filter.Filter{Identities: []string{"web*"}, Facts: []string{"hagroup=c"}, Classes: []string{"web"}, Agents: []string{"service"}, Selects: []string{"hagroup=c"}},
		Targets: []identity.ID{host}, Planned: 1772366399000, SealTo: bytes.Repeat([]byte{4}, 32),
		Reason:   "ticket 4711: new certificate",
		Needs:    []job.WantedDocument{{Kind: identity.RosterKind, Name: identity.RosterKind, Version: 7, Hash: bytes.Repeat([]byte{5}, 32)}},
		Plan:     job.Plan{ID: "01KJM0BT00000000000000000P", Hash: job.HashOfPlan([]identity.ID{host, before}), Total: 2, Part: 1, Parts: 2, Position: 1},
		Declared: job.Declared{Change: true, Meaning: job.Hash(bytes.Repeat([]byte{6}, 32))},
	}
}

func TestVectorJob(t *testing.T) {
	raw := vector(t, "job.v1.hex")
	u, err := job.Decode(raw)
	if err != nil {
		t.Fatal(err)
	}
	j, err := u.Verify(fixed[identity.Admin](t, "admin", 2).Public())
	if err != nil {
		t.Fatal(err)
	}
	if want := vectorJob(t); !reflect.DeepEqual(j, want) {
		t.Errorf("got  %+v\nwant %+v", j, want)
	}
	if again, err := j.Sign(fixed[identity.Admin](t, "admin", 2)); err != nil || !bytes.Equal(again, raw) {
		t.Errorf("signed again it is (%v)\n%x", err, again)
	}
}

func TestVectorReply(t *testing.T) {
	raw, hash := vector(t, "reply.v1.hex"), job.HashOf(vector(t, "job.v1.hex"))
	w := world{root: vectorFleet(t), admin: fixed[identity.Admin](t, "admin", 2)}
	v, err := job.OpenReply(identity.NewVerifier(w.root), w.roster, hash, raw)
	if err != nil {
		t.Fatal(err)
	}
	if v.Node.Name != "web1" || v.Node.Role != identity.Member || v.Node.Labels["env"] != "prod" {
		t.Errorf("node: %+v", v.Node)
	}
	want := job.Reply{
		Protocol: 1, Job: hash, Kind: job.Result, State: job.Failed, Reason: "", Message: "nginx: no such file",
		Data: map[string]any{"status": "stopped", "pid": nil, "tries": int64(-2), "load": 0.5, "since": []any{"a", true}},
		Took: 1500, Time: 1772366400123, Host: v.Host,
	}
	if !reflect.DeepEqual(v.Reply, want) {
		t.Errorf("got  %+v\nwant %+v", v.Reply, want)
	}
	node := identity.Credentials{Key: fixed[identity.Node](t, "node", 3), Statement: v.Host}
	if again, err := v.Reply.Sign(node); err != nil || !bytes.Equal(again, raw) {
		t.Errorf("signed again it is (%v)\n%x", err, again)
	}
}
