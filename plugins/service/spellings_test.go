package service

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// Whatever the service is called, it is the same to rules of policy.
func TestSystemdSpellings(t *testing.T) {
	b := newFakeBus("ssh.service", "ssh.socket", "nginx.service", `my\x2dvpn.service`, "getty@tty1.service")
	b.aliases = map[string]string{"sshd.service": "ssh.service", "autovt@tty1.service": "getty@tty1.service"}
	b.set("getty@tty1.service", map[string]any{"Names": []string{"getty@tty1.service", "autovt@tty1.service"}})
	b.root = unitRoot(t, b)
	if err := os.Symlink("/lib/systemd/system/ssh.service", filepath.Join(b.root, "lib/systemd/system/sshd.service")); err != nil {
		t.Fatal(err)
	}
	p := b.plugin()
	for value, want := range map[string]string{
		"ssh": "ssh.service", "ssh.service": "ssh.service", "sshd": "ssh.service", "sshd.service": "ssh.service", "ssh.socket": "ssh.socket",
		"my-vpn": `my\x2dvpn.service`, "myx2dvpn.service": `my\x2dvpn.service`, `my\x2dvpn`: `my\x2dvpn.service`,
		"autovt@tty1": "getty@tty1.service", "nothing": "nothing.service", "nothing.service": "nothing.service",
		"poweroff.target": "poweroff.target", "getty@": "getty@", "-H": "-H", "a/b": "a/b", "": "",
	} {
		own, other, err := p.Names(t.Context(), "restart", "service", value)
		if err != nil || len(own) == 0 || own[0] != want {
			t.Errorf("%s is %q, %v; want %s", value, own, err, want)
		}
		if all := append(own, other...); !slices.Contains(all, value) {
			t.Errorf("%s is not among its names %q", value, all)
		}
	}
	for value, alias := range map[string]string{"ssh": "sshd", "getty@tty1": "autovt@tty1", "ssh.service": "sshd.service"} {
		if _, other, _ := p.Names(t.Context(), "restart", "service", value); !slices.Contains(other, alias) {
			t.Errorf("%s has the names %q, without %s", value, other, alias)
		}
	}
}

func TestSpellingsWithoutSystemd(t *testing.T) {
	root := sysvRoot(t)
	writeScript(t, root, "/etc/init.d/ssh", "#!/bin/sh\n")
	if err := os.Symlink("ssh", filepath.Join(root, "etc/init.d/sshd")); err != nil {
		t.Fatal(err)
	}
	for _, m := range []manager{sysv{root}, openrc{root}} {
		for value, want := range map[string][]string{"sshd": {"sshd", "ssh"}, "ssh": {"ssh", "sshd"}, "nothing": {"nothing", ""}} {
			own, other, err := m.spellings(t.Context(), value)
			if err != nil || !slices.Equal(own, want[:1]) || want[1] != "" && !slices.Contains(other, want[1]) {
				t.Errorf("%T %s: %q %q, %v", m, value, own, other, err)
			}
		}
	}
}

// Who cannot ask does not know: the rule that names the service then allows nothing.
func TestSpellingsUnknown(t *testing.T) {
	p := newPlugin(func(context.Context) (manager, error) { return nil, errors.New("no systemd") })
	if own, _, err := p.Names(t.Context(), "restart", "service", "sshd"); err == nil {
		t.Errorf("it is %q", own)
	}
	if own, _, err := p.Names(t.Context(), "restart", "service", "no/service"); err != nil || own[0] != "no/service" {
		t.Errorf("what cannot be a service is %q, %v", own, err)
	}
}
