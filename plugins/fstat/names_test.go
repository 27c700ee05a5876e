package fstat

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestNames(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, err := range []error{
		os.Mkdir(at("real"), 0o700), os.WriteFile(at("real/shadow"), nil, 0o600), os.Symlink("real", at("linked")),
		os.Symlink("real/shadow", at("passwd")), os.Symlink("nowhere", at("dangling")), os.Symlink("loop", at("loop")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for value, want := range map[string]string{
		at("real/shadow"): at("real/shadow"), at("linked/shadow"): at("real/shadow"), at("passwd"): at("real/shadow"), at("linked"): at("real"),
		"/proc/self/root" + at("passwd"): at("real/shadow"), at("dangling"): at("dangling"), at("linked/new"): at("real/new"), at("no/such/file"): at("no/such/file"),
		at("real/shadow/x"): at("real/shadow/x"), at("linked") + "/../passwd": at("linked") + "/../passwd", "": "", "passwd": "passwd", at("*"): at("*"),
	} {
		own, other, err := Plugin{}.Names(t.Context(), "stat", "path", value)
		if err != nil || len(own) != 1 || own[0] != want {
			t.Errorf("%s is %q, %v; want %s", value, own, err, want)
		}
		if own[0] != value && !slices.Contains(other, value) {
			t.Errorf("%s is not among its own names", value)
		}
	}
	if own, _, err := (Plugin{}).Names(t.Context(), "stat", "path", at("loop")); err == nil {
		t.Errorf("a link to itself leads to %q", own)
	}
}
