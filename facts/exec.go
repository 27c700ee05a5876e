package facts

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// runFact runs an executable fact and reads what it prints. It has the time limit, a process group of its own, which
// is killed as a whole, no stdin, and an environment without the node's secrets.
func runFact(ctx context.Context, file string, timeout time.Duration) (map[string]any, error) {
	real, err := program(file)
	if err != nil {
		return nil, fmt.Errorf("is not run: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	stdout, stderr := &capture{limit: maxFile, full: cancel}, &capture{limit: maxStderr}
	cmd := exec.CommandContext(ctx, real)
	cmd.Args = []string{file}
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/puppetlabs/bin", "LC_ALL=C.UTF-8", "HOME=/"}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = pipeGrace
	err = cmd.Run()
	switch {
	case stdout.over:
		err = fmt.Errorf("printed more than %d KiB and was killed", maxFile>>10)
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		err = fmt.Errorf("was killed after %s", timeout)
	case ctx.Err() != nil:
		err = fmt.Errorf("was killed: %w", ctx.Err())
	case errors.Is(err, exec.ErrWaitDelay):
		// Something it left in the background still holds its stdout: end that too, it would pile up with every refresh.
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		err = errors.New("left a process behind, which was killed")
	case err != nil:
		err = fmt.Errorf("failed: %w", cause(err))
	}
	var facts map[string]any
	if err == nil {
		facts, err = parseOutput(stdout.data.Bytes())
	}
	if err != nil && stderr.data.Len() > 0 {
		err = fmt.Errorf("%w; stderr: %s", err, bytes.TrimSpace(stderr.data.Bytes()))
	}
	return facts, err
}

// program follows the links of an executable fact to the file itself and refuses one that anybody but root and the
// node's own user could have put there: the node is root, so whoever can write the file, rename another into its place
// or point the link elsewhere would be root too.
func program(path string) (string, error) {
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

// capture keeps the first limit bytes; when there is more it notes that and calls full once.
type capture struct {
	data  bytes.Buffer
	limit int
	over  bool
	full  func()
}

func (c *capture) Write(p []byte) (int, error) {
	room := c.limit - c.data.Len()
	c.data.Write(p[:min(room, len(p))])
	if len(p) > room && !c.over {
		c.over = true
		if c.full != nil {
			c.full()
		}
	}
	return len(p), nil
}
