package lab

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"fleet/internal/wait"
)

const (
	// DefaultName is the lab of a person who names none.
	DefaultName = "fleet-lab"
	// MaxHosts is what fits in a lab's network.
	MaxHosts = 200
	// bootsAtOnce bounds how many hosts are made at the same time; more only fight over the processors.
	bootsAtOnce = 8

	labelKey   = "fleet.lab"
	hostPrefix = "web"
)

// ErrDegraded is a host that has booted with something failed.
var ErrDegraded = errors.New("booted, but not all of it")

// ErrNetwork is a network that Docker does not remove although no host is on it any more: Docker may lose count of its
// endpoints when hosts are killed, and finds it again only when its daemon is restarted.
var ErrNetwork = errors.New("an empty network is left")

// Config says what a lab is made of.
type Config struct {
	Hosts  int    // web1 to webN, at most MaxHosts; hosts that are there already are started, not made again
	Binary string // path of fleet on this machine, seen by the hosts read-only as /usr/local/bin/fleet; "" for none
	// WithoutNginx names hosts on which nginx is not installed.
	WithoutNginx []string
}

// Host says what a single host is made of, see Lab.Add.
type Host struct {
	Name     string            // web1 to web200; the number gives the host its address and its hagroup
	Binary   string            // as Config.Binary
	NoNginx  bool              // nginx is not installed
	UserData string            // if set, the host boots with Debian's cloud-init and finds this as its user data
	MayFail  bool              // the host is as wanted even if something fails at its first boot
	Files    map[string]string // what to put on the host before it boots, by absolute path; 0600, owned by root
}

// Lab is a lab by its name, whether it is up or not. Its methods may be called from several goroutines.
type Lab struct{ name string }

// Open returns the lab of that name without looking for it.
func Open(name string) (*Lab, error) {
	if ok, _ := regexp.MatchString(`^[a-z][a-z0-9-]{0,47}$`, name); !ok {
		return nil, fmt.Errorf("lab name %q: use up to 48 of a-z, 0-9 and -, beginning with a letter", name)
	}
	return &Lab{name}, nil
}

// Name returns the lab's name.
func (l *Lab) Name() string { return l.name }

func (l *Lab) label() string                { return labelKey + "=" + l.name }
func (l *Lab) container(host string) string { return l.name + "-" + host }

// Up brings the lab to cfg.Hosts hosts and returns when each has booted. On an error the lab may be up in part.
func (l *Lab) Up(ctx context.Context, cfg Config) error {
	if cfg.Hosts < 1 || cfg.Hosts > MaxHosts {
		return fmt.Errorf("a lab has 1 to %d hosts, not %d", MaxHosts, cfg.Hosts)
	}
	there, err := l.Status(ctx)
	if err != nil {
		return err
	}
	if _, err := image(ctx, base); err != nil {
		return err
	}
	if _, err := l.network(ctx); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(bootsAtOnce)
	for n := 1; n <= cfg.Hosts; n++ {
		name := hostPrefix + strconv.Itoa(n)
		group.Go(func() error {
			if slices.ContainsFunc(there, func(s Status) bool { return s.Host == name }) {
				return l.Start(ctx, name)
			}
			return l.Add(ctx, Host{Name: name, Binary: cfg.Binary, NoNginx: slices.Contains(cfg.WithoutNginx, name)})
		})
	}
	return group.Wait()
}

// Add makes one more host and returns when it has booted; with user data, when cloud-init has ended, well or not.
func (l *Lab) Add(ctx context.Context, h Host) error {
	number, err := hostNumber(h.Name)
	if err != nil {
		return err
	}
	subnet, err := l.network(ctx)
	if err != nil {
		return err
	}
	files, err := h.archive(number)
	if err != nil {
		return err
	}
	v := base
	if h.UserData != "" {
		v = cloud
	}
	tag, err := image(ctx, v)
	if err != nil {
		return err
	}
	args, err := l.createArgs(h, tag, number, subnet)
	if err != nil {
		return err
	}
	if _, err := docker(ctx, nil, args...); err != nil {
		return fmt.Errorf("making %s: %w", h.Name, err)
	}
	if _, err := docker(ctx, files, "cp", "-", l.container(h.Name)+":/"); err != nil {
		return fmt.Errorf("putting files on %s: %w", h.Name, err)
	}
	if err := l.Start(ctx, h.Name); err != nil && !(h.MayFail && errors.Is(err, ErrDegraded)) {
		return err
	}
	if h.NoNginx {
		return l.must(ctx, h.Name, "dpkg", "--purge", "nginx", "nginx-common")
	}
	return nil
}

