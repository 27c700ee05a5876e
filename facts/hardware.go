package facts

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/shirou/gopsutil/v4/common"
	"github.com/shirou/gopsutil/v4/mem"
)

func (h host) memory(f Facts) {
	m, err := mem.VirtualMemoryWithContext(context.WithValue(context.Background(), common.EnvKey, common.EnvMap{common.HostProcEnvKey: h.path("proc")}))
	if err != nil {
		return
	}
	setMemory(f, "memory.system", int64(m.Total), int64(m.Available))
	setMemory(f, "memory.swap", int64(m.SwapTotal), int64(m.SwapFree)) // not mem.SwapMemory: that asks the kernel, which answers a container with the machine's
}

func setMemory(f Facts, path string, total, available int64) {
	if total <= 0 {
		return
	}
	for name, n := range map[string]int64{"total": total, "available": available, "used": total - available} {
		f.set(path+"."+name, human(n))
		f.set(path+"."+name+"_bytes", n)
	}
	f.set(path+".capacity", percent(total-available, total))
}

func (h host) processors(f Facts) {
	var models []any
	var count int64
	packages := map[string]bool{}
	fields := map[string]string{}
	for line := range strings.Lines(h.read("proc/cpuinfo")) {
		key, value := keyed(line, ":")
		switch key {
		case "processor":
			count++
		case "model name", "cpu":
			if len(models) < maxProcessors {
				models = append(models, value)
			}
		case "physical id":
			packages[value] = true
		case "cpu cores", "siblings", "cpu MHz":
			fields[key] = value
		}
	}
	if count == 0 {
		return
	}
	if len(packages) == 0 { // arm
		packages = h.packages()
	}
	f.set("processors.count", count)
	f.set("processors.physicalcount", int64(max(1, len(packages))))
	if models == nil {
		models = []any{}
	}
	f.set("processors.models", models)
	f.set("processors.isa", h.machine())
	if cores := whole(fields["cpu cores"]); cores > 0 {
		f.set("processors.cores", cores)
		f.set("processors.threads", max(1, whole(fields["siblings"])/cores))
	}
	if mhz, err := strconv.ParseFloat(fields["cpu MHz"], 64); err == nil && mhz > 0 && mhz < 1e6 {
		f.set("processors.speed", hertz(mhz))
	}
}

func hertz(mhz float64) string {
	if mhz < 1000 {
		return fmt.Sprintf("%.2f MHz", mhz)
	}
	return fmt.Sprintf("%.2f GHz", mhz/1000)
}

func (h host) packages() map[string]bool {
	packages := map[string]bool{}
	cpu := regexp.MustCompile(`^cpu\d+$`)
	for _, name := range h.names("sys/devices/system/cpu") {
		if cpu.MatchString(name) && len(packages) < maxProcessors {
			if id := h.word("sys/devices/system/cpu/" + name + "/topology/physical_package_id"); id != "" {
				packages[id] = true
			}
		}
	}
	return packages
}

// disks are the block devices that stand for something: loop, ram and zram devices without a size are left out.
func (h host) disks(f Facts) {
	disks := map[string]any{}
	for _, name := range h.names("sys/block") {
		dir := "sys/block/" + name + "/"
		size := whole(h.read(dir+"size")) * 512 // always in sectors of 512 bytes
		if size <= 0 || !h.exists(dir+"device") || len(disks) == maxDisks {
			continue
		}
		disk := Facts{"size": human(size), "size_bytes": size}
		disk.set("model", h.word(dir+"device/model"))
		disk.set("vendor", h.word(dir+"device/vendor"))
		disk.set("serial", h.word(dir+"device/serial"))
		disk.set("wwn", h.word(dir+"device/wwid"))
		switch h.word(dir + "queue/rotational") {
		case "1":
			disk.set("type", "hdd")
		case "0":
			disk.set("type", "ssd")
		}
		disks[name] = map[string]any(disk)
	}
	if len(disks) > 0 {
		f["disks"] = disks
	}
}

func (h host) mountpoints(f Facts) {
	mounts := map[string]any{}
	for line := range strings.Lines(h.read("proc/self/mounts")) {
		fields := strings.Fields(line)
		if len(fields) < 4 || len(mounts) == maxMounts {
			continue
		}
		device, point, kind := unescape(fields[0]), unescape(fields[1]), fields[2]
		hidden := strings.HasPrefix(point, "/proc") || strings.HasPrefix(point, "/sys")
		if hidden && kind != "tmpfs" || kind == "autofs" {
			continue
		}
		options := []any{}
		for option := range strings.SplitSeq(fields[3], ",") {
			options = append(options, option)
		}
		mount := map[string]any{"device": device, "filesystem": kind, "options": options}
		if point == "/" || !remote(kind) {
			h.setUsage(mount, point)
		}
		mounts[point] = mount
	}
	if len(mounts) > 0 {
		f["mountpoints"] = mounts
	}
}

// remote tells file systems that answer over a network: asking one that is gone for its size blocks, for ever.
func remote(kind string) bool {
	return slices.Contains([]string{"nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "afs", "9p", "ceph", "glusterfs",
		"lustre", "gfs2", "ocfs2", "beegfs", "davfs", "virtiofs"}, kind) ||
		strings.HasPrefix(kind, "fuse.") && kind != "fuse.fuse-overlayfs"
}

func (h host) setUsage(mount map[string]any, point string) {
	var st syscall.Statfs_t
	if syscall.Statfs(h.path(point), &st) != nil {
		return
	}
	block := uint64(st.Bsize)
	size, free, available := int64(uint64(st.Blocks)*block), int64(uint64(st.Bfree)*block), int64(uint64(st.Bavail)*block)
	used := size - free
	for name, n := range map[string]int64{"size": size, "available": available, "used": used} {
		mount[name], mount[name+"_bytes"] = human(n), n
	}
	mount["capacity"] = "100%"
	switch {
	case used+available == 0 || available == 0:
	case used == 0:
		mount["capacity"] = "0%"
	default:
		mount["capacity"] = percent(used, used+available)
	}
}

// unescape undoes the octal escapes of /proc/mounts (\040 is a space).
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				out.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		out.WriteByte(s[i])
	}
	return out.String()
}
