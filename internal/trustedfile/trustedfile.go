// Package trustedfile answers whether a file is what root, or the user of this process, made of it: nobody else can write to
// it, to the folders above it, or to a link that leads to it. What runs as root, and what decides what may run, has to be.
package trustedfile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// Resolve follows the links of path to the file itself. It is an error if anybody but root and the user of this process
// can write to the file, or put another in its place. It blocks for the disk. A file that does not exist is fs.ErrNotExist.
func Resolve(path string) (string, error) {
	for range 10 {
		dir, err := filepath.EvalSymlinks(filepath.Dir(path))
		if err != nil {
			return "", err
		}
		path = filepath.Join(dir, filepath.Base(path))
		if err := trustedDir(dir); err != nil {
			return "", err
		}
		target, err := os.Readlink(path)
		if err != nil { // not a link
			return path, trusted(path, false)
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(dir, target)
		}
		path = target
	}
	return "", errors.New("it is a link to a link to a link and so on")
}

// trustedDir checks a directory and all above it.
func trustedDir(dir string) error {
	for above := false; ; above = true {
		if err := trusted(dir, above); err != nil {
			return err
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return nil
		}
		dir = parent
	}
}

// trusted checks one file or directory. In a sticky directory, such as /tmp, others cannot rename what is not theirs;
// that is enough further up, but not where the program lies, since they could still add links to programs of root's.
func trusted(path string, stickyWillDo bool) error {
	st, err := os.Lstat(path)
	if err != nil {
		return err
	}
	sys, ok := st.Sys().(*syscall.Stat_t)
	if !ok {
		return fmt.Errorf("the owner of %s is not known", path)
	}
	if sys.Uid != 0 && int(sys.Uid) != os.Geteuid() {
		return fmt.Errorf("%s belongs to user %d, not to root; hint: chown root %s", path, sys.Uid, path)
	}
	if st.Mode().Perm()&0o022 != 0 && !(stickyWillDo && st.Mode()&os.ModeSticky != 0) {
		return fmt.Errorf("%s can be written by others than its owner; hint: chmod go-w %s", path, path)
	}
	return nil
}
