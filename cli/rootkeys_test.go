package cli

import (
	"os"
	"path/filepath"
	"testing"

	"fleet/identity"
)

// A fleet of three root keys, two of which must sign.
func TestInitWithRootKeys(t *testing.T) {
	p := person{t: t, home: t.TempDir()}
	for _, bad := range []string{"3of2", "0of1", "2", "1of10", "2of3x", "of"} {
		expect(t, p.must(2, "init", "acme", "--data", t.TempDir(), "--name", "web1", "--root-keys", bad), "is not such as 2of3")
	}
	expect(t, p.must(0, "init", "acme", "--data", t.TempDir(), "--name", "web1", "--advertise", "127.0.0.1", "--root-keys", "2of3"),
		"2 of its 3 root keys must sign", "root-2.key", "root-3.key")
	rules, err := (connection{home: p.home}).readRules()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(p.home, rootFile))
	if err != nil {
		t.Fatal(err)
	}
	anchor, err := identity.ParseAnchor(string(text))
	if err != nil {
		t.Fatal(err)
	}
	root, roster, err := rules.Open(anchor)
	if err != nil || root.Threshold() != 2 || len(root.Keys()) != 3 || roster.Fleet != "acme" {
		t.Fatalf("%+v %+v %v", root, roster, err)
	}
	for _, name := range rootKeyFiles()[:3] {
		if info, err := os.Stat(filepath.Join(p.home, name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", name, info, err)
		}
	}
	expect(t, p.must(2, "init", "acme", "--data", t.TempDir(), "--name", "web1"), "already belongs to a fleet (acme, id "+string(anchor.ID())+")")
}
