package lab

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"fleet/internal/wait"
)

// Exec runs argv as root on a host and waits for it. A program that ends with a code other than 0 is a Result, not an
// error; an error means that it could not be run. Code 126 or 127 is also what Docker says of a program that it
// could not start. When ctx ends, the wait ends; the program inside goes on.
func (l *Lab) Exec(ctx context.Context, host string, argv ...string) (Result, error) {
	return l.ExecInput(ctx, host, nil, argv...)
}

// ExecInput is Exec with something to read on standard input.
func (l *Lab) ExecInput(ctx context.Context, host string, stdin io.Reader, argv ...string) (Result, error) {
	if _, err := hostNumber(host); err != nil {
		return Result{}, err
	}
	args := []string{"exec"}
	if stdin != nil {
		args = append(args, "--interactive")
	}
	res, err := run(ctx, stdin, append(append(args, l.container(host)), argv...))
	if err == nil && res.Code == 1 && res.Stdout == "" && strings.HasPrefix(res.Stderr, "Error") && strings.Contains(res.Stderr, "ontainer") {
		return res, fmt.Errorf("%s: %s", host, strings.TrimSpace(res.Stderr)) // Docker's words: no such host, or it is down
	}
	return res, err
}

// ExecArgs is the docker command line that runs argv on a host, for one who hands over his own standard streams: stdin
// if the program is to read it, tty if it is a terminal. Without stdin the program sees an empty /dev/null, not a pipe.
func (l *Lab) ExecArgs(host string, stdin, tty bool, argv ...string) ([]string, error) {
	if _, err := hostNumber(host); err != nil {
		return nil, err
	}
	args := []string{"docker", "exec"}
	if stdin {
		args = append(args, "--interactive")
	}
	if tty {
		args = append(args, "--tty")
	}
	return append(append(args, l.container(host)), argv...), nil
}

// must is Exec for a program that has to end with 0.
func (l *Lab) must(ctx context.Context, host string, argv ...string) error {
	res, err := l.Exec(ctx, host, argv...)
	if err == nil && res.Code != 0 {
		err = fmt.Errorf("%s: %s ended with %d: %s", host, argv[0], res.Code, strings.TrimSpace(res.Stderr+res.Stdout))
	}
	return err
}

// Write puts a file on a running host, making the directories above it, owned by root.
func (l *Lab) Write(ctx context.Context, host, path string, mode fs.FileMode, data string) error {
	tar, err := archive([]file{{path, int64(mode.Perm()), data}})
	if err != nil {
		return err
	}
	// Not docker cp: on a running container it writes below /tmp and /run, where the host does not see it.
	res, err := l.ExecInput(ctx, host, tar, "tar", "--extract", "--no-overwrite-dir", "--directory", "/")
	if err == nil && res.Code != 0 {
		err = fmt.Errorf("writing %s on %s: %s", path, host, strings.TrimSpace(res.Stderr))
	}
	return err
}

// Copy puts a file of this machine on a running host, with the same permissions.
func (l *Lab) Copy(ctx context.Context, host, from, to string) error {
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return l.Write(ctx, host, to, info.Mode(), string(data))
}

// Ready waits until the host has booted: systemd has started all that it starts at boot, cloud-init included. It is
// an error, naming the units, if one of them failed.
func (l *Lab) Ready(ctx context.Context, host string) error {
	for {
		res, err := l.Exec(ctx, host, "systemctl", "is-system-running", "--wait")
		if err != nil {
			return fmt.Errorf("waiting for %s to boot: %w%s", host, err, bootHint())
		}
		switch strings.TrimSpace(res.Stdout) {
		case "running":
			return nil
		case "degraded", "maintenance":
			failed, _ := l.Exec(ctx, host, "systemctl", "list-units", "--failed", "--plain", "--no-legend")
			return fmt.Errorf("%s has %w: %s", host, ErrDegraded, strings.TrimSpace(failed.Stdout))
		}
		// systemd does not listen yet, and there is nothing to wait on until it does.
		if wait.For(ctx, 30*time.Millisecond) != nil {
			return fmt.Errorf("waiting for %s to boot: %w: %s", host, context.Cause(ctx), strings.TrimSpace(res.Stderr))
		}
	}
}

// bootHint says what most often keeps a host of many from booting: systemd ends at once, with no word, where it gets no
// inotify instance, and all labs of a user share one limit.
func bootHint() string {
	limit, err := os.ReadFile("/proc/sys/fs/inotify/max_user_instances")
	if err != nil {
		return ""
	}
	return fmt.Sprintf(" (if many hosts are up: each takes about 6 of fs.inotify.max_user_instances, which is %s; raise it with sysctl)",
		strings.TrimSpace(string(limit)))
}

