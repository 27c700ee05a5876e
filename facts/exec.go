package facts

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"fleet/internal/program"
	"fleet/internal/trustedfile"
)

// runFact runs an executable fact and reads what it prints. The node is root, so a program that others can write is not
// run. A program that prints too much, or goes on after the time limit, is
// killed.
func runFact(ctx context.Context, file string, timeout time.Duration) (map[string]any, error) {
	real, err := trustedfile.Resolve(file)
	if err != nil {
		return nil, fmt.Errorf(notRun+"%w", cause(err))
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
