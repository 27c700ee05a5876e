package attack

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fleet/identity"
	"fleet/job"
)

// The only root key is lost, and a thief has a copy. Root on each host tells it of a new root; from then on what the old key signs is
// nothing, and the fleet's hosts, admins and roles are those that it had.
func TestALostRoot(t *testing.T) {
	m := besieged(t)
	stolen := m.root
	if err := os.Rename(filepath.Join(m.home(), "root.key"), filepath.Join(t.TempDir(), "root.key")); err != nil {
		t.Fatal(err)
	}
	if err := m.fleet("role", "allow", "ops", "--action", "service.*"); err == nil {
		t.Fatal("the roster was changed without a root key")
	}
	file := filepath.Join(m.dir, "new-root")
	if err := m.fleet("root", "replace", "1of1", "--lost", file, "--yes"); err != nil {
		t.Fatal(err)
	}
	if err := m.fleet("ping"); err == nil {
		t.Error("hosts obey an admin who goes by a root that they do not know")
	}
	if err := os.Chmod(file, 0o666); err != nil {
		t.Fatal(err)
	}
	adopt := func(h *host) error { return m.fleet("node", "adopt-root", file, "--data", h.dir) }
	if err := adopt(m.hosts[0]); err == nil || !strings.Contains(err.Error(), "others could have written") {
		t.Errorf("a file that anybody could have written: %v", err)
	}
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := adopt(m.hosts[0]); err == nil || !strings.Contains(err.Error(), "stop the node first") {
		t.Errorf("beside the running agent: %v", err)
	}
	for _, h := range m.hosts {
		h.stop()
		if err := adopt(h); err != nil {
			t.Fatal(err)
		}
		if err := h.start(); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "all hosts obey the admin", func() bool { return m.fleet("ping") == nil })
	until(t, "the new root's key changes the roster", func() bool { return m.fleet("role", "allow", "ops", "--action", "service.*") == nil })

	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if _, m.root.Authority, err = identity.ParseAdoption(string(text)); err != nil {
		t.Fatal(err)
	}
	m.client.Close()
	if m.client, err = m.connect(t.Context(), m.admin); err != nil {
		t.Fatal(err)
	}
	thief := identity.NewKey[identity.Admin]()
	now, err := m.client.Roster(t.Context())
	if err != nil || now.Version != 2 || len(now.Roles) != 2 {
		t.Fatalf("version %d, %d roles, %v", now.Version, len(now.Roles), err)
	}
	his := now.Next("thief")
	his.Version += 10
	his.Admins = append(his.Admins, identity.AdminEntry{Name: "thief", Key: thief.Public(), Roles: []string{"all"}})
	roster, err1 := identity.SignRoster(stolen, his, time.Now())
	revocation, err2 := identity.SignRevocations(stolen, "thief", time.Now(), identity.RevokeAdmin(m.admin.Public()))
	mine := identity.NewKey[identity.Root]()
	r, err3 := stolen.Replace(1, []identity.RootKey{{Key: mine.Public()}}, nil, time.Now())
	err4 := errors.Join(r.Sign(stolen.Authority, stolen.Holders[0]), r.Sign(stolen.Authority, identity.FileRoot(mine)))
	root, err5 := r.Root(stolen.Authority)
	if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
		t.Fatal(err)
	}
	for what, raw := range map[string][]byte{"a roster": roster, "a revocation": revocation, "a root": root.Raw()} {
		if err := m.client.PutDocument(t.Context(), raw); err == nil {
			t.Errorf("%s by the lost key was taken", what)
		}
	}
	web4, j := m.hosts[3], m.change("by-the-thief")
	config, err := identity.AdminTLS(m.root.Anchor(), m.admin, unknown)
	if err != nil {
		t.Fatal(err)
	}
	nc, err := m.dial(config) // the thief himself is let in nowhere
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if err := nc.Publish(job.NodeSubject(web4.id), sign(t, j, thief)); err != nil {
		t.Fatal(err)
	}
	if _, err := web4.log.find(0, j.ID, "not in roster"); err != nil {
		t.Error(err)
	}
	m.recovers(t)
	if web4.ran("by-the-thief") != 0 {
		t.Error("the thief's job ran")
	}
	if err := m.fleet("status"); err != nil {
		t.Error(err)
	}
}
