package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
)

// Result is how a program ended on a host. Code is 128+n where signal n ended it, as Docker reports it.
type Result struct {
	Stdout, Stderr string
	Code           int
}

// Available tells why no lab can run on this machine, or nil. It asks Docker's daemon.
func Available(ctx context.Context) error {
	if _, err := docker(ctx, nil, "version", "--format", "{{.Server.Version}}"); err != nil {
		return fmt.Errorf("a lab needs Docker, with its daemon running and open to this user: %w", err)
	}
	return nil
}

// docker runs one docker command and returns its standard output without the last newline.
func docker(ctx context.Context, stdin io.Reader, args ...string) (string, error) {
	res, err := run(ctx, stdin, args)
	if err != nil {
		return "", err
	}
	if res.Code != 0 {
		return "", fmt.Errorf("docker %s: %s", args[0], strings.TrimSpace(res.Stderr))
	}
	return strings.TrimSuffix(res.Stdout, "\n"), nil
}

// run runs docker and returns how it ended; an error means that it could not be run or that ctx ended first.
func run(ctx context.Context, stdin io.Reader, args []string) (Result, error) {
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, "docker", args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, &stdout, &stderr
	err := cmd.Run()
	if ctx.Err() != nil {
		return Result{}, fmt.Errorf("docker %s: %w: %s", args[0], context.Cause(ctx), strings.TrimSpace(stderr.String()))
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return Result{}, fmt.Errorf("docker %s: %w", args[0], err)
	}
	return Result{Stdout: stdout.String(), Stderr: stderr.String(), Code: cmd.ProcessState.ExitCode()}, nil
}
