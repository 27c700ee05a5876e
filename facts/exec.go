package facts

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"fleet/internal/program"
)

// runFact runs an executable fact and reads what it prints. A program that prints too much, or goes on after the time limit, is
// killed.
func runFact(ctx context.Context, file string, timeout time.Duration) (map[string]any, error) {
	real, err := trustedFile(file)
	if err != nil {
		return nil, fmt.Errorf("is not run: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	stdout, stderr := &program.Head{Max: maxFile, Full: cancel}, &program.Head{Max: maxStderr}
	code, err := program.Command{
		Argv: []string{file}, File: real, Env: []string{"PATH=" + program.SearchPath + ":/opt/puppetlabs/bin", "LC_ALL=C.UTF-8"},
		Stdout: stdout, Stderr: stderr,
		NoneLeft: true, // it would pile up with every refresh
	}.Run(ctx)
	switch {
	case stdout.Over():
		err = fmt.Errorf("printed more than %d KiB and was killed", maxFile>>10)
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		err = fmt.Errorf("was killed after %s", timeout)
	case err == nil && code != 0:
		err = fmt.Errorf("failed: exit status %d", code)
	}
	var facts map[string]any
	if err == nil {
		facts, err = parseOutput(stdout.Bytes())
	}
	if said := bytes.TrimSpace(stderr.Bytes()); err != nil && len(said) > 0 {
		err = fmt.Errorf("%w; stderr: %s", err, said)
	}
	return facts, err
}

// trustedFile follows the links of an executable fact to the file itself and refuses one that anybody but root and the
// node's own user could have put there: the node is root, so whoever can write the file, rename another into its place
// or point the link elsewhere would be root too.
func trustedFile(path string) (string, error) {
	for range 10 {
		dir, err := filepath.EvalSymlinks(filepath.Dir(path))
		if err != nil {
			return "", cause(err)
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
		return cause(err)
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
