package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io/fs"
	"os"
	"sync/atomic"
)

// slotSize is that of a slot in a file, with its checksum. It divides a disk's sector, so that none is ever half written.
const slotSize = 64

const slotRoom = slotSize - 4

// slots is a file of fixed size that was written out whole when it was made: what is written later needs no room on the disk. What
// cannot be written is remembered in memory all the same, by who uses it.
type slots struct {
	path   string
	size   int
	file   *os.File
	later  map[int][]byte        // what is to be written once there is a file
	failed atomic.Pointer[error] // why the file is not there, or the last write failed
}

func (s *slots) fail(err error) error {
	s.failed.Store(&err)
	return err
}

// trouble is why what is remembered is not on disk, or nil.
func (s *slots) trouble() error { return *s.failed.Load() }

// openSlots opens a file of n slots, or makes it, and returns their content; nil for one that is free. fresh says that there was no
// such file, and damaged that something in it is not what was written.
func openSlots(path string, n int) (s *slots, content [][]byte, fresh, damaged bool) {
	size := n * slotSize
	s, content = &slots{path: path, size: size, later: map[int][]byte{}}, make([][]byte, n)
	raw, err := os.ReadFile(path)
	fresh, damaged = errors.Is(err, fs.ErrNotExist), err != nil || len(raw) != size
	s.open(damaged)
	if damaged {
		return s, content, fresh, !fresh
	}
	for i := range content {
		one := raw[i*slotSize:][:slotSize]
		switch body := one[:slotRoom]; {
		case zero(one):
		case binary.BigEndian.Uint32(one[slotRoom:]) == crc32.ChecksumIEEE(body):
			content[i] = body
		default:
			damaged = true
			s.write(i, nil)
		}
	}
	return s, content, false, damaged
}

func zero(b []byte) bool { return len(bytes.Trim(b, "\x00")) == 0 }

// open opens the file for writing. One that is new or damaged is written out in zeros, so that later writes need no room.
func (s *slots) open(anew bool) {
	f, err := os.OpenFile(s.path, os.O_RDWR|os.O_CREATE, 0o600)
	if s.fail(err) != nil {
		return
	}
	s.file = f
	if anew {
		_, err = f.WriteAt(make([]byte, s.size), 0)
		s.fail(errors.Join(err, f.Truncate(int64(s.size)), f.Sync()))
	}
}

// write writes a slot, which survives the end of this process. Where the file could not be opened, that is tried again.
func (s *slots) write(i int, body []byte) {
	if s.file == nil {
		s.later[i] = body
		info, err := os.Stat(s.path)
		if s.open(err != nil || info.Size() != int64(s.size)); s.file == nil {
			return
		}
		later := s.later
		s.later = nil
		for i, body := range later {
			s.write(i, body)
		}
		return
	}
	one := make([]byte, slotSize)
	if len(body) > 0 {
		copy(one[:slotRoom], body)
		binary.BigEndian.PutUint32(one[slotRoom:], crc32.ChecksumIEEE(one[:slotRoom]))
	}
	_, err := s.file.WriteAt(one, int64(i*slotSize))
	s.fail(err)
}

// sync sees to it that what was written survives a crash of the machine.
func (s *slots) sync() {
	if s.file == nil {
		return
	}
	if err := s.file.Sync(); err != nil {
		s.fail(err)
	}
}

func (s *slots) close() error {
	if s.file == nil {
		return nil
	}
	return s.file.Close()
}
