package facts

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fixture is a host that exists only under testdata, with two interfaces.
func fixture(name string) host {
	h := newHost(filepath.Join("testdata", name))
	h.machine = func() string { return "x86_64" }
	h.interfaces = func() []netInterface {
		return []netInterface{
			{name: "lo", mtu: 65536, addrs: prefixes("127.0.0.1/8", "::1/128")},
			{name: "eth0", mac: "08:00:27:ae:4b:64", mtu: 1500, addrs: prefixes("169.254.9.9/16", "10.0.2.15/24", "10.0.3.15/25", "fe80::a00:27ff:feae:4b64/64")},
			{name: "eth0.100", mac: "08:00:27:ae:4b:65", mtu: 1496, addrs: prefixes("192.168.7.1/22", "fe80::1/64", "2001:db8::7/48")},
		}
	}
	return h
}

func prefixes(list ...string) (out []netip.Prefix) {
	for _, p := range list {
		out = append(out, netip.MustParsePrefix(p))
	}
	return out
}

type wants map[string]any

// none stands for a fact that must not be there.
type none struct{}

func (w wants) check(t *testing.T, f Facts) {
	t.Helper()
	for path, want := range w {
		got, ok := f.Lookup(path)
		if _, absent := want.(none); absent {
			if ok {
				t.Errorf("%s = %#v, want none", path, got)
			}
			continue
		}
		if !ok || got != want {
			t.Errorf("%s = %#v, %v; want %#v", path, got, ok, want)
		}
	}
}

// The values for Debian, Ubuntu, Rocky, SLES, openSUSE and Arch are those that Facter 4.2 shows for these files.
func TestDistributions(t *testing.T) {
	tests := map[string]wants{
		"debian12": {
			"os.name": "Debian", "os.family": "Debian", "os.release.full": "12.11", "os.release.major": "12", "os.release.minor": "11",
			"os.distro.codename": "bookworm", "os.distro.description": "Debian GNU/Linux 12 (bookworm)", "os.distro.id": "Debian",
			"os.architecture": "amd64", "os.hardware": "x86_64", "architecture": "amd64", "hardwaremodel": "x86_64",
			"operatingsystem": "Debian", "operatingsystemrelease": "12.11", "operatingsystemmajrelease": "12", "osfamily": "Debian",
			"lsbdistcodename": "bookworm", "lsbdistid": "Debian", "lsbdistrelease": "12.11", "lsbmajdistrelease": "12",
		},
		"ubuntu2204": {
			"os.name": "Ubuntu", "os.family": "Debian", "os.release.full": "22.04", "os.release.major": "22.04", "os.release.minor": none{},
			"os.distro.codename": "jammy", "os.distro.description": "Ubuntu 22.04.4 LTS", "os.distro.id": "Ubuntu", "os.architecture": "amd64",
			"operatingsystemmajrelease": "22.04",
		},
		"rocky9": {
			"os.name": "Rocky", "os.family": "RedHat", "os.release.full": "9.4", "os.release.major": "9", "os.release.minor": "4",
			"os.distro.codename": "Blue Onyx", "os.distro.description": "Rocky Linux release 9.4 (Blue Onyx)", "os.distro.id": "Rocky",
			"os.architecture": "x86_64", "os.selinux.enabled": true, "os.selinux.current_mode": "enforcing", "os.selinux.config_policy": "targeted",
			"os.selinux.policy_version": "33", "selinux": true,
		},
		"centos9": {
			"os.name": "CentOS", "os.release.full": "9", "os.release.major": "9", "os.release.minor": none{},
			"os.distro.description": "CentOS Stream release 9", "os.distro.id": "CentOSStream", "os.distro.codename": none{},
		},
		"sles15": {
			"os.name": "SLES", "os.family": "Suse", "os.release.full": "15.2", "os.release.major": "15", "os.release.minor": "2",
			"os.distro.description": "SUSE Linux Enterprise Server 15 SP2", "os.distro.id": "SUSE", "os.architecture": "x86_64",
		},
		"opensuse15": {"os.name": "openSUSE", "os.family": "Suse", "os.release.full": "15.4", "os.distro.id": "SUSE"},
		"alpine": {
			"os.name": "Alpine", "os.family": "Alpine", "os.release.full": "3.19.1", "os.release.major": "3", "os.release.minor": "19",
			"operatingsystemrelease": "3.19.1",
		},
		"arch": {
			"os.name": "Archlinux", "os.family": "Archlinux", "os.release": none{}, "operatingsystemrelease": none{},
			"os.distro.id": "Arch", "os.distro.description": "Arch Linux", "os.distro.release.full": "rolling",
		},
		"missing": {"os.name": none{}, "os.hardware": "x86_64", "memory": none{}, "kernel": "Linux"},
	}
	for name, want := range tests {
		t.Run(name, func(t *testing.T) { want.check(t, fixture(name).builtin()) })
	}
}

