package node

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"syscall"

	"fleet/internal/trustedfile"
	"fleet/policy"
)

// policyFile is the host's own policy. It is read for each job and parsed when its bytes have changed: an edit that leaves
// time and size as they were counts too. No file is an empty one. A file that others than root and the node's user could
// have written is an error, like one that cannot be parsed.
type policyFile struct {
	path string

	mu   sync.Mutex
	data []byte // what file and err were made of; nil at first
	file policy.File
	err  error
}

func (p *policyFile) current() (policy.File, error) {
	if p.path == "" {
		return policy.File{}, nil
	}
	data, err := readPolicy(p.path)
	if errors.Is(err, fs.ErrNotExist) {
		return policy.File{}, nil
	}
	if err != nil {
		return policy.File{}, fmt.Errorf("policy: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.data == nil || !bytes.Equal(p.data, data) {
		p.data = data
		p.file, p.err = policy.Parse(p.path, data)
	}
	return p.file, p.err
}

// readPolicy is never nil without an error. The error is fs.ErrNotExist only if nothing is at path: a link that leads
// nowhere is a policy that cannot be read.
func readPolicy(path string) ([]byte, error) {
	real, err := trustedfile.Resolve(path)
	if errors.Is(err, fs.ErrNotExist) {
		if _, own := os.Lstat(path); own == nil {
			return nil, fmt.Errorf("%s is a link to a file that does not exist", path)
		}
	}
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(real, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a named pipe must not hold up the job
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(err, fmt.Errorf("%s is not a regular file", path))
	}
	data, err := io.ReadAll(io.LimitReader(f, policy.MaxFile+1))
	if err == nil && len(data) > policy.MaxFile {
		err = fmt.Errorf("%s is larger than %d bytes", path, policy.MaxFile)
	}
	return data, err
}
