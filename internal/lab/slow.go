package lab

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const (
	delayDevice = "lab-delay"
	delayBinary = "/usr/local/sbin/labdelay"
	delayMark   = "77" // of packets that have been held, and the number of the table that routes the others to the device
)

// Lose makes the host's network lose that percentage of what comes in, each packet by chance. It is undone by Heal, and
// adds up with cuts. The host must be running.
func (l *Lab) Lose(ctx context.Context, host string, percent int) error {
	if percent < 1 || percent > 99 {
		return fmt.Errorf("a network loses 1 to 99 %% of its packets, not %d; see Cut", percent)
	}
	rule := fmt.Sprintf("-A INPUT ! -i lo -m statistic --mode random --probability 0.%02d -j DROP\n", percent)
	return l.filter(ctx, host, rule, "--noflush")
}

// Delay makes everything that the host sends to others of the lab arrive that much later; what it hears is not delayed by
// this. It ends by Hurry or with a restart of the host. Binary is internal/lab/labdelay, see BuildDelay.
func (l *Lab) Delay(ctx context.Context, host, binary string, delay time.Duration) error {
	number, err := hostNumber(host)
	if err != nil {
		return err
	}
	subnet, err := l.subnet(ctx)
	if err != nil {
		return err
	}
	if err := l.Copy(ctx, host, binary, delayBinary); err != nil {
		return err
	}
	const script = `
		test -e /dev/net/tun || { mkdir -p /dev/net; mknod /dev/net/tun c 10 200; }
		ip tuntap add dev "$1" mode tun
		ip link set "$1" up
		systemd-run --quiet --collect --unit="$1" "$2" "$1" "$3" "$4"
		for try in $(seq 200); do ! ip link show "$1" | grep -q LOWER_UP || break; sleep 0.05; done
		ip link show "$1" | grep -q LOWER_UP
		ip route add "$5" dev "$1" src "$6" table "$4"
		ip rule add not fwmark "$4" table "$4"`
	return l.must(ctx, host, "sh", "-ec", script, "sh", delayDevice, delayBinary, delay.String(), delayMark, subnet.String(), address(subnet, number).String())
}

// Hurry ends a Delay. Packets that are still held are lost.
func (l *Lab) Hurry(ctx context.Context, host string) error {
	const script = `ip rule del not fwmark "$2" table "$2"; systemctl stop "$1"; ip link del "$1"`
	return l.must(ctx, host, "sh", "-ec", script, "sh", delayDevice, delayMark)
}

// BuildDelay builds the program that Delay needs into a directory and returns its path.
func BuildDelay(ctx context.Context, dir string) (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "labdelay")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", path, "./internal/lab/labdelay")
	build.Dir, build.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build labdelay: %w\n%s", err, out)
	}
	return path, nil
}

// Read returns a file of a host's disk, also of a host that is down. Not what lies below /tmp and /run.
func (l *Lab) Read(ctx context.Context, host, path string) (string, error) {
	if _, err := hostNumber(host); err != nil {
		return "", err
	}
	res, err := run(ctx, nil, []string{"cp", "--follow-link", l.container(host) + ":" + path, "-"})
	if err == nil && res.Code != 0 {
		err = errors.New(strings.TrimSpace(res.Stderr))
	}
	if err != nil {
		return "", fmt.Errorf("read %s of %s: %w", path, host, err)
	}
	files := tar.NewReader(bytes.NewReader([]byte(res.Stdout)))
	head, err := files.Next()
	if err != nil || head.Typeflag != tar.TypeReg {
		return "", fmt.Errorf("read %s of %s: not a file: %w", path, host, err)
	}
	data, err := io.ReadAll(files)
	return string(data), err
}