func TestOtherDistributions(t *testing.T) {
	tests := []struct{ release, name, family string }{
		{"ID=rhel\nNAME=\"Red Hat Enterprise Linux\"", "RedHat", "RedHat"},
		{"ID=almalinux", "AlmaLinux", "RedHat"},
		{"ID=\"ol\"", "OracleLinux", "RedHat"},
		{"ID='amzn'", "Amazon", "RedHat"},
		{"ID=fedora", "Fedora", "RedHat"},
		{"ID=opensuse-tumbleweed", "openSUSE", "Suse"},
		{"NAME=\"Pop!_OS\"\nID=pop\nID_LIKE=\"ubuntu debian\"", "Pop!_OS", "Debian"},
		{"NAME=Regata\nID=regata\nID_LIKE=\"opensuse suse\"", "Regata", "Suse"},
		{"NAME=\"Own Linux\"\nID=own", "Own", "Own"},
	}
	for _, tt := range tests {
		if d := describe(parseOSRelease(tt.release)); d.name != tt.name || d.family != tt.family {
			t.Errorf("%q is %q of %q, want %q of %q", tt.release, d.name, d.family, tt.name, tt.family)
		}
	}
}

// One host in full; the numbers are Facter's for the same /proc.
func TestBuiltin(t *testing.T) {
	f := fixture("debian12").builtin()
	wants{
		"kernel": "Linux", "kernelrelease": "6.1.0-10-amd64", "kernelversion": "6.1.0", "kernelmajversion": "6.1",
		"system_uptime.seconds": int64(15612), "system_uptime.hours": int64(4), "system_uptime.days": int64(0), "system_uptime.uptime": "4:20 hours",
		"uptime": "4:20 hours", "uptime_seconds": int64(15612), "uptime_days": int64(0),
		"load_averages.1m": 0.21, "load_averages.15m": 0.02,
		"memory.system.total_bytes": int64(2062905344), "memory.system.available_bytes": int64(1748504576), "memory.system.used_bytes": int64(314400768),
		"memory.system.total": "1.92 GiB", "memory.system.available": "1.63 GiB", "memory.system.used": "299.84 MiB", "memory.system.capacity": "15.24%",
		"memory.swap": none{}, "memorysize": "1.92 GiB", "memorysize_mb": 1967.33984375, "swapsize_mb": none{},
		"processors.count": int64(2), "processors.physicalcount": int64(1), "processors.cores": int64(2), "processors.threads": int64(1),
		"processors.models.0": "11th Gen Intel(R) Core(TM) i7-11850H @ 2.50GHz", "processors.speed": "2.50 GHz",
		"processorcount": int64(2), "physicalprocessorcount": int64(1), "processor1": "11th Gen Intel(R) Core(TM) i7-11850H @ 2.50GHz", "processor2": none{},
		"filesystems": "ext2,ext3,ext4", "timezone": "UTC",
		"networking.hostname": "foo", "networking.domain": "example.com", "networking.fqdn": "foo.example.com",
		"hostname": "foo", "domain": "example.com", "fqdn": "foo.example.com",
		"networking.primary": "eth0", "networking.ip": "10.0.2.15", "networking.netmask": "255.255.255.0", "networking.network": "10.0.2.0",
		"networking.mac": "08:00:27:ae:4b:64", "networking.mtu": int64(1500), "networking.ip6": "fe80::a00:27ff:feae:4b64", "networking.scope6": "link",
		"networking.interfaces.eth0.bindings.2.netmask": "255.255.255.128", "networking.interfaces.eth0.bindings.0.address": "169.254.9.9",
		"networking.interfaces.eth0.100.ip": "192.168.7.1", "networking.interfaces.eth0.100.network": "192.168.4.0", "networking.interfaces.eth0.100.ip6": "2001:db8::7",
		"networking.interfaces.lo.mac": none{}, "networking.interfaces.lo.scope6": "host",
		"interfaces": "eth0,eth0.100,lo", "ipaddress": "10.0.2.15", "ipaddress_eth0": "10.0.2.15", "ipaddress_eth0.100": "192.168.7.1",
		"netmask_eth0": "255.255.255.0", "macaddress": "08:00:27:ae:4b:64", "macaddress_lo": none{}, "network6": "fe80::", "mtu_lo": int64(65536),
		"netmask6_eth0":   "ffff:ffff:ffff:ffff::",
		"disks.sda.model": "VBOX HARDDISK", "disks.sda.size_bytes": int64(21474836480), "disks.sda.size": "20.00 GiB", "disks.sda.type": "hdd",
		"blockdevices": "sda", "blockdevice_sda_size": int64(21474836480), "blockdevice_sda_vendor": "ATA",
		"dmi.manufacturer": "innotek GmbH", "dmi.product.name": "VirtualBox", "dmi.product.serial_number": "0", "dmi.chassis.type": "Other",
		"manufacturer": "innotek GmbH", "productname": "VirtualBox", "serialnumber": "0",
		"virtual": "virtualbox", "is_virtual": true,
		"ssh.ed25519.type": "ssh-ed25519", "ssh.ed25519.fingerprints.sha1": "SSHFP 4 1 645afdd07533efaab060513568221a01fa813288",
		"sshfp_ed25519":      "SSHFP 4 1 645afdd07533efaab060513568221a01fa813288\nSSHFP 4 2 15545ebc58573ca8cc42c409dbdfdcaa9874c343b7c00d21a063b80d9f5c9c97",
		"os.selinux.enabled": false, "selinux": false, "fips_enabled": false,
	}.check(t, f)
	mounts := f["mountpoints"].(map[string]any)
	root := mounts["/"].(map[string]any)
	if root["device"] != "/dev/sda1" || root["filesystem"] != "ext4" || len(root["options"].([]any)) != 3 {
		t.Errorf("/ is %v", root)
	}
	if mounts["/mnt/my disk"] == nil {
		t.Error("the escaped mount point is not there")
	}
	if nfs := mounts["/srv/nfs"].(map[string]any); nfs["size_bytes"] != nil {
		t.Error("an NFS mount was asked for its size")
	}
	for _, hidden := range []string{"/proc", "/sys", "/proc/sys/fs/binfmt_misc"} {
		if mounts[hidden] != nil {
			t.Errorf("%s is shown", hidden)
		}
	}
	checkKinds(t, "", map[string]any(f))
}

