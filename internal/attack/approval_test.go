package attack

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fleet/identity"
	"fleet/job"
)

// A rule asks for a second key. Ann signs a job without targets, which is for every host, and bob is made to sign it too: by fleet
// approve, which showed "on 0 hosts" once, or by a program that is not fleet's. It runs nowhere, by whatever way it comes.
func TestApprovedJobWithoutTargets(t *testing.T) {
	m := shared
	bob := identity.NewKey[identity.Admin]()
	var old []identity.RoleEntry
	m.amend(t, func(r *identity.Roster) {
		ann := slices.IndexFunc(r.Admins, func(a identity.AdminEntry) bool { return a.Key.Equal(m.admin.Public()) })
		old = slices.Clone(r.Roles)
		r.Roles = nil
		for _, role := range old {
			role.Rules = []identity.Rule{{Action: "node.*"}, {Action: "rpcutil.*"}, {Action: "service.*", Second: 1}}
			r.Roles = append(r.Roles, role)
		}
		r.Admins = append(r.Admins, identity.AdminEntry{Name: "bob", Key: bob.Public(), Roles: r.Admins[ann].Roles})
	})
	defer m.amend(t, func(r *identity.Roster) {
		r.Roles = old
		r.Admins = slices.DeleteFunc(r.Admins, func(a identity.AdminEntry) bool { return a.Name == "bob" })
	})
	file := filepath.Join(t.TempDir(), "all.job")
	write := func(signed []byte) {
		t.Helper()
		if err := os.WriteFile(file, []byte("fleet-job1."+base64.RawURLEncoding.EncodeToString(signed)+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	fleet := func(home string, words ...string) string {
		t.Helper()
		cmd := exec.Command(m.binary, append(words, "--home", home)...)
		cmd.Env = m.env()
		out, err := cmd.CombinedOutput()
		if err == nil {
			t.Errorf("fleet %s succeeded:\n%s", strings.Join(words, " "), out)
		}
		return string(out)
	}
	const service, why = "approved-for-all", "without exact targets cannot be approved"
	all := m.change(service)
	all.Targets = nil
	signed := sign(t, all, m.admin)
	both := append(append(bytes.Clone(signed), bob.Public().Bytes()...), bob.Sign(identity.ApprovalContext, signed)[:ed25519.SignatureSize]...)
	u, err := job.Decode(both)
	if err != nil {
		t.Fatal(err)
	}

	t.Run("fleet approve FILE", func(t *testing.T) {
		write(signed)
		if out := fleet(m.homeOf(t, bob), "approve", file, "-y"); !strings.Contains(out, why) {
			t.Errorf("it says %q", out)
		}
	})
	t.Run("left with the brokers", func(t *testing.T) {
		for _, raw := range [][]byte{signed, both} {
			if err := m.client.PutWaiting(t.Context(), raw); err == nil || !strings.Contains(err.Error(), why) {
				t.Errorf("a broker answered %v", err)
			}
		}
	})
	t.Run("fleet send FILE", func(t *testing.T) {
		write(both)
		pending := filepath.Join(m.home(), "pending", u.ID())
		if err := os.MkdirAll(filepath.Dir(pending), 0o700); err != nil {
			t.Fatal(err)
		}
		text := `{"schema":"fleet.pending/v1","seal":"` + identity.NewSealKey().Secret() + `","targets":[]}`
		if err := os.WriteFile(pending, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if out := fleet(m.home(), "send", file); !strings.Contains(out, why) {
			t.Errorf("it says %q", out)
		}
	})
	t.Run("sent to all by another program", func(t *testing.T) {
		m.refused(t, both, u.ID(), job.ReasonHosts, service)
	})
	for _, h := range m.hosts {
		if h.ran(service) != 0 {
			t.Errorf("%s ran it", h.name)
		}
	}
	t.Run("with its targets", func(t *testing.T) {
		j := m.change("approved-for-web4")
		j.Reason = "ticket 4711"
		j.Targets = []identity.ID{m.hosts[3].id}
		whole, err := job.Approve(sign(t, j, m.admin), bob)
		if err != nil {
			t.Fatal(err)
		}
		m.honest(t, whole, "approved-for-web4", m.hosts[3])
		if !hasAll(m.hosts[3].audit(t), []string{j.ID, `"job_reason":"ticket 4711"`, `"second":"bob"`}) {
			t.Error("the audit does not say why, or who approved it")
		}
	})
}

// homeOf is a home directory of an admin with this key.
func (m *mesh) homeOf(t *testing.T, key identity.PrivateKey[identity.Admin]) string {
	t.Helper()
	home := filepath.Join(t.TempDir(), "home")
	if err := os.Mkdir(home, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"root.pub", "brokers"} {
		text, err := os.ReadFile(filepath.Join(m.home(), name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(home, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := identity.WriteKey(filepath.Join(home, "admin.key"), key); err != nil {
		t.Fatal(err)
	}
	return home
}
