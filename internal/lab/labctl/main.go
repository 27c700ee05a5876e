// Command labctl is the program behind scripts/lab: it controls a lab of real Debian hosts by hand.
package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"text/tabwriter"
	"time"

	"fleet/internal/lab"

	"golang.org/x/term"
)

const usage = `scripts/lab: a lab of real Debian 12 hosts in Docker, on a private network of its own

  up [N]                 bring the lab to N hosts, web1..webN (9); what is there stays
     --without-nginx web9[,web8]     leave nginx out on these hosts
  add webN [FILE]        one more host; with FILE it boots with cloud-init and this user data
  down [--all]           remove the lab, or every lab on this machine
  status                 the hosts, their addresses and states
  list                   the labs on this machine

  shell webN             a root shell
  exec webN CMD ...      run a command; its exit code is this one's
  write webN PATH        put standard input into a file there, 0600

  kill webN ...          power off without a word        stop webN ...     shut down
  start webN ...         power on, and wait for boot     restart webN ...  reboot
  pause webN ...         freeze all processes            unpause webN ...
  cut webN               off the network: packets are dropped silently, both ways
  cut webN from webM ... off these hosts only            heal webN ...     undo all cuts made on it
  rm webN ...            host and disk gone

  image [--prune]        build the images now (needs root, about a minute), or remove them

LAB        the lab's name (fleet-lab); labs of different names stand side by side
FLEET_BIN  the binary the hosts see as /usr/local/bin/fleet (bin/fleet, if it is there), when a host is made
Hosts see no other network. hagroup is a for web1, b for web2, c for web3, a for web4 and so on.
`

// bootLimit bounds what waits for hosts to boot; building the image the first time is in it.
const bootLimit = 10 * time.Minute

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := command(ctx, os.Args[1:])
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		os.Exit(exit.ExitCode())
	case errors.Is(err, errUsage):
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "lab:", err)
		os.Exit(1)
	}
}

var errUsage = errors.New("usage")

func command(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errUsage
	}
	name := os.Getenv("LAB")
	if name == "" {
		name = lab.DefaultName
	}
	l, err := lab.Open(name)
	if err != nil {
		return err
	}
	verb, args := args[0], args[1:]
	if verb == "help" || verb == "-h" || verb == "--help" {
		fmt.Print(usage)
		return nil
	}
	if err := lab.Available(ctx); err != nil {
		return err
	}
	each := map[string]func(context.Context, string) error{
		"kill": l.Kill, "stop": l.Stop, "start": l.Start, "restart": l.Restart, "pause": l.Pause, "unpause": l.Unpause,
		"heal": l.Heal, "rm": l.Remove,
	}
	if do, ok := each[verb]; ok {
		return forEach(ctx, args, do)
	}
	switch verb {
	case "up":
		return up(ctx, l, args)
	case "add":
		return add(ctx, l, args)
	case "down":
		return down(ctx, l, args)
	case "status":
		return status(ctx, l)
	case "list":
		names, err := lab.Names(ctx)
		for _, n := range names {
			fmt.Println(n)
		}
		return err
	case "shell":
		if len(args) != 1 {
			return errUsage
		}
		return attach(ctx, l, args[0], "bash", "--login")
	case "exec":
		if len(args) < 2 {
			return errUsage
		}
		return attach(ctx, l, args[0], args[1:]...)
	case "write":
		if len(args) != 2 {
			return errUsage
		}
		return attach(ctx, l, args[0], "install", "-D", "-m", "600", "/dev/stdin", args[1])
	case "cut":
		return cut(ctx, l, args)
	case "image":
		return image(ctx, args)
	}
	return errUsage
}

func forEach(ctx context.Context, hosts []string, do func(context.Context, string) error) error {
	if len(hosts) == 0 {
		return errUsage
	}
	ctx, cancel := context.WithTimeout(ctx, bootLimit)
	defer cancel()
	errs := make([]error, len(hosts))
	var wait sync.WaitGroup
	for i, h := range hosts { // all at once: a node that starts may well wait for another
		wait.Go(func() { errs[i] = do(ctx, h) })
	}
	wait.Wait()
	return errors.Join(errs...)
}

