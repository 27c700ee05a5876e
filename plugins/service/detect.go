package service

import (
	"context"
	"errors"
	"os"
	"path/filepath"
)

// detect returns the manager of the init system that runs below root. The marks are those the init systems make
// for this purpose; a host with systemd also has /etc/init.d, so the order matters.
func detect(ctx context.Context, root string) (manager, error) {
	if isDir(root, "/run/systemd/system") { // sd_booted(3)
		b, err := dialSystemd(ctx)
		if err != nil {
			return nil, err
		}
		return &systemd{bus: b, root: root, sysv: sysv{root}}, nil
	}
	if _, err := os.Stat(filepath.Join(root, "/run/openrc/softlevel")); err == nil {
		return openrc{root}, nil
	}
	if isDir(root, "/etc/init.d") {
		return sysv{root}, nil
	}
	return nil, errors.New("no init system that fleet knows runs here: neither systemd nor OpenRC nor scripts in /etc/init.d")
}

func isDir(root, dir string) bool {
	info, err := os.Stat(filepath.Join(root, dir))
	return err == nil && info.IsDir()
}
