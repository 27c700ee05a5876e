package facts

import (
	"fmt"
	"slices"
	"strings"
)

// legacy adds Facter's flat names. Each is a structured fact under another name, so the two cannot disagree.
func legacy(f Facts) {
	for name, path := range map[string]string{
		"architecture":              "os.architecture",
		"bios_release_date":         "dmi.bios.release_date",
		"bios_vendor":               "dmi.bios.vendor",
		"bios_version":              "dmi.bios.version",
		"boardassettag":             "dmi.board.asset_tag",
		"boardmanufacturer":         "dmi.board.manufacturer",
		"boardproductname":          "dmi.board.product",
		"boardserialnumber":         "dmi.board.serial_number",
		"chassisassettag":           "dmi.chassis.asset_tag",
		"chassistype":               "dmi.chassis.type",
		"domain":                    "networking.domain",
		"fqdn":                      "networking.fqdn",
		"gid":                       "identity.group",
		"hardwareisa":               "processors.isa",
		"hardwaremodel":             "os.hardware",
		"hostname":                  "networking.hostname",
		"id":                        "identity.user",
		"ipaddress":                 "networking.ip",
		"ipaddress6":                "networking.ip6",
		"lsbdistcodename":           "os.distro.codename",
		"lsbdistdescription":        "os.distro.description",
		"lsbdistid":                 "os.distro.id",
		"lsbdistrelease":            "os.distro.release.full",
		"lsbmajdistrelease":         "os.distro.release.major",
		"lsbminordistrelease":       "os.distro.release.minor",
		"macaddress":                "networking.mac",
		"manufacturer":              "dmi.manufacturer",
		"memoryfree":                "memory.system.available",
		"memorysize":                "memory.system.total",
		"netmask":                   "networking.netmask",
		"netmask6":                  "networking.netmask6",
		"network":                   "networking.network",
		"network6":                  "networking.network6",
		"operatingsystem":           "os.name",
		"operatingsystemmajrelease": "os.release.major",
		"operatingsystemrelease":    "os.release.full",
		"osfamily":                  "os.family",
		"physicalprocessorcount":    "processors.physicalcount",
		"processorcount":            "processors.count",
		"productname":               "dmi.product.name",
		"scope6":                    "networking.scope6",
		"selinux":                   "os.selinux.enabled",
		"selinux_config_mode":       "os.selinux.config_mode",
		"selinux_config_policy":     "os.selinux.config_policy",
		"selinux_current_mode":      "os.selinux.current_mode",
		"selinux_enforced":          "os.selinux.enforced",
		"selinux_policyversion":     "os.selinux.policy_version",
		"serialnumber":              "dmi.product.serial_number",
		"sshdsakey":                 "ssh.dsa.key",
		"sshecdsakey":               "ssh.ecdsa.key",
		"sshed25519key":             "ssh.ed25519.key",
		"sshrsakey":                 "ssh.rsa.key",
		"swapfree":                  "memory.swap.available",
		"swapsize":                  "memory.swap.total",
		"uptime":                    "system_uptime.uptime",
		"uptime_days":               "system_uptime.days",
		"uptime_hours":              "system_uptime.hours",
		"uptime_seconds":            "system_uptime.seconds",
		"uuid":                      "dmi.product.uuid",
	} {
		if v, ok := f.Lookup(path); ok {
			f[name] = v
		}
	}
	for name, path := range map[string]string{
		"memorysize_mb": "memory.system.total_bytes",
		"memoryfree_mb": "memory.system.available_bytes",
		"swapsize_mb":   "memory.swap.total_bytes",
		"swapfree_mb":   "memory.swap.available_bytes",
	} {
		if v, ok := f.Lookup(path); ok {
			f[name] = float64(v.(int64)) / (1 << 20)
		}
	}
	legacyProcessors(f)
	legacyInterfaces(f)
	legacyDisks(f)
	for _, key := range []string{"rsa", "dsa", "ecdsa", "ed25519"} {
		if v, ok := f.Lookup("ssh." + key + ".fingerprints"); ok {
			prints := v.(map[string]any)
			f["sshfp_"+key] = prints["sha1"].(string) + "\n" + prints["sha256"].(string)
		}
	}
}

func legacyProcessors(f Facts) {
	models, _ := f.Lookup("processors.models")
	list, _ := models.([]any)
	for i, model := range list {
		f[fmt.Sprintf("processor%d", i)] = model
	}
}

func legacyInterfaces(f Facts) {
	v, _ := f.Lookup("networking.interfaces")
	all, _ := v.(map[string]any)
	var names []string
	for name, v := range all {
		names = append(names, name)
		of := v.(map[string]any)
		for legacy, key := range map[string]string{
			"ipaddress": "ip", "ipaddress6": "ip6", "netmask": "netmask", "netmask6": "netmask6",
			"network": "network", "network6": "network6", "macaddress": "mac", "mtu": "mtu", "scope6": "scope6",
		} {
			if v, ok := of[key]; ok {
				f[legacy+"_"+name] = v
			}
		}
	}
	slices.Sort(names)
	f.set("interfaces", strings.Join(names, ","))
}

func legacyDisks(f Facts) {
	v, _ := f.Lookup("disks")
	disks, _ := v.(map[string]any)
	var names []string
	for name, v := range disks {
		names = append(names, name)
		for legacy, key := range map[string]string{"model": "model", "vendor": "vendor", "size": "size_bytes"} {
			if v, ok := v.(map[string]any)[key]; ok {
				f["blockdevice_"+name+"_"+legacy] = v
			}
		}
	}
	slices.Sort(names)
	f.set("blockdevices", strings.Join(names, ","))
}