// checkKinds verifies what Facts promises of its values.
func checkKinds(t *testing.T, path string, v any) {
	t.Helper()
	switch v := v.(type) {
	case nil, bool, string, int64, float64:
	case []any:
		for _, e := range v {
			checkKinds(t, path+".#", e)
		}
	case map[string]any:
		for k, e := range v {
			checkKinds(t, path+"."+k, e)
		}
	default:
		t.Errorf("%s is a %T", path, v)
	}
}

func TestUptime(t *testing.T) {
	for seconds, want := range map[int64]string{0: "0:00 hours", 362: "0:06 hours", 86399: "23:59 hours", 86400: "1 day", 3 * 86400: "3 days"} {
		if got := uptime(seconds)["uptime"]; got != want {
			t.Errorf("%d s is %q, want %q", seconds, got, want)
		}
	}
}

// Memory and swap are the given root's, not this machine's, also on kernels that do not say what is available.
func TestMemory(t *testing.T) {
	tests := []struct {
		name, meminfo string
		want          wants
	}{
		{"with swap", "MemTotal: 2048 kB\nMemFree: 256 kB\nMemAvailable: 1024 kB\nSwapTotal: 4096 kB\nSwapFree: 3072 kB\n", wants{
			"memory.system.total_bytes": int64(2 << 20), "memory.system.available": "1.00 MiB", "memory.system.capacity": "50.00%",
			"memory.swap.total": "4.00 MiB", "memory.swap.used_bytes": int64(1 << 20), "memory.swap.capacity": "25.00%"}},
		{"before Linux 3.14", "MemTotal: 2048 kB\nMemFree: 256 kB\nCached: 768 kB\n", wants{
			"memory.system.available_bytes": int64(1 << 20), "memory.swap": none{}}},
		{"nonsense", "MemTotal: plenty\n", wants{"memory": none{}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root := t.TempDir()
			write(t, filepath.Join(root, "proc/meminfo"), tt.meminfo, 0o644)
			f, h := Facts{}, newHost(root)
			h.memory(f)
			tt.want.check(t, f)
		})
	}
}

