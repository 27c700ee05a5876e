package facts

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"
)

// collectDir runs the custom part of a collection over dirs; problems come back with the base name of their file.
func collectDir(t *testing.T, timeout time.Duration, dirs ...string) (map[string]any, []Problem) {
	t.Helper()
	got, problems := loadCustom(t.Context(), Config{Dirs: dirs, Timeout: timeout})
	problems = tidy(problems)
	for i := range problems {
		problems[i].File = filepath.Base(problems[i].File)
	}
	return got, problems
}

func checkProblems(t *testing.T, got []Problem, want ...string) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("got %d problems, want %d: %v", len(got), len(want), got)
		return
	}
	for i, p := range got {
		if strings.ContainsAny(p.Error, "\x1b\n") {
			t.Errorf("%q is not fit for a terminal", p.Error)
		}
		if line := p.File + " " + p.Error; !strings.Contains(line, want[i]) {
			t.Errorf("problem %d is %q, want %q", i, line, want[i])
		}
	}
}

func TestCustomFiles(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"a.toml": "from_toml = 1\n", "b.json": `{"from_json": 1.5}`, "c.yaml": "from_yaml: true\n", "d.YML": "from_yml: {deep: [1]}\n",
		"e.txt": "from_text=x\n", "f.txt": "broken\nbeside_it=1\n", "g.json": `{"x":`, "h.conf": "a=1\n", "README": "hello",
		".hidden.txt": "no=1\n", "i.txt~": "no=1\n", "j.txt.dpkg-old": "no=1\n", "k.yaml.rpmsave": "no: 1\n", "l.yaml.rpmnew": "no: 1\n", "#m.txt#": "no=1",
		"sub/n.txt": "no=1\n",
	} {
		write(t, filepath.Join(dir, name), text, 0o644)
	}
	write(t, filepath.Join(dir, "o.txt"), "executable_data=is still data\n", 0o755)
	write(t, filepath.Join(dir, "p.txt"), strings.Repeat("#", maxFile+1), 0o644)
	if err := os.Symlink("/nonexistent", filepath.Join(dir, "q.txt")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "r.txt"), 0o644); err != nil {
		t.Fatal(err)
	}
	got, problems := collectDir(t, 0, filepath.Join(dir, "none"), dir)
	want := map[string]any{"from_toml": int64(1), "from_json": 1.5, "from_yaml": true, "from_yml": map[string]any{"deep": []any{int64(1)}},
		"from_text": "x", "beside_it": "1", "executable_data": "is still data"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	checkProblems(t, problems,
		"README is neither executable nor has it a known suffix",
		`f.txt line 1: "broken" is not name=value`,
		"g.json line 1: ends in the middle",
		"h.conf is neither executable",
		"p.txt is larger than 256 KiB",
		"q.txt no such file",
		"r.txt is not a regular file",
	)
}

func TestCustomOrder(t *testing.T) {
	first, second := t.TempDir(), t.TempDir()
	write(t, filepath.Join(first, "b.txt"), "role=first\nonly=1\n", 0o644)
	write(t, filepath.Join(second, "a.yaml"), "Role: second\n", 0o644)
	write(t, filepath.Join(second, "c.json"), `{"role": "third"}`, 0o644)
	got, problems := collectDir(t, 0, first, second)
	if got["role"] != "third" || got["only"] != "1" {
		t.Errorf("got %v", got)
	}
	checkProblems(t, problems, `b.txt defines "role", but so does`, `a.yaml defines "role", but so does`)
}

func TestCustomWinsOverBuiltin(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.txt"), "kernel=Mine\n", 0o644)
	s := Collect(t.Context(), Config{Root: "testdata/debian12", Dirs: []string{dir}})
	wants{"kernel": "Mine", "kernelrelease": "6.1.0-10-amd64"}.check(t, s.Facts)
	checkProblems(t, s.Problems)
}

