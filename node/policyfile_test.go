package node

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"fleet/policy"
)

const restarts = "[[rule]]\ndecision = \"allow\"\naction = [\"service.restart\"]\n"

func policyIn(t testing.TB, text string) (path string, p *policyFile) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "etc")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(dir, "policy.toml")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path, &policyFile{path: path}
}

func ruleCount(t *testing.T, p *policyFile) int {
	t.Helper()
	f, err := p.current()
	if err != nil {
		t.Fatal(err)
	}
	return f.Rules()
}

// An edit counts by what it wrote, whatever size and time say.
func TestAnEditOfTheSameSizeAndTimeCounts(t *testing.T) {
	path, p := policyIn(t, restarts)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if n := ruleCount(t, p); n != 1 {
		t.Fatalf("%d rules", n)
	}
	commented := strings.Repeat("#", len(restarts))
	if err := os.WriteFile(path, []byte(commented), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	if n := ruleCount(t, p); n != 0 {
		t.Errorf("%d rules after the edit", n)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if n := ruleCount(t, p); n != 0 {
		t.Errorf("%d rules without a file", n)
	}
	if err := os.WriteFile(path, []byte(restarts), 0o644); err != nil {
		t.Fatal(err)
	}
	if n := ruleCount(t, p); n != 1 {
		t.Errorf("%d rules when it is back", n)
	}
}

func TestAPolicyThatOthersCouldHaveWritten(t *testing.T) {
	chmod := func(mode os.FileMode, of func(path string) string) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			if err := os.Chmod(of(path), mode); err != nil {
				t.Fatal(err)
			}
		}
	}
	itself := func(path string) string { return path }
	for name, tt := range map[string]struct {
		spoil func(t *testing.T, path string)
		want  string
	}{
		"file for the group":   {chmod(0o664, itself), "can be written by others"},
		"folder for all":       {chmod(0o777, filepath.Dir), "can be written by others"},
		"sticky folder":        {chmod(0o777|os.ModeSticky, filepath.Dir), "can be written by others"},
		"a folder in place":    {func(t *testing.T, path string) { os.Remove(path); os.Mkdir(path, 0o755) }, "is not a regular file"},
		"a named pipe":         {func(t *testing.T, path string) { os.Remove(path); syscall.Mkfifo(path, 0o644) }, "is not a regular file"},
		"a link to nothing":    {func(t *testing.T, path string) { os.Rename(path, path+".away"); os.Symlink(path+".gone", path) }, "is a link to a file that does not exist"},
		"too large":            {func(t *testing.T, path string) { os.Truncate(path, policy.MaxFile+1) }, "is larger than"},
		"not what fleet reads": {func(t *testing.T, path string) { os.WriteFile(path, []byte("[[rule]]\nwho = 1\n"), 0o644) }, "who"},
		"a link from a bad folder": {func(t *testing.T, path string) {
			open := filepath.Join(t.TempDir(), "open")
			os.Rename(path, path+".real")
			os.Mkdir(open, 0o755)
			os.Symlink(path+".real", filepath.Join(open, "policy.toml"))
			os.Chmod(open, 0o777)
			os.Symlink(filepath.Join(open, "policy.toml"), path)
		}, "can be written by others"},
	} {
		t.Run(name, func(t *testing.T) {
			path, p := policyIn(t, restarts)
			if n := ruleCount(t, p); n != 1 {
				t.Fatalf("%d rules", n)
			}
			tt.spoil(t, path)
			if _, err := p.current(); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

// BenchmarkPolicyFile is what each job pays for it.
func BenchmarkPolicyFile(b *testing.B) {
	_, p := policyIn(b, strings.Repeat(restarts, 50))
	for b.Loop() {
		if _, err := p.current(); err != nil {
			b.Fatal(err)
		}
	}
}
