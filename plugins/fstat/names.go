package fstat

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"syscall"
)

// Names says which file a path leads to, for rules of policy: links are followed, also those in the directories above it. Of one that
// is not there, its directory counts. What is no clean path is no more than itself.
func (Plugin) Names(_ context.Context, _, input, value string) (own, other []string, err error) {
	if input != "path" || !clean(value) {
		return []string{value}, nil, nil
	}
	to, err := filepath.EvalSymlinks(value)
	switch {
	case err == nil:
		return []string{to}, []string{value}, nil
	case !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR):
		return nil, nil, err
	}
	dir, err := filepath.EvalSymlinks(filepath.Dir(value))
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR): // there is nothing to look at
		return []string{value}, nil, nil
	case err != nil:
		return nil, nil, err
	}
	return []string{filepath.Join(dir, filepath.Base(value))}, []string{value}, nil
}