func TestExecutables(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("FLEET_JOIN", "secret")
	for name, text := range map[string]string{
		"01-json":     "#!/bin/sh\necho '{\"exec_json\": 1}'\n",
		"02-text.sh":  "#!/bin/sh\necho exec_text=$#\n",
		"03-yaml":     "#!/bin/sh\nprintf 'exec_yaml:\\n  - 1\\n'\n",
		"04-nothing":  "#!/bin/sh\n",
		"05-env":      "#!/bin/sh\necho join=$FLEET_JOIN\necho cwd=$PWD\n",
		"06-fails":    "#!/bin/sh\necho half=1\nprintf 'no \\033[31mluck\\n' >&2\nexit 3\n",
		"07-prose":    "#!/bin/sh\necho hello there\n",
		"08-hangs":    "#!/bin/sh\nsleep 60 &\nsleep 60\n",
		"09-floods":   "#!/bin/sh\nexec yes aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa=1\n",
		"10-daemon":   "#!/bin/sh\nsleep 60 &\necho daemon=1\n",
		"11-notexec":  "\x7fnot a program\n",
		"11-yaml-esc": "#!/bin/sh\nprintf 'a: [\\033[31m\\nb'\n",
		"11-noisy.sh": "#!/bin/sh\necho Loading modules...\necho noisy=1\n",
		"12-stdin.py": "#!/bin/sh\nread line || echo stdin=closed\n",
	} {
		write(t, filepath.Join(dir, name), text, 0o755)
	}
	got, problems := collectDir(t, 3*time.Second, dir)
	want := map[string]any{"exec_json": int64(1), "exec_text": "0", "exec_yaml": []any{int64(1)}, "join": "", "cwd": "/", "noisy": "1", "stdin": "closed"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	checkProblems(t, problems,
		"06-fails failed: exit status 3; stderr: no ?[31mluck",
		"07-prose line 1: \"hello there\" is no fact",
		"08-hangs was killed after 3s",
		"09-floods printed more than 256 KiB and was killed",
		"10-daemon left a process behind, which was killed",
		`11-noisy.sh line 1: "Loading modules..." is not name=value; the other lines were taken`,
		"11-notexec cannot be started: exec format error",
		"11-yaml-esc ",
	)
}

func TestUntrustedExecutables(t *testing.T) {
	script := "#!/bin/sh\necho ran=1\n"
	tests := []struct {
		name  string
		setup func(t *testing.T, dir string)
		want  string
	}{
		{"file for all", func(t *testing.T, dir string) { write(t, filepath.Join(dir, "x"), script, 0o777) }, "can be written by others"},
		{"file for the group", func(t *testing.T, dir string) { write(t, filepath.Join(dir, "x"), script, 0o775) }, "can be written by others"},
		{"directory for all", func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "x"), script, 0o755)
			chmod(t, dir, 0o777)
		}, "can be written by others"},
		{"sticky directory for all", func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "x"), script, 0o755)
			chmod(t, dir, 0o777|os.ModeSticky)
		}, "can be written by others"}, // others could add a link to a program of root's
		{"link in a good directory", func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "sub/y"), script, 0o755)
			if err := os.Symlink("sub/y", filepath.Join(dir, "x")); err != nil {
				t.Fatal(err)
			}
		}, ""},
		{"link by way of a directory for all", func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "sub/y"), script, 0o755)
			write(t, filepath.Join(dir, "open/z"), "", 0o644)
			chmod(t, filepath.Join(dir, "open"), 0o777|os.ModeSticky)
			if err := errors.Join(os.Symlink("../sub/y", filepath.Join(dir, "open/w")), os.Symlink("open/w", filepath.Join(dir, "x"))); err != nil {
				t.Fatal(err)
			}
		}, "can be written by others"},
		{"link to a file for all", func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "sub/y"), script, 0o777)
			if err := os.Symlink("sub/y", filepath.Join(dir, "x")); err != nil {
				t.Fatal(err)
			}
		}, "can be written by others"},
		{"file of somebody", func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "x"), script, 0o755)
			if os.Geteuid() != 0 {
				t.Skip("SKIPPED: only root can give a file away")
			}
			if err := os.Chown(filepath.Join(dir, "x"), 12345, 12345); err != nil {
				t.Fatal(err)
			}
		}, "belongs to user 12345"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			tt.setup(t, dir)
			got, problems := collectDir(t, 0, dir)
			if tt.want == "" {
				checkProblems(t, problems)
				if got["ran"] != int64(1) && got["ran"] != "1" {
					t.Errorf("got %v", got)
				}
				return
			}
			checkProblems(t, problems, "x is not run: ")
			if len(problems) == 1 && !strings.Contains(problems[0].Error, tt.want) || got["ran"] != nil {
				t.Errorf("got %v, %v", got, problems)
			}
		})
	}
}

