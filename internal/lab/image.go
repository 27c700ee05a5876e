package lab

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// variant names an image: what is installed in it.
type variant string

const (
	base  variant = "base"
	cloud variant = "cloud" // with Debian's cloud-init
)

const imageLabel = "fleet.lab.image"

// Root finds the top of fleet's tree: $FLEET_ROOT, else the nearest directory above this one that has a go.mod.
func Root() (string, error) {
	if root := os.Getenv("FLEET_ROOT"); root != "" {
		return root, nil
	}
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("not inside fleet's tree (no go.mod above); set FLEET_ROOT")
		}
	}
}

// Images builds the images that are missing (about a minute each, the first time) and returns their tags. What the
// build has to say goes to this process's standard error as it happens.
func Images(ctx context.Context) ([]string, error) {
	var tags []string
	for _, v := range []variant{base, cloud} {
		tag, err := image(ctx, v)
		if err != nil {
			return nil, err
		}
		tags = append(tags, tag)
	}
	return tags, nil
}

// PruneImages removes every lab image, also those of other versions of the build script.
func PruneImages(ctx context.Context) error {
	out, err := docker(ctx, nil, "image", "ls", "--quiet", "--filter", "label="+imageLabel)
	if err != nil || out == "" {
		return err
	}
	_, err = docker(ctx, nil, append([]string{"image", "rm"}, strings.Fields(out)...)...)
	return err
}

// image returns the tag of a variant, building the image where it is missing.
func image(ctx context.Context, v variant) (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	script := filepath.Join(root, "scripts", "lab.d", "image")
	text, err := os.ReadFile(script)
	if err != nil {
		return "", fmt.Errorf("how the lab's image is built is missing: %w", err)
	}
	tag := imageTag(v, text)
	if _, err := docker(ctx, nil, "image", "inspect", "--format", "{{.Id}}", tag); err == nil {
		return tag, nil
	}
	args := []string{string(v), tag}
	if v == cloud {
		baseTag, err := image(ctx, base)
		if err != nil {
			return "", err
		}
		args = append(args, baseTag)
	}
	cmd := exec.CommandContext(ctx, script, args...)
	cmd.Stderr = os.Stderr
	// When ctx ends, debootstrap and what it has started end with the script, which then clears up after itself.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w", script, strings.Join(args, " "), err)
	}
	return tag, nil
}

// imageTag changes whenever the script that builds the image does.
func imageTag(v variant, script []byte) string {
	sum := sha256.Sum256(script)
	return fmt.Sprintf("fleet-lab:%s-%x", v, sum[:6])
}