func TestHuman(t *testing.T) {
	for n, want := range map[int64]string{0: "0 bytes", 1023: "1023 bytes", 1024: "1.00 KiB", 491520: "480.00 KiB", 1048575: "1.00 MiB",
		2062905344: "1.92 GiB", 1 << 62: "4.00 EiB"} {
		if got := human(n); got != want {
			t.Errorf("%d is %q, want %q", n, got, want)
		}
	}
}

func TestVirtual(t *testing.T) {
	tests := []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"bare metal", map[string]string{"proc/cpuinfo": "flags\t: fpu vme\n", "sys/class/dmi/id/sys_vendor": "Dell Inc.\n"}, "physical"},
		{"EC2 Nitro", map[string]string{"sys/class/dmi/id/sys_vendor": "Amazon EC2\n", "sys/class/dmi/id/product_name": "m5.large\n"}, "kvm"},
		{"EC2 metal", map[string]string{"sys/class/dmi/id/sys_vendor": "Amazon EC2\n", "sys/class/dmi/id/product_name": "m5.metal\n"}, "physical"},
		{"GCE", map[string]string{"sys/class/dmi/id/product_name": "Google Compute Engine\n"}, "gce"},
		{"Hyper-V", map[string]string{"sys/class/dmi/id/product_name": "Virtual Machine\n"}, "hyperv"},
		{"VMware", map[string]string{"sys/class/dmi/id/product_name": "VMware Virtual Platform\n"}, "vmware"},
		{"Xen guest", map[string]string{"sys/hypervisor/type": "xen\n"}, "xenu"},
		{"Xen host", map[string]string{"proc/xen/capabilities": "control_d\n"}, "xen0"},
		{"Firecracker", map[string]string{"proc/cpuinfo": "flags : fpu hypervisor\n", "sys/devices/system/clocksource/clocksource0/available_clocksource": "kvm-clock tsc\n"}, "kvm"},
		{"docker", map[string]string{".dockerenv": ""}, "docker"},
		{"docker with systemd", map[string]string{"run/systemd/container": "docker\n"}, "docker"},
		{"podman", map[string]string{"run/.containerenv": ""}, "podman"},
		{"nspawn", map[string]string{"proc/1/environ": "A=b\x00container=systemd-nspawn\x00"}, "systemd_nspawn"},
		{"lxc", map[string]string{"proc/1/cgroup": "1:name=systemd:/lxc/web1\n"}, "lxc"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root := t.TempDir()
			for name, text := range tt.files {
				write(t, filepath.Join(root, name), text, 0o644)
			}
			f := Facts{}
			h := newHost(root)
			h.dmi(f)
			h.virtual(f)
			wants{"virtual": tt.want, "is_virtual": tt.want != "physical" && tt.want != "xen0"}.check(t, f)
		})
	}
}