func up(ctx context.Context, l *lab.Lab, args []string) error {
	cfg := lab.Config{Hosts: 9}
	for i := 0; i < len(args); i++ {
		list, found := strings.CutPrefix(args[i], "--without-nginx=")
		switch n, err := strconv.Atoi(args[i]); {
		case err == nil:
			cfg.Hosts = n
		case found:
			cfg.WithoutNginx = strings.Split(list, ",")
		case args[i] == "--without-nginx" && i+1 < len(args):
			i++
			cfg.WithoutNginx = strings.Split(args[i], ",")
		default:
			return errUsage
		}
	}
	var err error
	if cfg.Binary, err = binary(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, bootLimit)
	defer cancel()
	began := time.Now()
	if err := l.Up(ctx, cfg); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "lab %s is up in %.1f s\n", l.Name(), time.Since(began).Seconds())
	return nil
}

// binary finds what the hosts get as fleet: $FLEET_BIN, which has to be there, else bin/fleet if that is.
func binary() (string, error) {
	if path := os.Getenv("FLEET_BIN"); path != "" {
		_, err := os.Stat(path)
		return path, err
	}
	root, err := lab.Root()
	if err != nil {
		return "", err
	}
	path := filepath.Join(root, "bin", "fleet")
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintln(os.Stderr, "no bin/fleet and no FLEET_BIN: new hosts are made without fleet")
		return "", nil
	} else if err != nil {
		return "", err
	}
	return path, nil
}

func add(ctx context.Context, l *lab.Lab, args []string) error {
	if len(args) < 1 || len(args) > 2 {
		return errUsage
	}
	host := lab.Host{Name: args[0]}
	if len(args) == 2 {
		data, err := os.ReadFile(args[1])
		if err != nil {
			return err
		}
		host.UserData = string(data)
	}
	var err error
	if host.Binary, err = binary(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, bootLimit)
	defer cancel()
	return l.Add(ctx, host)
}

func down(ctx context.Context, l *lab.Lab, args []string) error {
	switch {
	case len(args) == 0:
		return l.Down(ctx)
	case len(args) > 1 || args[0] != "--all":
		return errUsage
	}
	names, err := lab.Names(ctx)
	errs := []error{err}
	for _, name := range names {
		other, err := lab.Open(name)
		if err == nil {
			err = other.Down(ctx)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func status(ctx context.Context, l *lab.Lab) error {
	hosts, err := l.Status(ctx)
	if err != nil {
		return err
	}
	if len(hosts) == 0 {
		return fmt.Errorf("lab %s is not up; scripts/lab up 9", l.Name())
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "HOST\tADDRESS\tHAGROUP\tSTATE")
	for _, h := range hosts {
		if h.State == "running" {
			if cut, err := l.IsCut(ctx, h.Host); err == nil && cut {
				h.State = "running, cut off"
			}
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", h.Host, h.Address, h.Hagroup, h.State)
	}
	return table.Flush()
}

// attach runs a command on a host with this terminal.
func attach(ctx context.Context, l *lab.Lab, host string, argv ...string) error {
	terminal := term.IsTerminal(int(os.Stdin.Fd()))
	stdin := terminal
	if info, err := os.Stdin.Stat(); err == nil && info.Mode()&fs.ModeCharDevice == 0 {
		stdin = true // a pipe or a file; /dev/null is to stay /dev/null over there
	}
	args, err := l.ExecArgs(host, stdin, terminal && term.IsTerminal(int(os.Stdout.Fd())), argv...)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	return cmd.Run()
}

func cut(ctx context.Context, l *lab.Lab, args []string) error {
	switch {
	case len(args) == 1:
		return l.Cut(ctx, args[0])
	case len(args) > 2 && args[1] == "from":
		return l.Cut(ctx, args[0], args[2:]...)
	}
	return errUsage
}

func image(ctx context.Context, args []string) error {
	switch {
	case len(args) == 1 && args[0] == "--prune":
		return lab.PruneImages(ctx)
	case len(args) > 0:
		return errUsage
	}
	tags, err := lab.Images(ctx)
	for _, tag := range tags {
		fmt.Println(tag)
	}
	return err
}
