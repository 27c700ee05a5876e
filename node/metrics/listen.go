package metrics

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
)

const unixPrefix = "unix:"

// Check verifies where to listen: ADDRESS:PORT with a loopback address, or unix:/PATH. Names are refused, also localhost:
// what they mean is decided elsewhere.
func Check(where string) error {
	if path, ok := strings.CutPrefix(where, unixPrefix); ok {
		if !filepath.IsAbs(path) {
			return fmt.Errorf("%q is not a unix socket path; write unix: and an absolute path, such as unix:/run/fleet/metrics.sock", where)
		}
		return nil
	}
	a, err := netip.ParseAddrPort(where)
	if err != nil {
		return fmt.Errorf("%q is neither a loopback address with a port, such as 127.0.0.1:7423, nor unix:/PATH", where)
	}
	if !a.Addr().Unmap().IsLoopback() {
		return fmt.Errorf("%s is not a loopback address: anyone who can reach it could read what this host does; "+
			"use 127.0.0.1:PORT, [::1]:PORT or unix:/PATH, and let a monitoring agent on this host forward it", a.Addr())
	}
	return nil
}

// Listen opens the place that Check allows. The directory of a unix socket is made where it is missing; a socket that a
// dead process left is replaced, one that somebody serves is an error. The socket is open to its owner and group (0660).
func Listen(where string) (net.Listener, error) {
	if err := Check(where); err != nil {
		return nil, fmt.Errorf("metrics: %w", err)
	}
	path, unix := strings.CutPrefix(where, unixPrefix)
	if !unix {
		l, err := net.Listen("tcp", where)
		if err != nil {
			return nil, fmt.Errorf("metrics: %w", err)
		}
		return l, nil
	}
	l, err := listenUnix(path)
	if err != nil {
		return nil, fmt.Errorf("metrics: %w", err)
	}
	return l, nil
}

func listenUnix(path string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	switch info, err := os.Lstat(path); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	case info.Mode().Type() != fs.ModeSocket:
		return nil, fmt.Errorf("%s exists and is not a socket; remove it, or choose another path", path)
	default:
		if c, err := net.Dial("unix", path); err == nil {
			c.Close()
			return nil, fmt.Errorf("another process serves %s", path)
		}
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o660); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}