func TestHostNames(t *testing.T) {
	tests := []struct{ name, hostname, hosts, resolv, fqdn string }{
		{"in the hostname", "a.b.example", "", "search x.example", "a.b.example"},
		{"in hosts", "web1", "127.0.0.1 localhost\n10.0.0.1 web1.prod.example web1 # me\n", "search x.example", "web1.prod.example"},
		{"hosts of another", "web1", "10.0.0.1 web2.prod.example web2 web1\n", "", "web1"},
		{"search", "web1", "127.0.1.1 web1\n", "nameserver 10.0.0.1\nsearch a.example b.example\n", "web1.a.example"},
		{"domain before search", "web1", "", "search a.example\ndomain d.example\n", "web1.d.example"},
		{"nowhere", "web1", "", "", "web1"},
		{"search the root", "web1", "", "search .\n", "web1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root := t.TempDir()
			write(t, filepath.Join(root, "proc/sys/kernel/hostname"), tt.hostname+"\n", 0o644)
			write(t, filepath.Join(root, "etc/hosts"), tt.hosts, 0o644)
			write(t, filepath.Join(root, "etc/resolv.conf"), tt.resolv, 0o644)
			f := Facts{}
			newHost(root).hostNames(f)
			short, _, _ := strings.Cut(tt.hostname, ".")
			wants{"networking.fqdn": tt.fqdn, "networking.hostname": short}.check(t, f)
		})
	}
}

func TestPrimary(t *testing.T) {
	all := map[string]any{"eth0": 1, "eth1": 1, "lo": 1}
	tests := []struct{ name, route, route6, want string }{
		{"lowest metric", "Iface Destination Gateway Flags RefCnt Use Metric Mask\neth0 00000000 0102000A 0003 0 0 200 00000000 0 0 0\neth1 00000000 0102000A 0003 0 0 100 00000000 0 0 0\n", "", "eth1"},
		{"IPv6 only", "", "00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200 lo\n" +
			"00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003 eth1\n", "eth1"},
		{"no route", "", "", "eth0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root := t.TempDir()
			write(t, filepath.Join(root, "proc/net/route"), tt.route, 0o644)
			write(t, filepath.Join(root, "proc/net/ipv6_route"), tt.route6, 0o644)
			h := fixture("x")
			h.root = root
			if got := h.primary(all); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// The host that runs the tests, as it is.
func TestThisHost(t *testing.T) {
	s := Collect(t.Context(), Config{})
	name, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	short, _, _ := strings.Cut(name, ".")
	wants{"hostname": short, "kernel": "Linux"}.check(t, s.Facts)
	for _, path := range []string{"os.name", "os.family", "kernelrelease", "memory.system.total_bytes", "processors.count", "mountpoints",
		"system_uptime.seconds", "networking.interfaces.lo", "os.architecture", "virtual", "identity.user", "interfaces"} {
		if v, ok := s.Facts.Lookup(path); !ok || v == "" {
			t.Errorf("%s is %v", path, v)
		}
	}
	for _, p := range s.Problems {
		t.Logf("%s %s", p.File, p.Error)
	}
	checkKinds(t, "", map[string]any(s.Facts))
	t.Logf("%d facts in %s", len(s.Facts), s.Took)
}

func BenchmarkCollect(b *testing.B) {
	for b.Loop() {
		Collect(b.Context(), Config{Dirs: DefaultDirs(), ClassFiles: DefaultClassFiles()})
	}
}

func write(t testing.TB, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // whatever the umask
		t.Fatal(err)
	}
}
