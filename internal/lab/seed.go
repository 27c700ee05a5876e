package lab

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// file is one file to put on a host.
type file struct {
	path string // absolute
	mode int64
	data string
}

// archive is what a host finds on its disk at its first boot, as a tar stream for docker cp.
func (h Host) archive(number int) (io.Reader, error) {
	files := []file{{"/etc/fleet/facts.d/hagroup.txt", 0o644, "hagroup=" + Hagroup(number) + "\n"}}
	if h.UserData != "" {
		const seed = "/var/lib/cloud/seed/nocloud/"
		files = append(files,
			file{seed + "user-data", 0o600, h.UserData},
			file{seed + "meta-data", 0o644, fmt.Sprintf("instance-id: lab-%s\nlocal-hostname: %s\n", h.Name, h.Name)})
	}
	for _, path := range slices.Sorted(maps.Keys(h.Files)) {
		files = append(files, file{path, 0o600, h.Files[path]})
	}
	return archive(files)
}

// Hagroup is the custom fact of the host with that number: 1 a, 2 b, 3 c, 4 a and so on.
func Hagroup(number int) string { return "cab"[number%3 : number%3+1] }

// archive packs files with the directories above them, owned by root. Directories that exist keep their mode only by
// chance, so they are given the mode that Debian's have: 0755.
func archive(files []file) (io.Reader, error) {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	made := map[string]bool{}
	now := time.Now()
	for _, f := range files {
		if !strings.HasPrefix(f.path, "/") || strings.HasSuffix(f.path, "/") {
			return nil, fmt.Errorf("%q is no absolute path of a file", f.path)
		}
		path := f.path[1:]
		for i, c := range path {
			if c != '/' || made[path[:i]] {
				continue
			}
			made[path[:i]] = true
			if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: path[:i] + "/", Mode: 0o755, ModTime: now}); err != nil {
				return nil, err
			}
		}
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: path, Mode: f.mode, Size: int64(len(f.data)), ModTime: now}); err != nil {
			return nil, err
		}
		if _, err := io.WriteString(w, f.data); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return &buf, nil
}
