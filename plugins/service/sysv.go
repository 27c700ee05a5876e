package service

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"fleet/internal/lazyregexp"
)

// sysv steers the scripts in /etc/init.d, below root.
type sysv struct{ root string }

func (s sysv) close() {}

func (s sysv) path(name string) string { return filepath.Join(s.root, name) }

func (s sysv) script(name string) string { return s.path("/etc/init.d/" + name) }

// machinery are scripts of the boot itself, not services: starting one of them halts the host or worse.
func machinery(name string) bool {
	return slices.Contains([]string{
		"README", "skeleton", "functions", "rc", "rcS", "halt", "reboot", "single", "killprocs", "killall", "sendsigs",
		"umountfs", "umountroot", "umountnfs.sh",
	}, name)
}

// exists says whether the name is an executable script.
func (s sysv) exists(name string) bool {
	info, err := os.Stat(s.script(name))
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 && !machinery(name)
}

func (s sysv) look(ctx context.Context, name string) (status, error) {
	if !s.exists(name) {
		return status{}, errAbsent
	}
	output, code, err := command(ctx, s.script(name), "status")
	if err != nil {
		return status{}, err
	}
	st := parseStatus(output, code)
	st.Enabled = s.enabled(name)
	s.findProcess(ctx, &st, name)
	return st, nil
}

// findProcess fills in pid and time of a service that runs.
func (s sysv) findProcess(ctx context.Context, st *status, name string) {
	if st.State != running {
		st.PID = 0
		return
	}
	if since, ok := processStart(ctx, st.PID); st.PID > 0 && ok {
		st.Since = since
		return
	}
	st.PID, st.Since = mainProcess(ctx, s.root, s.script(name), name)
}

func (s sysv) act(ctx context.Context, verb, name string) error {
	argv := []string{s.script(name), verb}
	output, code, err := command(ctx, argv...)
	switch {
	case err != nil:
		return err
	case code != 0 && saysUsage().MatchString(output):
		return fmt.Errorf("its script has no %s", verb)
	case code != 0:
		return complaint(argv[0], output, code)
	}
	return nil
}

var startLink = lazyregexp.New(`^S[0-9]{2}(.+)$`)

// enabled looks for a start link in the runlevels in which a host works: 2 to 5, and S of the boot.
func (s sysv) enabled(name string) string {
	for _, level := range []string{"2", "3", "4", "5", "S"} {
		for _, dir := range []string{"/etc/rc" + level + ".d", "/etc/rc.d/rc" + level + ".d"} {
			entries, _ := os.ReadDir(s.path(dir)) // a distribution has one of the two
			for _, e := range entries {
				if m := startLink().FindStringSubmatch(e.Name()); m != nil && m[1] == name {
					return enabled
				}
			}
		}
	}
	return disabled
}

func (s sysv) enable(ctx context.Context, name string, on bool) (bool, error) {
	was := s.enabled(name) == enabled
	if was == on {
		return false, nil
	}
	argvs, err := s.linkTool(name, on)
	if err != nil {
		return false, err
	}
	for _, argv := range argvs {
		output, code, err := command(ctx, argv...)
		if err != nil {
			return false, err
		}
		if code != 0 {
			return false, complaint(argv[0], output, code)
		}
	}
	return true, nil
}

// linkTool returns the commands that make or remove a script's boot links. update-rc.d only enables where there are
// links already, so defaults goes first; that leaves existing ones alone.
func (s sysv) linkTool(name string, on bool) ([][]string, error) {
	if tool := s.tool("update-rc.d"); tool != "" && on {
		return [][]string{{tool, name, "defaults"}, {tool, name, "enable"}}, nil
	} else if tool != "" {
		return [][]string{{tool, name, "disable"}}, nil
	}
	if tool := s.tool("chkconfig"); tool != "" && on {
		return [][]string{{tool, "--add", name}, {tool, name, "on"}}, nil
	} else if tool != "" {
		return [][]string{{tool, name, "off"}}, nil
	}
	return nil, fmt.Errorf("neither update-rc.d nor chkconfig is on this host; install one of them")
}

// tool finds a program of the system.
func (s sysv) tool(name string) string { return findTool(s.root, name) }

func findTool(root, name string) string {
	for _, dir := range []string{"/usr/sbin", "/sbin", "/usr/bin", "/bin"} {
		file := filepath.Join(root, dir, name)
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return file
		}
	}
	return ""
}

func (s sysv) names(context.Context) ([]string, error) {
	entries, err := os.ReadDir(s.path("/etc/init.d"))
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if name := e.Name(); s.exists(name) && !strings.Contains(name, ".dpkg-") {
			names = append(names, name)
		}
	}
	return names, nil
}
