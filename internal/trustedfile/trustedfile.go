// Package trustedfile answers whether a file is what root, or the user of this process, made of it: nobody else can write to
// it, to the folders above it, or to a link that leads to it. What runs as root, and what decides what may run, has to be.
package trustedfile

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// maxLinks bounds the links on one path, as Linux does.
const maxLinks = 40

// Resolve follows the links of path to the file itself. It is an error if anybody but root and the user of this process
// can write to the file, or put another in its place: by a folder on the way, or by a link, wherever on the path it is.
// It blocks for the disk. A file that does not exist is fs.ErrNotExist.
func Resolve(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	at, rest, links := "/", parts(path), 0
	if err := trusted(at, true); err != nil {
		return "", err
	}
	for len(rest) > 0 {
		name, last := rest[0], len(rest) == 1
		rest = rest[1:]
		if name == ".." {
			at = filepath.Dir(at)
			continue
		}
		if last { // what holds the file, or a link to it, has to be more than sticky
			if err := trusted(at, false); err != nil {
				return "", err
			}
		}
		next := filepath.Join(at, name)
		target, err := os.Readlink(next)
		if err != nil { // not a link
			if err := trusted(next, !last); err != nil {
				return "", err
			}
			at = next
			continue
		}
		if links++; links > maxLinks {
			return "", fmt.Errorf("%s leads over more than %d links", path, maxLinks)
		}
		if err := trustedOwner(next); err != nil {
			return "", err
		}
		if filepath.IsAbs(target) {
			at = "/"
		}
		rest = append(parts(target), rest...)
	}
	return at, nil
}

func parts(path string) []string {
	return slices.DeleteFunc(strings.Split(path, "/"), func(s string) bool { return s == "" || s == "." })
}

// trusted checks one file or directory. In a sticky directory, such as /tmp, others cannot rename what is not theirs;
// that is enough further up, but not where the program lies, since they could still add links to programs of root's.
func trusted(path string, stickyWillDo bool) error {
	if err := trustedOwner(path); err != nil {
		return err
	}
	st, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if st.Mode().Perm()&0o022 != 0 && !(stickyWillDo && st.Mode()&os.ModeSticky != 0) {
		return fmt.Errorf("%s can be written by others than its owner; hint: chmod go-w %s", path, path)
	}
	return nil
}

// trustedOwner checks only whose it is, which is all that counts for a link.
func trustedOwner(path string) error {
	st, err := os.Lstat(path)
	if err != nil {
		return err
	}
	sys, ok := st.Sys().(*syscall.Stat_t)
	if !ok {
		return fmt.Errorf("the owner of %s is not known", path)
	}
	if sys.Uid != 0 && int(sys.Uid) != os.Geteuid() {
		return fmt.Errorf("%s belongs to user %d, not to root; hint: chown -h root %s", path, sys.Uid, path)
	}
	return nil
}
