package facts

import (
	"fmt"
	"os"
	"os/user"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

func (h host) kernel(f Facts) {
	release := h.word("proc/sys/kernel/osrelease")
	version := regexp.MustCompile(`^\d+(\.\d+)*`).FindString(release)
	kernel := h.word("proc/sys/kernel/ostype")
	if kernel == "" {
		kernel = "Linux"
	}
	f.set("kernel", kernel)
	f.set("kernelrelease", release)
	f.set("kernelversion", version)
	if parts := strings.Split(version, "."); len(parts) > 1 {
		f.set("kernelmajversion", parts[0]+"."+parts[1])
	}
}

func (h host) system(f Facts) {
	if fields := strings.Fields(h.read("proc/uptime")); len(fields) > 0 {
		seconds, err := strconv.ParseFloat(fields[0], 64)
		if err == nil && seconds >= 0 && seconds < 1e12 {
			f["system_uptime"] = uptime(int64(seconds))
		}
	}
	if fields := strings.Fields(h.read("proc/loadavg")); len(fields) >= 3 {
		for i, name := range []string{"1m", "5m", "15m"} {
			if v, err := strconv.ParseFloat(fields[i], 64); err == nil && v >= 0 && v < 1e9 {
				f.set("load_averages."+name, v)
			}
		}
	}
	f.set("timezone", h.timezone())
	f.set("path", os.Getenv("PATH"))
	f.set("filesystems", h.filesystems())
	f.set("fips_enabled", h.word("proc/sys/crypto/fips_enabled") == "1")
	identity(f)
}

func uptime(seconds int64) map[string]any {
	days, hours := seconds/86400, seconds/3600
	text := fmt.Sprintf("%d days", days)
	switch days {
	case 0:
		text = fmt.Sprintf("%d:%02d hours", hours, seconds/60%60)
	case 1:
		text = "1 day"
	}
	return map[string]any{"seconds": seconds, "hours": hours, "days": days, "uptime": text}
}

// timezone reads the file anew each time: time.Local would show the zone of when the node was started.
func (h host) timezone() string {
	raw, err := readBounded(h.path("etc/localtime"), maxSystemFile)
	if err != nil {
		return "UTC"
	}
	zone, err := time.LoadLocationFromTZData("local", raw)
	if err != nil {
		return "UTC"
	}
	name, _ := time.Now().In(zone).Zone()
	return name
}

// filesystems are those that live on a block device, as Facter has them.
func (h host) filesystems() string {
	var names []string
	for line := range strings.Lines(h.read("proc/filesystems")) {
		name := strings.TrimSpace(line)
		if name == "" || strings.HasPrefix(line, "nodev") || name == "fuseblk" {
			continue
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, ",")
}

// identity is who the node runs as. The names come from /etc/passwd and /etc/group; without cgo nothing else is asked.
func identity(f Facts) {
	uid, gid := os.Getuid(), os.Getgid()
	f.set("identity.uid", int64(uid))
	f.set("identity.gid", int64(gid))
	f.set("identity.privileged", uid == 0)
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		f.set("identity.user", u.Username)
	}
	if g, err := user.LookupGroupId(strconv.Itoa(gid)); err == nil {
		f.set("identity.group", g.Name)
	}
}

func (h host) selinux(f Facts) {
	enabled := h.exists("sys/fs/selinux/enforce")
	f.set("os.selinux.enabled", enabled)
	if !enabled {
		return
	}
	enforced := h.word("sys/fs/selinux/enforce") == "1"
	f.set("os.selinux.enforced", enforced)
	mode := "permissive"
	if enforced {
		mode = "enforcing"
	}
	f.set("os.selinux.current_mode", mode)
	f.set("os.selinux.policy_version", h.word("sys/fs/selinux/policyvers"))
	for line := range strings.Lines(h.read("etc/selinux/config")) {
		switch key, value := keyed(line, "="); key {
		case "SELINUX":
			f.set("os.selinux.config_mode", value)
		case "SELINUXTYPE":
			f.set("os.selinux.config_policy", value)
		}
	}
}
