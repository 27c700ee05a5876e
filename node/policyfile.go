package node

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"fleet/policy"
)

// policyFile is the host's own policy. It is read anew when the file's time or size has changed, so that an edit counts
// at once and needs no restart. No file is an empty one.
type policyFile struct {
	path string

	mu      sync.Mutex
	changed time.Time
	size    int64
	read    bool
	file    policy.File
	err     error
}

func (p *policyFile) current() (policy.File, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.path == "" {
		return policy.File{}, nil
	}
	info, err := os.Stat(p.path)
	if errors.Is(err, fs.ErrNotExist) {
		p.read = false
		return policy.File{}, nil
	}
	if err != nil {
		return policy.File{}, fmt.Errorf("policy: %w", err)
	}
	if p.read && info.ModTime().Equal(p.changed) && info.Size() == p.size {
		return p.file, p.err
	}
	p.read, p.changed, p.size = true, info.ModTime(), info.Size()
	p.file, p.err = load(p.path, info)
	return p.file, p.err
}

func load(path string, info fs.FileInfo) (policy.File, error) {
	if mode := info.Mode().Perm(); mode&0o022 != 0 {
		return policy.File{}, fmt.Errorf("%s can be written by others (mode %04o); run: chmod go-w %s", path, mode, path)
	}
	if info.Size() > policy.MaxFile {
		return policy.File{}, fmt.Errorf("%s is larger than %d bytes", path, policy.MaxFile)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return policy.File{}, fmt.Errorf("policy: %w", err)
	}
	return policy.Parse(path, data)
}
