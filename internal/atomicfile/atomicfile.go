// Package atomicfile replaces files so that a crash at any moment leaves the old content or the new, whole and on disk.
package atomicfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const prefix = ".new-"

// Write replaces the file at path, or makes it, with exactly that mode. A link at path is replaced, not followed. It blocks until
// the disk has it.
func Write(path string, content []byte, mode fs.FileMode) error {
	if err := write(path, content, mode); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

func write(path string, content []byte, mode fs.FileMode) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, prefix+"*") // beside it, also because it may be a secret
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // already renamed when all went well
	_, err = f.Write(content)
	if err := errors.Join(err, f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	d, err := os.Open(dir) // the new name is on disk when the directory is
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// IsTemporary reports whether a file of that name is what a crash left of a Write.
func IsTemporary(name string) bool { return strings.HasPrefix(name, prefix) }