func chmod(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func TestTooMany(t *testing.T) {
	dir := t.TempDir()
	for i := range maxFiles + 1 {
		write(t, filepath.Join(dir, fmt.Sprintf("%04d.txt", i)), "nonsense", 0o644)
	}
	s := Collect(t.Context(), Config{Dirs: []string{dir}, Root: "testdata/alpine"})
	if len(s.Problems) != maxProblems+1 || !strings.Contains(s.Problems[maxProblems].Error, "and 313 problems more") {
		t.Errorf("%d problems, the last is %v", len(s.Problems), s.Problems[len(s.Problems)-1])
	}
}

func TestClasses(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	write(t, a, "apache\n\n# comment\n roles::web \nbad\x1bname\n", 0o644)
	write(t, b, "apache\nsettings", 0o644)
	got, problems := readClasses([]string{a, filepath.Join(dir, "none"), b, dir})
	if want := []string{"apache", "roles::web", "settings"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	checkProblems(t, problems, "a line 5: is not the name of a class", "is not a regular file")
}

// TestOthersFilesDecideNothing has a file of each kind that others than its owner can write, beside one that they cannot.
func TestOthersFilesDecideNothing(t *testing.T) {
	dir, open := t.TempDir(), filepath.Join(t.TempDir(), "open")
	for name, text := range map[string]string{"a.toml": "a = 1\n", "b.json": `{"b":1}`, "c.yaml": "c: 1\n", "d.txt": "d=1\n", "e.sh": "#!/bin/sh\necho e=1\n"} {
		write(t, filepath.Join(dir, name), text, 0o755)
		chmod(t, filepath.Join(dir, name), 0o775)
	}
	write(t, filepath.Join(dir, "good.txt"), "good=1\n", 0o644)
	write(t, filepath.Join(open, "z.txt"), "z=1\n", 0o644)
	write(t, filepath.Join(open, "classes.txt"), "web\n", 0o644)
	write(t, filepath.Join(dir, "classes"), "base\n", 0o644)
	classes := []string{filepath.Join(open, "classes.txt"), filepath.Join(open, "none"), filepath.Join(dir, "classes")}
	chmod(t, open, 0o777)

	got, problems := loadCustom(t.Context(), Config{Dirs: []string{dir, open}})
	if want := map[string]any{"good": "1"}; !reflect.DeepEqual(got, want) {
		t.Errorf("facts are %v, want %v", got, want)
	}
	names, more := readClasses(classes)
	if want := []string{"base"}; !reflect.DeepEqual(names, want) {
		t.Errorf("classes are %v, want %v", names, want)
	}
	refused := map[string]bool{}
	for _, p := range append(problems, more...) {
		if p.Refused() {
			refused[filepath.Base(p.File)] = true
		}
	}
	for _, name := range []string{"a.toml", "b.json", "c.yaml", "d.txt", "e.sh", "z.txt", "classes.txt"} {
		if !refused[name] {
			t.Errorf("%s is not refused by name: %v", name, append(problems, more...))
		}
	}
	if len(refused) != 7 {
		t.Errorf("refused are %v", refused)
	}
}
