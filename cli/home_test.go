package cli

import (
	"os/user"
	"path/filepath"
	"strings"
	"testing"

	"fleet/internal/atomicfile"
)

// Without a usable HOME the home is the passwd entry's, and never the working directory.
func TestAHomeIsNeverTheWorkingDirectory(t *testing.T) {
	u, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	for _, home := range []string{"", ".", "relative/home"} {
		t.Setenv("HOME", home)
		if got := environment("HOME"); got != u.HomeDir {
			t.Errorf("HOME=%q: the home is %q, want %q", home, got, u.HomeDir)
		}
	}
	t.Setenv("HOME", "/somewhere")
	if got := environment("HOME"); got != "/somewhere" {
		t.Errorf("HOME=/somewhere: the home is %q", got)
	}
	none := func(string) string { return "" }
	if dir := userConfigDir(none); dir != "" {
		t.Errorf("a user without a home has the config directory %q", dir)
	}
	relative := func(name string) string { return map[string]string{"HOME": "h", "XDG_CONFIG_HOME": "x"}[name] }
	if dir := userConfigDir(relative); dir != "" {
		t.Errorf("relative directories lead to %q", dir)
	}
}

// What to do about a missing key depends on what is there already.
func TestTheHintForAMissingKey(t *testing.T) {
	empty, joined := t.TempDir(), t.TempDir()
	if err := atomicfile.Write(filepath.Join(joined, rootFile), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ home, sudo, want, not string }{
		{empty, "", "to join an existing fleet as an admin: fleet admin keygen", ""},
		{joined, "", "restore the file from a backup", "fleet init"},
		{empty, "ann", "--home ~ann/.config/fleet", "fleet init"},
	} {
		getenv := func(name string) string { return map[string]string{"HOME": "/h", "SUDO_USER": tt.sudo}[name] }
		if got := hintMissing(tt.home, getenv); !strings.Contains(got, tt.want) || tt.not != "" && strings.Contains(got, tt.not) {
			t.Errorf("%+v: %s", tt, got)
		}
	}
}

// homeless is the environment of a test in which nothing is set but a home that is not there.
func homeless(name string) string { return map[string]string{"HOME": "/nonexistent"}[name] }
