package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fleet/identity"
	"fleet/internal/fleettest"
)

// holders are the people of a fleet whose root is two of three keys: each has one key, and ann and bob are admins.
type holders struct {
	f              *fleettest.Fleet
	ann, bob, carl person
	file           string
}

func newHolders(t *testing.T) (h holders) {
	t.Helper()
	f, _ := fleettest.Up(t, 2)
	h = holders{f: f, ann: person{t: t, home: homeOfFleet(t, f)}, bob: person{t: t, home: filepath.Join(t.TempDir(), "bob")},
		carl: person{t: t, home: filepath.Join(t.TempDir(), "carl")}, file: filepath.Join(t.TempDir(), "change")}
	_, line, _ := h.bob.run("admin", "keygen", "bob", "--role", "all")
	_, back, _ := h.ann.run(strings.Fields(line)[1:]...)
	h.bob.pasted(0, back)
	h.ann.must(0, "root", "replace", "2of3", "--yes")
	if err := os.Mkdir(h.carl.home, 0o700); err != nil {
		t.Fatal(err)
	}
	move := func(name string, p person) {
		if err := os.Rename(filepath.Join(h.ann.home, name), filepath.Join(p.home, name)); err != nil {
			t.Fatal(err)
		}
	}
	move("root-3.key", h.bob)
	move("root-4.key", h.carl)
	for _, name := range []string{rootFile, recordsFile} { // carl is no admin, and has no broker
		raw, err := os.ReadFile(filepath.Join(h.ann.home, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(h.carl.home, name), raw, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return h
}

// A role is allowed by two holders on two machines, one of them without a network; then an admin is removed, and the root replaced.
func TestHoldersSignOneAfterTheOther(t *testing.T) {
	h := newHolders(t)
	allow := []string{"role", "allow", "ops", "--action", "service.*", "--hosts", "env=prod"}
	expect(t, h.ann.must(2, allow...), "more root keys must sign: 1 of 2 have", "--propose FILE")
	expect(t, h.ann.must(0, append(allow, "--propose", h.file)...), "nothing has changed yet: 1 more of the root keys must sign", "fleet root sign "+h.file)
	expect(t, h.ann.must(2, append(allow, "--propose", h.file)...), "already exists; nothing was written")
	expect(t, h.ann.must(2, "root", "send", h.file), "more root keys must sign: 1; nothing was changed")
	expect(t, h.ann.must(2, "root", "sign", h.file, "-y"), "no root key in "+h.ann.home+" is missing in this change")
	const rule = `+ rule of "ops": allows "service.*", where the labels match "env=prod"`
	expect(t, h.bob.must(2, "root", "sign", h.file), rule, "missing: 1", "nothing was signed")
	expect(t, h.carl.must(1, "root", "sign", h.file, "-y"), "the admin's key")
	expect(t, h.carl.must(0, "root", "sign", h.file, "-y", "--offline"), rule, "warning: only "+h.file+" says that this roster is in force", "enough root keys have signed")
	expect(t, h.bob.must(2, "root", "sign", h.file, "-y"), "is missing in this change", "an admin runs: fleet root send")
	if out := h.bob.must(0, "role", "list"); strings.Contains(out, "ops") {
		t.Fatalf("it is in force before it was handed in:\n%s", out)
	}
	expect(t, h.bob.must(0, "root", "send", h.file), rule, "missing: 0", "is in force on all 2 hosts")
	expect(t, h.ann.must(0, "role", "list"), "ops", "service.*")
	expect(t, h.bob.must(2, "root", "send", h.file), "it must be made again")
	expect(t, h.bob.must(2, "root", "sign", h.file, "-y"), "it must be made again", "who made the file repeats the command")

	// Whoever is no holder can propose, and what was proposed before another change is stale.
	os.Rename(filepath.Join(h.ann.home, "root-2.key"), filepath.Join(h.ann.home, "away"))
	first, second := h.file+"1", h.file+"2"
	expect(t, h.ann.must(0, "root", "size", "2", "--propose", first), "2 more of the root keys must sign")
	expect(t, h.ann.must(0, "admin", "remove", "bob", "--keep-hosts", "-y", "--propose", second), "2 more of the root keys must sign")
	os.Rename(filepath.Join(h.ann.home, "away"), filepath.Join(h.ann.home, "root-2.key"))
	for _, p := range []person{h.ann, h.bob} {
		expect(t, p.must(0, "root", "sign", second, "-y"), "shuts out the admin", `who is "bob"`, "signed; ")
	}
	expect(t, h.ann.must(0, "root", "send", second), "is in force on all 2 hosts")
	if out := h.ann.must(0, "admin", "list"); strings.Contains(out, "bob") {
		t.Errorf("bob is still an admin:\n%s", out)
	}
	expect(t, h.ann.must(0, "root", "sign", first, "-y"), "the fleet has 2 hosts instead of no stated size") // the roster is the same one
	expect(t, h.carl.must(0, "root", "sign", first, "-y", "--offline"), "the fleet has 2 hosts")
	expect(t, h.ann.must(0, "root", "send", first), "is in force on all 2 hosts")

	// The root itself.
	root := h.file + "3"
	expect(t, h.ann.must(0, "root", "replace", "1of2", "--yes", "--propose", root), "wrote the new root keys", "1 more of the root keys must sign")
	expect(t, h.carl.must(0, "root", "sign", root, "-y", "--offline"), "1 of these 2 keys must sign from then on", "signs nothing any more")
	expect(t, h.ann.must(0, "root", "send", root), "root version 3 is in force on all 2 hosts")
	h.ann.must(0, "role", "allow", "later", "--action", "service.status")
	expect(t, h.carl.must(2, "root", "sign", root, "-y", "--offline"), "no root key in "+h.carl.home+" is missing")
}

// A holder without a network is not shown a change of a roster from former days.
func TestAnOldRosterOffline(t *testing.T) {
	h := newHolders(t)
	old := []string{"root", "size", "7", "--propose", h.file}
	h.ann.must(0, old...)
	for i, size := range []string{"2", "3"} {
		file := h.file + size
		h.ann.must(0, "root", "size", size, "--propose", file)
		h.bob.must(0, "root", "sign", file, "-y")
		h.bob.must(0, "root", "send", file)
		if i == 0 { // carl's home saw it
			raw, err := os.ReadFile(filepath.Join(h.bob.home, rosterFile))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(h.carl.home, rosterFile), raw, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	expect(t, h.carl.must(2, "root", "sign", h.file, "-y", "--offline"), "it must be made again")
	expect(t, h.ann.must(2, "root", "sign", h.file, "-y"), "it must be made again")

	// A file that is no change.
	for _, text := range []string{"", "fleet-change1.AAAA", strings.Repeat("x", 2*maxChangeFile)} {
		if err := os.WriteFile(h.file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		h.carl.must(2, "root", "sign", h.file, "-y", "--offline")
	}
	h.carl.must(2, "root", "sign", filepath.Dir(h.file), "-y", "--offline")
	h.carl.must(2, "root", "sign", h.file+"-none", "-y", "--offline")
}

// A host is revoked by two holders, and who it is, is shown to both.
func TestHoldersRevoke(t *testing.T) {
	h := newHolders(t)
	token := h.f.Token(identity.Record{Role: identity.Member})
	h.f.Join("web9", token)
	h.f.Join("web8", h.f.Token(identity.Record{Role: identity.Member}))
	h.f.Await(h.f.Client(), 4)
	expect(t, h.ann.must(0, "token", "revoke", string(token.Record.ID()), "--with-hosts", "-y", "--propose", h.file), "1 more of the root keys must sign")
	expect(t, h.bob.must(0, "root", "sign", h.file, "-y"), "shuts out the token "+string(token.Record.ID())+", with every host that joined with it, until ")
	expect(t, h.bob.must(0, "root", "send", h.file), "the revocation is in force on all 3 hosts")
	file := h.file + "2"
	expect(t, h.ann.must(0, "node", "revoke", "web8", "-y", "--propose", file), "1 more of the root keys must sign")
	expect(t, h.bob.must(0, "root", "sign", file, "-y"), `which a broker calls "web8"`, time.Now().Add(366*24*time.Hour).Format("until 2006-01"))
	expect(t, h.bob.must(0, "root", "send", file), "is in force on all 2 hosts")
}

// An admin goes with the hosts that came with his tokens: all of it is in one file, or none.
func TestHoldersRemoveAnAdminWithHosts(t *testing.T) {
	h := newHolders(t)
	for _, name := range []string{"web8", "web9"} { // each with a token of its own
		line := h.bob.must(0, "token", "create")
		token, err := identity.ParseToken(strings.Fields(line[strings.Index(line, "fleet1."):])[0])
		if err != nil {
			t.Fatal(err)
		}
		h.f.Join(name, token)
	}
	h.f.Await(h.f.Client(), 4)
	said := h.ann.must(0, "admin", "remove", "bob", "--drop-hosts", "-y", "--propose", h.file)
	expect(t, said, "2 hosts joined with 2 tokens that bob made", "1 more of the root keys must sign")
	seen := h.carl.must(0, "root", "sign", h.file, "-y", "--offline")
	if got := strings.Count(seen, "with every host that joined with it"); got != 2 {
		t.Errorf("%d tokens are revoked:\n%s", got, seen)
	}
	expect(t, seen, `who is "bob"`)
	expect(t, h.ann.must(0, "root", "send", h.file), "is in force on all 2 hosts")

	half, other := filepath.Join(t.TempDir(), "half"), filepath.Join(t.TempDir(), "other")
	for _, file := range []string{half, other} {
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	(&proposal{file: half, change: &identity.Change{}}).drop()
	(&proposal{file: other}).drop() // not ours
	(*proposal)(nil).drop()
	if exists(half) || !exists(other) {
		t.Error("the file of half a change stays, or another's goes")
	}
}

// No machine ever has two root keys: the holders make their own, one of them with ssh-agent, and sign the new root and what comes after.
func TestHoldersMakeTheirOwnKeys(t *testing.T) {
	f, _ := fleettest.Up(t, 2)
	ann := person{t: t, home: homeOfFleet(t, f)}
	bob := person{t: t, home: filepath.Join(t.TempDir(), "bob")}
	socket, _ := serveAgent(t, "fleet")
	carl := person{t: t, home: filepath.Join(t.TempDir(), "carl"), env: map[string]string{envAgent: socket}}
	anchor, err := os.ReadFile(filepath.Join(ann.home, rootFile))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []person{bob, carl} {
		if err := os.MkdirAll(p.home, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(p.home, rootFile), anchor, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	agentKey := []string{"--root-key", "agent:fleet"}
	_, bobs, _ := bob.run("root", "keygen")
	code, carls, errs := carl.run(append([]string{"root", "keygen"}, agentKey...)...)
	if code != 0 || !strings.HasPrefix(carls, "fleet-root:") {
		t.Fatalf("%d %s%s", code, carls, errs)
	}
	bobs, carls = strings.TrimSpace(bobs), strings.TrimSpace(carls)
	file := filepath.Join(t.TempDir(), "change")
	replace := []string{"root", "replace", "2of3", "--yes", "--with-key", bobs, "--with-key", carls}
	expect(t, ann.must(2, "root", "replace", "1of1", "--yes", "--with-key", bobs, "--with-key", carls), "is given for 2 keys, and the new root has 1")
	expect(t, ann.must(2, "root", "replace", "2of2", "--yes", "--with-key", bobs, "--with-key", bobs), "is given twice")
	expect(t, ann.must(2, "root", "replace", "2of2", "--yes", "--with-key", "fleet-admin:x"), "the line that fleet root keygen prints")
	expect(t, ann.must(2, replace...), "1 of the new keys must sign too", "--propose FILE")
	if exists(filepath.Join(ann.home, "root-2.key")) {
		t.Error("keys were written for a root that did not come")
	}
	expect(t, ann.must(0, append(replace, "--propose", file)...), "root-2.key", "1 more of the root keys must sign")
	expect(t, carl.must(0, append([]string{"root", "sign", file, "-y", "--offline"}, agentKey...)...), "+ "+bobs, "+ "+carls, "enough root keys have signed")
	expect(t, ann.must(0, "root", "send", file), "root version 2 is in force on all 2 hosts")

	second := file + "2"
	expect(t, ann.must(0, "root", "size", "9", "--propose", second), "1 more of the root keys must sign")
	expect(t, bob.must(0, "root", "sign", second, "-y", "--offline"), "the fleet has 9 hosts instead of no stated size")
	expect(t, ann.must(0, "root", "send", second), "is in force on all 2 hosts")
	third := file + "3"
	expect(t, ann.must(0, "root", "size", "8", "--propose", third), "1 more of the root keys must sign")
	expect(t, carl.must(1, "root", "sign", third, "-y", "--offline", "--root-key", "agent:none"), `no ssh-ed25519 or sk-ssh-ed25519@openssh.com key with the comment "none"`)
	carl.must(0, append([]string{"root", "sign", third, "-y", "--offline"}, agentKey...)...)
	expect(t, ann.must(0, "root", "send", third), "is in force on all 2 hosts")
}
