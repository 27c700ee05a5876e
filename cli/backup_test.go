package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"fleet/identity"
	"fleet/internal/fleettest"
	"fleet/internal/identitytest"
)

func TestBackupAndRestore(t *testing.T) {
	f := fleettest.New(t)
	f.First().Start()
	home := homeOfFleet(t, f)
	words := filepath.Join(t.TempDir(), "words")
	if err := os.WriteFile(words, []byte("correct horse"), 0o600); err != nil {
		t.Fatal(err)
	}
	file, gone := filepath.Join(t.TempDir(), "acme.backup"), filepath.Join(t.TempDir(), "new")
	code, _, errs := typed(t, home, "backup", file)
	if code != 2 {
		t.Errorf("without a passphrase: %d", code)
	}
	expect(t, errs, "no terminal", "--passphrase-file")
	code, out, errs := typed(t, home, "backup", file, "--passphrase-file", words)
	if code != 0 || out != "" {
		t.Fatal(code, out, errs)
	}
	expect(t, errs, "root.key", "admin.key", "of the fleet test")
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 || bytes.Contains(raw, []byte(f.Key.Secret())) {
		t.Errorf("%v %v", info.Mode(), err)
	}
	if code, _, errs := typed(t, home, "backup", file, "--passphrase-file", words); code != 2 {
		t.Errorf("over a file: %d %s", code, errs)
	}

	if code, _, errs := typed(t, home, "restore", file, "--passphrase-file", words); code != 2 {
		t.Errorf("over a home: %d %s", code, errs)
	}
	code, _, errs = typed(t, gone, "restore", file, "--passphrase-file", words)
	if code != 0 {
		t.Fatal(errs)
	}
	expect(t, errs, "now belongs to the fleet test")
	for _, name := range homeFiles() {
		want, err1 := os.ReadFile(filepath.Join(home, name))
		got, err2 := os.ReadFile(filepath.Join(gone, name))
		if !bytes.Equal(want, got) || (err1 == nil) != (err2 == nil) {
			t.Errorf("%s: %v, %v", name, err1, err2)
		}
	}
	for _, name := range []string{keyFile, rootKeyFile} {
		if info, err := os.Stat(filepath.Join(gone, name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if code, out, errs := typed(t, gone, "whoami"); code != 0 {
		t.Errorf("the restored home: %d %s %s", code, out, errs)
	}
	code, _, errs = typed(t, gone, "role", "allow", "x", "--action", "service.status") // with the root key
	if code != 0 {
		t.Error(errs)
	}
}

// A backup is a file from somewhere: it writes nothing but what a home directory has.
func TestRestoreWritesNothingElse(t *testing.T) {
	f := fleettest.New(t)
	words := filepath.Join(t.TempDir(), "words")
	if err := os.WriteFile(words, []byte("correct horse"), 0o600); err != nil {
		t.Fatal(err)
	}
	other := identitytest.Root().Anchor()
	for name, b := range map[string]identity.Backup{
		"no backup has":       {Files: map[string][]byte{rootFile: []byte(f.Root.Anchor().String()), "../evil": []byte("x")}},
		"what is pinned":      {Files: map[string][]byte{keyFile: []byte("x")}},
		"another fleet":       {Files: map[string][]byte{rootFile: []byte(other.String()), recordsFile: f.Root.Raw(), rosterFile: f.Signed}},
		"and what it pins is": {Fleet: other.ID(), Files: map[string][]byte{rootFile: []byte(f.Root.Anchor().String())}},
	} {
		b.Made = time.Now()
		text, err := b.Lock("correct horse")
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		file := filepath.Join(dir, "b")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		code, _, errs := typed(t, filepath.Join(dir, "home"), "restore", file, "--passphrase-file", words)
		if code != 1 {
			t.Errorf("%s: %d", name, code)
		}
		expect(t, errs, name)
		if left, _ := os.ReadDir(dir); len(left) != 1 {
			t.Errorf("%s: it wrote %v", name, left)
		}
	}
}