// Start starts a host that is down, or wakes a paused one, and waits until it is ready.
func (l *Lab) Start(ctx context.Context, host string) error {
	if state, _ := docker(ctx, nil, "inspect", "--format", "{{.State.Status}}", l.container(host)); state == "paused" {
		return l.Unpause(ctx, host)
	}
	if err := l.simple(ctx, host, "start"); err != nil {
		return err
	}
	return l.Ready(ctx, host)
}

// Kill takes the power away: nothing on the host gets to say goodbye. Its disk stays.
func (l *Lab) Kill(ctx context.Context, host string) error { return l.simple(ctx, host, "kill") }

// Stop shuts the host down in good order.
func (l *Lab) Stop(ctx context.Context, host string) error { return l.simple(ctx, host, "stop") }

// Restart reboots the host in good order and waits until it is ready.
func (l *Lab) Restart(ctx context.Context, host string) error {
	if err := l.simple(ctx, host, "restart"); err != nil {
		return err
	}
	return l.Ready(ctx, host)
}

// Remove ends the host and its disk, as autoscaling does.
func (l *Lab) Remove(ctx context.Context, host string) error {
	return l.simple(ctx, host, "rm", "--force", "--volumes")
}

// Pause freezes every process on the host; its kernel still answers, so connections stay open.
// The kernel may need several attempts while processes there write to disk.
func (l *Lab) Pause(ctx context.Context, host string) (err error) {
	for range 5 {
		if err = l.simple(ctx, host, "pause"); err == nil || !strings.Contains(err.Error(), "unable to freeze") {
			return err
		}
		if wait.For(ctx, 200*time.Millisecond) != nil {
			return err
		}
	}
	return err
}

// Unpause ends a Pause.
func (l *Lab) Unpause(ctx context.Context, host string) error { return l.simple(ctx, host, "unpause") }

func (l *Lab) simple(ctx context.Context, host string, args ...string) error {
	if _, err := hostNumber(host); err != nil {
		return err
	}
	_, err := docker(ctx, nil, append(args, l.container(host))...)
	return err
}

// Cut makes the network drop, silently and both ways, every packet between a host and the others named; with none
// named, between it and everyone. Cuts add up until Heal. The host must be running.
func (l *Lab) Cut(ctx context.Context, host string, others ...string) error {
	rules := "-A INPUT ! -i lo -j DROP\n-A OUTPUT ! -o lo -j DROP\n"
	if len(others) > 0 {
		subnet, err := l.subnet(ctx)
		if err != nil {
			return err
		}
		rules = ""
		for _, other := range others {
			number, err := hostNumber(other)
			if err != nil {
				return err
			}
			addr := address(subnet, number)
			rules += fmt.Sprintf("-A INPUT -s %s -j DROP\n-A OUTPUT -d %s -j DROP\n", addr, addr)
		}
	}
	return l.filter(ctx, host, rules, "--noflush")
}

// Shield drops what others begin: connections and datagrams to the host. What the host itself begins by TCP works, as behind a
// strict firewall or NAT. It is undone by Heal and by a restart of the host. The host must be running.
func (l *Lab) Shield(ctx context.Context, host string) error {
	return l.filter(ctx, host, "-A INPUT ! -i lo -p tcp --syn -j DROP\n-A INPUT ! -i lo -p udp -j DROP\n", "--noflush")
}

// Heal ends all cuts that were made on the host, by taking every rule out of its packet filter. A cut between two
// hosts is healed where it was made.
func (l *Lab) Heal(ctx context.Context, host string) error { return l.filter(ctx, host, "") }

// filter loads rules into the host's packet filter, all of them or none.
func (l *Lab) filter(ctx context.Context, host, rules string, options ...string) error {
	table := strings.NewReader("*filter\n" + rules + "COMMIT\n")
	res, err := l.ExecInput(ctx, host, table, append([]string{"iptables-restore", "--wait"}, options...)...)
	if err == nil && res.Code != 0 {
		err = fmt.Errorf("packet filter of %s: %s", host, strings.TrimSpace(res.Stderr))
	}
	return err
}

// IsCut tells whether any cut was made on the running host.
func (l *Lab) IsCut(ctx context.Context, host string) (bool, error) {
	res, err := l.Exec(ctx, host, "iptables", "--wait", "--list-rules")
	return strings.Contains(res.Stdout, "-j DROP"), err
}
