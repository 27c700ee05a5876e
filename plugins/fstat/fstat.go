package fstat

import (
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"fleet/plugins/plugin"
)

// maxHashed is the largest file that is read for its checksums, in bytes: at some hundred MB/s it takes a fraction
// of a second, and a filter asks every host at once.
const maxHashed = 64 << 20

// maxPath bounds a path, in bytes. The kernel takes 4096, but no file an admin asks for needs that.
const maxPath = 512

// Plugin is the fstat plugin. Its zero value is ready.
type Plugin struct{}

// Declaration returns what the plugin says of itself, on every host the same.
func (Plugin) Declaration() plugin.Declaration {
	return plugin.Declaration{
		Name:        "fstat",
		Description: "Look at a file: whether it exists, its size, mode, owner, time and checksums",
		Author:      "the fleet authors",
		Version:     "1.0.0",
		Timeout:     20 * time.Second,
		Actions: []plugin.Action{{
			Name: "stat", Description: "Show one file; a missing file is an answer, not a failure", Kind: plugin.Read,
			Inputs: []plugin.Input{{
				Name: "path", Prompt: "Path", Description: "absolute, without . or ..",
				Type: plugin.String, Positional: true, Pattern: `/.*`, MaxLength: maxPath,
			}},
			Outputs: []plugin.Output{
				{Name: "name", Label: "Name", Description: "The requested path"},
				{Name: "output", Label: "Status", Description: "present or absent"},
				{Name: "present", Label: "Present", Description: "Whether the file exists"},
				{Name: "type", Label: "Type", Description: "file, directory, symlink, socket, fifo, chardev or blockdev"},
				{Name: "target", Label: "Target", Description: "The target of a symbolic link, as written in it"},
				{Name: "size", Label: "Size", Description: "In bytes"},
				{Name: "mode", Label: "Mode", Description: "Permissions in octal, such as 0644"},
				{Name: "uid", Label: "UID", Description: "The owner"},
				{Name: "gid", Label: "GID", Description: "The owning group"},
				{Name: "mtime", Label: "Modified", Description: "Last change of the content (RFC 3339, UTC)"},
				{Name: "mtime_seconds", Label: "Modified (s)", Description: "The same in seconds since 1970"},
				{Name: "md5", Label: "MD5", Description: "Checksum of a regular file of at most 64 MiB"},
				{Name: "sha256", Label: "SHA-256", Description: "Checksum of a regular file of at most 64 MiB"},
				{Name: "error", Label: "Error", Description: "Why there are no checksums, where one would expect them"},
			},
			Summaries: []plugin.Summary{{Output: "output", By: plugin.CountValues}, {Output: "md5", By: plugin.CountValues}},
		}},
	}
}

// Run does the only action. It blocks while the file is read; ctx ends that early.
func (Plugin) Run(ctx context.Context, call plugin.Call) plugin.Result {
	if call.Action != "stat" {
		return plugin.Failf("fstat has no action %q", call.Action)
	}
	data, err := stat(ctx, call.Args.String("path"))
	if err != nil {
		return plugin.Failf("%v", err)
	}
	message := "absent"
	if data["present"] == true {
		message = fmt.Sprintf("%s, %d bytes, mode %s", data["type"], data["size"], data["mode"])
		if sum, ok := data["md5"]; ok {
			message += fmt.Sprintf(", md5 %s", sum)
		}
		if why, ok := data["error"]; ok {
			message += fmt.Sprintf("; %s", why)
		}
	}
	return plugin.Result{State: plugin.OK, Message: message, Data: data}
}

// Reads says that the data function shows what stat does.
func (Plugin) Reads(path string) plugin.Call {
	return plugin.Call{Action: "stat", Args: plugin.Args{"path": path}}
}

// Query answers the data function fstat('/path') with the outputs of stat; what does not apply is nil, such as the
// checksums of a directory.
func (p Plugin) Query(ctx context.Context, path string) (map[string]any, error) {
	known, err := stat(ctx, path)
	if err != nil {
		return nil, err
	}
	data := map[string]any{}
	for _, out := range p.Declaration().Actions[0].Outputs {
		data[out.Name] = nil
	}
	maps.Copy(data, known)
	return data, nil
}

func clean(path string) bool {
	return len(path) <= maxPath && filepath.IsAbs(path) && filepath.Clean(path) == path && !strings.ContainsRune(path, 0)
}

// stat looks at one path. An error means that this host cannot tell; an absent file is no error.
func stat(ctx context.Context, path string) (map[string]any, error) {
	if !clean(path) {
		return nil, fmt.Errorf("fstat needs an absolute path without . and .., of at most %d bytes, not %.64q", maxPath, path)
	}
	data := map[string]any{"name": path, "output": "absent", "present": false}
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return data, nil
	case err != nil:
		return nil, fmt.Errorf("cannot look at %w", err)
	}
	data["output"], data["present"] = "present", true
	describe(data, info)
	if info.Mode()&fs.ModeSymlink != 0 {
		if target, err := os.Readlink(path); err == nil {
			data["target"] = target
		}
		if info, err = os.Stat(path); err != nil {
			data["error"] = "the link leads nowhere"
			return data, nil
		}
	}
	data["size"] = info.Size()
	if !info.Mode().IsRegular() {
		return data, nil
	}
	if err := checksums(ctx, data, path); err != nil {
		data["error"] = err.Error()
	}
	return data, ctx.Err()
}

func describe(data map[string]any, info fs.FileInfo) {
	data["type"] = kind(info.Mode())
	data["size"] = info.Size()
	data["mtime"] = info.ModTime().UTC().Format(time.RFC3339)
	data["mtime_seconds"] = info.ModTime().Unix()
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		data["mode"] = fmt.Sprintf("%04o", st.Mode&0o7777)
		data["uid"], data["gid"] = int64(st.Uid), int64(st.Gid)
	}
}

func kind(mode fs.FileMode) string {
	switch mode.Type() {
	case 0:
		return "file"
	case fs.ModeDir:
		return "directory"
	case fs.ModeSymlink:
		return "symlink"
	case fs.ModeSocket:
		return "socket"
	case fs.ModeNamedPipe:
		return "fifo"
	case fs.ModeDevice | fs.ModeCharDevice:
		return "chardev"
	case fs.ModeDevice:
		return "blockdev"
	}
	return "unknown"
}

// checksums adds md5 and sha256 of a regular file. What is opened is looked at again: the path may lead elsewhere by
// now, and a fifo would block.
func checksums(ctx context.Context, data map[string]any, path string) error {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return fmt.Errorf("no checksums: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	switch {
	case err != nil:
		return fmt.Errorf("no checksums: %w", err)
	case !info.Mode().IsRegular():
		return errors.New("no checksums: it is no regular file any more")
	case info.Size() > maxHashed:
		return fmt.Errorf("no checksums: larger than %d bytes", maxHashed)
	}
	md, sha := md5.New(), sha256.New()
	n, err := io.Copy(io.MultiWriter(md, sha), io.LimitReader(readerWith{ctx, file}, maxHashed+1))
	switch {
	case err != nil:
		return fmt.Errorf("no checksums: %w", err)
	case n > maxHashed: // files in /proc have no size, others grow
		return fmt.Errorf("no checksums: larger than %d bytes", maxHashed)
	}
	data["size"] = n
	data["md5"], data["sha256"] = hex.EncodeToString(md.Sum(nil)), hex.EncodeToString(sha.Sum(nil))
	return nil
}

// readerWith ends a long read when ctx ends.
type readerWith struct {
	ctx context.Context
	r   io.Reader
}

func (r readerWith) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}
