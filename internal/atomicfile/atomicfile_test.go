package atomicfile

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestWrite(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0o077))
	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), "nowhere"))
	dir := t.TempDir()
	target := filepath.Join(dir, "target")
	if err := os.WriteFile(target, []byte("not touched"), 0o600); err != nil {
		t.Fatal(err)
	}
	old := func(mode os.FileMode) func(string) error {
		return func(path string) error { return errors.Join(os.WriteFile(path, nil, mode), os.Chmod(path, mode)) }
	}
	tests := []struct {
		name   string
		before func(path string) error
		mode   os.FileMode
	}{
		{"a new file, past the umask", func(string) error { return nil }, 0o644},
		{"one that was open to others", old(0o666), 0o600},
		{"one that may not be written", old(0o400), 0o600},
		{"a link", func(path string) error { return os.Symlink(target, path) }, 0o600},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(dir, "file")
			os.Remove(path)
			if err := tt.before(path); err != nil {
				t.Fatal(err)
			}
			if err := Write(path, []byte("new"), tt.mode); err != nil {
				t.Fatal(err)
			}
			info, err := os.Lstat(path)
			got, readErr := os.ReadFile(path)
			if err != nil || readErr != nil || info.Mode() != tt.mode || string(got) != "new" {
				t.Errorf("%q, %v, %v, %v", got, info.Mode(), err, readErr)
			}
		})
	}
	if got, err := os.ReadFile(target); err != nil || string(got) != "not touched" {
		t.Errorf("the link was followed: %q, %v", got, err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 2 {
		t.Errorf("%v left in the directory, %v", entries, err)
	}
}

// A write that fails leaves the old file, and nothing beside it.
func TestWriteFails(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	if err := os.MkdirAll(filepath.Join(path, "full"), 0o700); err != nil { // a directory with something in it is not replaced
		t.Fatal(err)
	}
	if err := Write(path, []byte("new"), 0o600); err == nil {
		t.Error("no error")
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 || IsTemporary(entries[0].Name()) {
		t.Errorf("%v left in the directory, %v", entries, err)
	}
}