// createArgs is what lets systemd boot in a container that is not privileged, on this machine's control groups
// (--cgroupns=host: systemd must see the same tree that is mounted from here); NET_ADMIN is for Cut.
func (l *Lab) createArgs(h Host, tag string, number int, subnet netip.Prefix) ([]string, error) {
	args := []string{
		"create", "--name", l.container(h.Name), "--hostname", h.Name, "--label", l.label(),
		"--network", l.name, "--ip", address(subnet, number).String(), "--pull", "never",
		"--cap-add", "SYS_ADMIN", "--cap-add", "NET_ADMIN",
		"--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined",
		"--tmpfs", "/run", "--tmpfs", "/run/lock", "--tmpfs", "/tmp",
		"--cgroupns", "host", "--volume", "/sys/fs/cgroup:/sys/fs/cgroup:rw",
		"--stop-signal", "SIGRTMIN+3", "--stop-timeout", "20", // systemd's word for "shut down"
	}
	// Names come from /etc/hosts alone: unlike Docker's name server, it knows hosts that are down or not made yet,
	// as a real one does, and says at once that it does not know a name.
	for n := 1; n <= MaxHosts; n++ {
		args = append(args, "--add-host", hostPrefix+strconv.Itoa(n)+":"+address(subnet, n).String())
	}
	if h.Binary != "" {
		path, err := filepath.Abs(h.Binary)
		if err != nil {
			return nil, err
		}
		args = append(args, "--mount", "type=bind,readonly,source="+path+",target=/usr/local/bin/fleet")
	}
	return append(args, tag), nil
}

// hostNumber returns N of webN.
func hostNumber(name string) (int, error) {
	digits, ok := strings.CutPrefix(name, hostPrefix)
	n, err := strconv.Atoi(digits)
	if !ok || err != nil || n < 1 || n > MaxHosts || digits != strconv.Itoa(n) {
		return 0, fmt.Errorf("no host can be called %q: a lab has %s1 to %s%d", name, hostPrefix, hostPrefix, MaxHosts)
	}
	return n, nil
}

// Status is one host as Docker sees it.
type Status struct {
	Host    string
	State   string // Docker's word: created, running, paused, exited
	Address string
	Hagroup string
}

// Status returns the lab's hosts by number; none if the lab is not up.
func (l *Lab) Status(ctx context.Context) ([]Status, error) {
	out, err := docker(ctx, nil, "ps", "--all", "--no-trunc", "--filter", "label="+l.label(), "--format", "{{.Names}} {{.State}}")
	if err != nil {
		return nil, err
	}
	subnet, _ := l.subnet(ctx) // without one there are no hosts either
	var list []Status
	for line := range strings.Lines(out) {
		name, state, _ := strings.Cut(strings.TrimSpace(line), " ")
		host := strings.TrimPrefix(name, l.name+"-")
		number, err := hostNumber(host)
		if err != nil || !subnet.IsValid() {
			continue
		}
		list = append(list, Status{host, state, address(subnet, number).String(), Hagroup(number)})
	}
	slices.SortFunc(list, byNumber)
	return list, nil
}

func byNumber(a, b Status) int {
	return cmp.Or(cmp.Compare(len(a.Host), len(b.Host)), cmp.Compare(a.Host, b.Host))
}

// Down removes the lab's hosts and its network, whatever state they are in, and nothing else; images stay. It is no
// error if there is nothing to remove. It tries for up to ten seconds: on a busy machine Docker still takes a network for used
// when the last container on it has gone.
func (l *Lab) Down(ctx context.Context) error {
	for try := 1; ; try++ {
		err := l.remove(ctx)
		if err == nil {
			return nil
		}
		if try == 10 {
			return fmt.Errorf("taking lab %s down: %w", l.name, err)
		}
		if ended := wait.For(ctx, time.Second); ended != nil {
			return fmt.Errorf("taking lab %s down: %w", l.name, errors.Join(err, ended))
		}
	}
}

func (l *Lab) remove(ctx context.Context) error {
	ids, err := docker(ctx, nil, "ps", "--all", "--quiet", "--filter", "label="+l.label())
	if err != nil {
		return err
	}
	var errs []error
	if list := strings.Fields(ids); len(list) > 0 {
		_, err := docker(ctx, nil, append([]string{"rm", "--force", "--volumes"}, list...)...)
		errs = append(errs, err)
	}
	nets, err := docker(ctx, nil, "network", "ls", "--quiet", "--filter", "label="+l.label())
	errs = append(errs, err)
	err = errors.Join(errs...)
	for _, network := range strings.Fields(nets) {
		if _, stays := docker(ctx, nil, "network", "rm", network); err == nil && stays != nil {
			err = fmt.Errorf("%w: %w", ErrNetwork, stays)
		}
	}
	return err
}

// Names returns the names of the labs that are up on this machine, in part or whole.
func Names(ctx context.Context) ([]string, error) {
	var names []string
	for _, kind := range []string{"container", "network"} {
		args := []string{kind, "ls", "--filter", "label=" + labelKey, "--format", `{{.Label "` + labelKey + `"}}`}
		if kind == "container" {
			args = append(args, "--all")
		}
		out, err := docker(ctx, nil, args...)
		if err != nil {
			return nil, err
		}
		names = append(names, strings.Fields(out)...)
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}
