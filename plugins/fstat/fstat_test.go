package fstat

import (
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"fleet/plugins/plugin"
)

func TestStat(t *testing.T) {
	dir := t.TempDir()
	at := time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)
	write := func(name, text string, mode os.FileMode) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(file, at, at); err != nil {
			t.Fatal(err)
		}
		return file
	}
	try := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	md, sha := md5.Sum([]byte("hello\n")), sha256.Sum256([]byte("hello\n"))
	sums := map[string]any{"md5": hex.EncodeToString(md[:]), "sha256": hex.EncodeToString(sha[:]), "error": nil}
	with := func(more map[string]any) map[string]any {
		m := map[string]any{}
		for _, from := range []map[string]any{sums, more} {
			for k, v := range from {
				m[k] = v
			}
		}
		return m
	}

	file := write("file", "hello\n", 0o640)
	try(os.Symlink("file", filepath.Join(dir, "link")))
	try(os.Symlink("nowhere", filepath.Join(dir, "dangling")))
	try(syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o600))
	listener, err := net.Listen("unix", filepath.Join(dir, "sock"))
	try(err)
	defer listener.Close()
	big := write("big", "", 0o600)
	try(os.Truncate(big, maxHashed+1))
	write("setuid", "hello\n", 0o600)
	try(syscall.Chmod(filepath.Join(dir, "setuid"), 0o4755))

	tests := []struct {
		path string
		want map[string]any // nil: the output must not be there
	}{
		{file, with(map[string]any{"output": "present", "present": true, "type": "file", "size": int64(6), "mode": "0640",
			"mtime": "2026-02-03T04:05:06Z", "mtime_seconds": at.Unix(), "uid": int64(os.Getuid()), "gid": int64(os.Getgid()), "name": file})},
		{filepath.Join(dir, "setuid"), with(map[string]any{"mode": "4755"})},
		{filepath.Join(dir, "link"), with(map[string]any{"type": "symlink", "target": "file", "size": int64(6), "present": true})},
		{filepath.Join(dir, "dangling"), map[string]any{"type": "symlink", "present": true, "md5": nil, "error": "the link leads nowhere"}},
		{filepath.Join(dir, "none"), map[string]any{"output": "absent", "present": false, "type": nil, "size": nil, "md5": nil, "error": nil}},
		{filepath.Join(file, "below"), map[string]any{"output": "absent", "present": false}},
		{dir, map[string]any{"type": "directory", "md5": nil, "error": nil}},
		{filepath.Join(dir, "fifo"), map[string]any{"type": "fifo", "md5": nil, "error": nil}},
		{filepath.Join(dir, "sock"), map[string]any{"type": "socket", "md5": nil, "error": nil}},
		{"/dev/zero", map[string]any{"type": "chardev", "md5": nil, "error": nil}},
		{big, map[string]any{"type": "file", "size": int64(maxHashed + 1), "md5": nil, "error": "no checksums: larger than 67108864 bytes"}},
	}
	for _, tt := range tests {
		t.Run(filepath.Base(tt.path), func(t *testing.T) {
			got, err := Plugin{}.Query(t.Context(), tt.path)
			if err != nil {
				t.Fatal(err)
			}
			for name, want := range tt.want {
				if v, there := got[name]; !there || v != want {
					t.Errorf("%s is %#v, want %#v", name, v, want)
				}
			}
			declared(t, got)
		})
	}
}

func declared(t *testing.T, data map[string]any) {
	t.Helper()
	a, _ := Plugin{}.Declaration().Action("stat")
	names := map[string]bool{}
	for _, out := range a.Outputs {
		names[out.Name] = true
	}
	for name := range data {
		if !names[name] {
			t.Errorf("output %s is not declared", name)
		}
	}
}

func TestStatRefusesPaths(t *testing.T) {
	for _, path := range []string{"", "etc/hosts", "./x", "/etc/../etc/hosts", "/etc//hosts", "/etc/", "/etc/./hosts", "/a\x00b", "/" + strings.Repeat("a", maxPath)} {
		if got, err := (Plugin{}).Query(t.Context(), path); err == nil {
			t.Errorf("fstat(%q) = %v", path, got)
		}
	}
}

func TestStatEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := (Plugin{}).Query(ctx, file); err == nil {
		t.Errorf("got %v", got)
	}
}

func TestRun(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("hello\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		path, message string
		state         plugin.State
	}{
		{file, "file, 6 bytes, mode 0644, md5 b1946ac92492d2347c6235b4d2611184", plugin.OK},
		{file + "x", "absent", plugin.OK},
		{"/etc/../x", "fstat needs an absolute path", plugin.Failed},
	} {
		res := Plugin{}.Run(t.Context(), plugin.Call{Action: "stat", Args: plugin.Args{"path": tt.path}})
		if res.State != tt.state || !strings.Contains(res.Message, tt.message) {
			t.Errorf("%s: %s, %q; want %s, %q", tt.path, res.State, res.Message, tt.state, tt.message)
		}
	}
}
