package job_test

import (
	"strings"
	"testing"
	"time"

	"fleet/identity"
	"fleet/internal/identitytest"
	"fleet/job"
	"fleet/job/filter"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// world is one fleet with an admin and a node.
type world struct {
	root   identity.Anchor
	issuer identity.Issuer
	admin  identity.PrivateKey[identity.Admin]
	node   identity.Credentials
}

func newWorld(t testing.TB) world {
	t.Helper()
	w := world{root: identitytest.Root().Anchor(), admin: identity.NewKey[identity.Admin]()}
	var err error
	if w.issuer, err = identity.NewIssuer(w.root, now); err != nil {
		t.Fatal(err)
	}
	w.node = w.credentials(t, "web1", now)
	return w
}

func (w world) credentials(t testing.TB, name string, at time.Time) identity.Credentials {
	t.Helper()
	return identitytest.Fleet{Root: w.root, Admin: w.admin, Issuer: w.issuer}.Host(t, name, identity.Record{}, at)
}

// roster knows the admin.
func (w world) roster() (identity.Roster, error) {
	return identity.Roster{Version: 1, Fleet: "test", Admins: []identity.AdminEntry{{Name: "ann", Key: w.admin.Public()}}}, nil
}

func (w world) job() job.Job {
	return job.Job{
		ID: "01KJM0BT00000000000000000A", Fleet: w.root.ID(),
		Issued: now.UnixMilli(), Expires: now.Add(time.Minute).UnixMilli(), Mode: job.Run, Plugin: "service", Action: "restart",
		Args: map[string]any{"service": "nginx"}, Filter: filter.Filter{Facts: []string{"hagroup=c"}},
		SealTo: make([]byte, identity.SealSize), Declared: job.Declared{Change: true, Meaning: job.Hash{1}},
	}
}

func (w world) signed(t testing.TB, change func(*job.Job)) []byte {
	t.Helper()
	j := w.job()
	if change != nil {
		change(&j)
	}
	signed, err := j.Sign(w.admin)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

func (w world) reply(t testing.TB, to job.Hash) []byte {
	t.Helper()
	r := job.Reply{Job: to, Kind: job.Result, State: job.OK, Message: "restarted", Data: map[string]any{"pid": int64(7)}, Time: now.UnixMilli()}
	signed, err := r.Sign(w.node)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

func wantError(t *testing.T, err error, part string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), part) {
		t.Fatalf("got error %v, want one with %q", err, part)
	}
}

// flipped returns a copy with one bit of byte i changed; i may count from the end.
func flipped(b []byte, i int) []byte {
	b = append([]byte(nil), b...)
	if i < 0 {
		i += len(b)
	}
	b[i] ^= 1
	return b
}
