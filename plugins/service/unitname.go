package service

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// unitName adds ".service" to a name without a unit suffix. Targets, mounts and the like are refused: starting
// poweroff.target is no matter of services.
func unitName(name string) (string, error) {
	name = strings.ReplaceAll(name, " ", `\x20`) // as systemctl does
	stem := name
	switch suffix := path.Ext(name); suffix {
	case ".service", ".socket", ".timer", ".path":
		stem = strings.TrimSuffix(name, suffix)
	case ".target", ".mount", ".automount", ".swap", ".slice", ".scope", ".device", ".snapshot":
		return "", fmt.Errorf("a %s is no service; only .service, .socket, .timer and .path units are steered", suffix)
	default:
		name += ".service"
	}
	if strings.HasSuffix(stem, "@") {
		return "", fmt.Errorf("%s is a template: name an instance of it, such as %sNAME", name, stem)
	}
	return name, nil
}

// escaped returns the unit whose name, with its escapes resolved or without the backslashes that a shell took away, is
// the given one: my\x2dvpn.service for my-vpn.service and myx2dvpn.service. "" if there is none, or several.
func (s *systemd) escaped(ctx context.Context, unit string) string {
	names, _ := s.names(ctx) // never an error
	found := ""
	for _, name := range names {
		other, err := unitName(name)
		if err != nil || !strings.Contains(other, `\`) || other == found {
			continue
		}
		if unescape(other) != unescape(unit) && strings.ReplaceAll(other, `\`, "") != unit {
			continue
		}
		if found != "" {
			return ""
		}
		found = other
	}
	return found
}

// unescape resolves the escapes of systemd-escape, \xHH for one byte.
func unescape(name string) string {
	var b strings.Builder
	for i := 0; i < len(name); i++ {
		if strings.HasPrefix(name[i:], `\x`) && i+4 <= len(name) {
			if c, err := strconv.ParseUint(name[i+2:i+4], 16, 8); err == nil {
				b.WriteByte(byte(c))
				i += 3
				continue
			}
		}
		b.WriteByte(name[i])
	}
	return b.String()
}

// unitDirs are where systemd finds unit files, generators' output included. It can be asked for them and for the list
// of units too, but then it reads every unit file, which takes it more than a second on a slow disk.
func unitDirs() []string {
	return []string{
		"/etc/systemd/system", "/run/systemd/system", "/run/systemd/transient", "/run/systemd/generator", "/run/systemd/generator.late",
		"/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system",
	}
}

func (s *systemd) names(context.Context) ([]string, error) {
	var names []string
	for _, dir := range unitDirs() {
		entries, _ := os.ReadDir(filepath.Join(s.root, dir)) // no host has all of them
		for _, e := range entries {
			name := e.Name()
			if unit, err := unitName(name); err == nil && unit == name {
				names = append(names, strings.TrimSuffix(name, ".service"))
			}
		}
	}
	return names, nil
}
