package facts

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// host is where the built-in facts are read from. Each method answers with what it can find and leaves out the rest:
// a kernel without a file, a container without /sys/class/dmi, are ordinary.
type host struct {
	root       string
	interfaces func() []netInterface
	machine    func() string
}

func newHost(root string) host {
	if root == "" {
		root = "/"
	}
	return host{root: root, interfaces: systemInterfaces, machine: uname}
}

// builtin collects all facts that need no configuration.
func (h host) builtin() Facts {
	f := Facts{}
	h.kernel(f)
	h.system(f)
	h.os(f)
	h.selinux(f)
	h.memory(f)
	h.processors(f)
	h.disks(f)
	h.mountpoints(f)
	h.networking(f)
	h.dmi(f)
	h.ssh(f)
	h.virtual(f)
	legacy(f)
	return f
}

func (h host) path(name string) string { return filepath.Join(h.root, name) }

// read returns a system file, or "" where it is missing, unreadable or absurdly large.
func (h host) read(name string) string {
	data, err := readBounded(h.path(name), maxSystemFile)
	if err != nil {
		return ""
	}
	return strings.ToValidUTF8(string(data), "?")
}

// word returns a system file without the space around it: most of /sys is one word a file.
func (h host) word(name string) string { return strings.TrimSpace(h.read(name)) }

func (h host) exists(name string) bool {
	_, err := os.Lstat(h.path(name))
	return err == nil
}

func (h host) names(dir string) []string {
	entries, err := os.ReadDir(h.path(dir)) // sorted
	if err != nil {
		return nil
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names
}

// keyed splits lines such as "MemTotal:   16384 kB" or "model name : x" at the first separator.
func keyed(line, separator string) (key, value string) {
	key, value, _ = strings.Cut(line, separator)
	return strings.TrimSpace(key), strings.TrimSpace(value)
}

// whole parses a whole number; what is not one counts as 0.
func whole(s string) int64 {
	n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// human writes a number of bytes as Facter does: "1.92 GiB", "480.00 KiB", "12 bytes".
func human(bytes int64) string {
	if bytes < 1024 {
		return strconv.FormatInt(bytes, 10) + " bytes"
	}
	n := float64(bytes)
	for i, unit := range []string{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"} {
		n /= 1024
		if text := strconv.FormatFloat(n, 'f', 2, 64); i == 5 || (n < 1024 && text != "1024.00") {
			return text + " " + unit
		}
	}
	return ""
}

func percent(part, of int64) string {
	return strconv.FormatFloat(float64(part)/float64(of)*100, 'f', 2, 64) + "%"
}
