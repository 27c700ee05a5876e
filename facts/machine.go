package facts

import (
	"crypto/sha1" // SSHFP type 1 is SHA-1 by definition (RFC 4255)
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
)

// dmi is what the firmware says of the machine. Serial numbers are readable by root only.
func (h host) dmi(f Facts) {
	for file, path := range map[string]string{
		"bios_date":         "dmi.bios.release_date",
		"bios_vendor":       "dmi.bios.vendor",
		"bios_version":      "dmi.bios.version",
		"board_asset_tag":   "dmi.board.asset_tag",
		"board_name":        "dmi.board.product",
		"board_serial":      "dmi.board.serial_number",
		"board_vendor":      "dmi.board.manufacturer",
		"chassis_asset_tag": "dmi.chassis.asset_tag",
		"product_name":      "dmi.product.name",
		"product_serial":    "dmi.product.serial_number",
		"product_uuid":      "dmi.product.uuid",
		"product_version":   "dmi.product.version",
		"sys_vendor":        "dmi.manufacturer",
	} {
		f.set(path, h.word("sys/class/dmi/id/"+file))
	}
	f.set("dmi.chassis.type", chassis(whole(h.read("sys/class/dmi/id/chassis_type"))))
}

// chassis names the types of SMBIOS 7.4.1 as Facter does.
func chassis(n int64) string {
	names := []string{"", "Other", "", "Desktop", "Low Profile Desktop", "Pizza Box", "Mini Tower", "Tower", "Portable", "Laptop",
		"Notebook", "Hand Held", "Docking Station", "All in One", "Sub Notebook", "Space-Saving", "Lunch Box", "Main System Chassis",
		"Expansion Chassis", "SubChassis", "Bus Expansion Chassis", "Peripheral Chassis", "Storage Chassis", "Rack Mount Chassis",
		"Sealed-Case PC", "Multi-system", "CompactPCI", "AdvancedTCA", "Blade", "Blade Enclosure", "Tablet", "Convertible",
		"Detachable", "IoT Gateway", "Embedded PC", "Mini PC", "Stick PC"}
	if n < 0 || n >= int64(len(names)) {
		return ""
	}
	return names[n]
}

// ssh reads the public host keys with their SSHFP fingerprints.
func (h host) ssh(f Facts) {
	for i, name := range []string{"rsa", "dsa", "ecdsa", "ed25519"} { // in the order of the SSHFP algorithm numbers
		var fields []string
		for _, dir := range []string{"etc/ssh", "etc", "usr/local/etc/ssh", "etc/opt/ssh"} {
			if fields = strings.Fields(h.read(dir + "/ssh_host_" + name + "_key.pub")); len(fields) >= 2 {
				break
			}
		}
		if len(fields) < 2 {
			continue
		}
		blob, err := base64.StdEncoding.DecodeString(fields[1])
		if err != nil {
			continue
		}
		f.set("ssh."+name+".type", fields[0])
		f.set("ssh."+name+".key", fields[1])
		f.set("ssh."+name+".fingerprints.sha1", fmt.Sprintf("SSHFP %d 1 %x", i+1, sha1.Sum(blob)))
		f.set("ssh."+name+".fingerprints.sha256", fmt.Sprintf("SSHFP %d 2 %x", i+1, sha256.Sum256(blob)))
	}
}

func (h host) virtual(f Facts) {
	v := h.container()
	if v == "" {
		v = h.hypervisor(f)
	}
	f.set("virtual", v)
	f.set("is_virtual", v != "physical" && v != "xen0" && v != "openvzhn")
}

func (h host) container() string {
	name := h.word("run/systemd/container") // written by systemd as pid 1
	if name == "" {
		for entry := range strings.SplitSeq(h.read("proc/1/environ"), "\x00") {
			if value, ok := strings.CutPrefix(entry, "container="); ok {
				name = value
			}
		}
	}
	groups := h.read("proc/1/cgroup")
	switch {
	case name == "systemd-nspawn":
		return "systemd_nspawn"
	case name == "docker" || name == "podman" || name == "lxc":
		return name
	case h.exists(".dockerenv") || strings.Contains(groups, "docker"):
		return "docker"
	case h.exists("run/.containerenv"):
		return "podman"
	case strings.Contains(groups, "/lxc/") || name == "lxc-libvirt":
		return "lxc"
	case name != "":
		return "container_other"
	case h.exists("proc/vz") && !h.exists("proc/bc"):
		return "openvzve"
	case h.exists("proc/vz"):
		return "openvzhn"
	}
	return ""
}

func (h host) hypervisor(f Facts) string {
	text := ""
	for _, path := range []string{"dmi.manufacturer", "dmi.product.name", "dmi.bios.vendor", "dmi.bios.version"} {
		v, _ := f.Lookup(path)
		s, _ := v.(string)
		text += s + "\n"
	}
	if strings.Contains(h.read("proc/xen/capabilities"), "control_d") {
		return "xen0"
	}
	for _, known := range [][2]string{
		{"VMware", "vmware"}, {"VirtualBox", "virtualbox"}, {"Parallels", "parallels"}, {"Google", "gce"}, {"Amazon EC2", "kvm"},
		{"OpenStack", "openstack"}, {"oVirt Node", "ovirt"}, {"RHEV Hypervisor", "rhev"}, {"HVM domU", "xenhvm"},
		{"Virtual Machine", "hyperv"}, {"KVM", "kvm"}, {"QEMU", "kvm"}, {"Bochs", "bochs"}, {"BHYVE", "bhyve"}, {"OpenBSD", "vmm"},
	} {
		metal := known[0] == "Amazon EC2" && strings.Contains(text, ".metal")
		if strings.Contains(text, known[0]) && !metal {
			return known[1]
		}
	}
	if h.word("sys/hypervisor/type") == "xen" || h.exists("proc/xen/capabilities") {
		return "xenu"
	}
	if !strings.Contains(h.read("proc/cpuinfo"), " hypervisor") {
		return "physical"
	}
	// Firecracker and the like have no DMI; the clock that the guest may use tells its host.
	clocks := h.read("sys/devices/system/clocksource/clocksource0/available_clocksource")
	switch {
	case strings.Contains(clocks, "kvm-clock"):
		return "kvm"
	case strings.Contains(clocks, "hyperv"):
		return "hyperv"
	}
	return "unknown_hypervisor"
}
