package audit

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Head says where a chain ends.
type Head struct {
	Seq  uint64 // of the last line; 0: there is none
	Hash string // SHA-256 of the last line, in hex
}

// formatHead is the content of audit.head: seq in 20 digits, a space, the hash, a line break.
func formatHead(h Head) []byte { return fmt.Appendf(nil, "%020d %s\n", h.Seq, h.Hash) }

func parseHead(raw []byte) (Head, hash, error) {
	var h Head
	var sum hash
	_, err := fmt.Sscanf(string(raw), "%d %s\n", &h.Seq, &h.Hash)
	if err == nil {
		var n int
		n, err = hex.Decode(sum[:], []byte(h.Hash[:min(len(h.Hash), 2*len(sum))]))
		if n != len(sum) {
			err = errors.New("short hash")
		}
	}
	if err != nil || !bytes.Equal(formatHead(h), raw) {
		return Head{}, hash{}, fmt.Errorf("%s is damaged", headName)
	}
	return h, sum, nil
}

// readHead returns the zero Head if there is no file.
func readHead(dir string) (Head, hash, error) {
	f, err := os.Open(filepath.Join(dir, headName))
	if errors.Is(err, fs.ErrNotExist) {
		return Head{}, hash{}, nil
	}
	if err != nil {
		return Head{}, hash{}, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, 1<<10))
	if err != nil || len(raw) == 0 { // empty: made, and then the disk was full
		return Head{}, hash{}, err
	}
	return parseHead(raw)
}

// open opens the files and continues the chain behind the last line there is. The notes say what is not as it was left.
func (l *Log) open() (notes []string, err error) {
	if err := os.MkdirAll(l.dir, 0o700); err != nil {
		return nil, err
	}
	head, headHash, err := readHead(l.dir)
	if err != nil {
		notes = append(notes, err.Error())
	}
	l.file, err = l.create(filepath.Join(l.dir, logName), os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	if l.head, err = l.create(filepath.Join(l.dir, headName), os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return nil, err
	}
	cut, err := l.cutTorn()
	if err != nil {
		return nil, err
	}
	if cut > 0 {
		notes = append(notes, fmt.Sprintf("the last line was cut off; its %d bytes are removed", cut))
	}
	line, err := l.lastLine()
	if err != nil {
		return nil, err
	}
	return append(notes, l.resume(line, head, headHash)...), nil
}

// resume sets where the chain goes on, from the last line on disk and from what the head says. The next line vouches for the
// one that the head says was written, not for one that stands in its place: going on must not mend a break.
func (l *Log) resume(line []byte, head Head, headHash hash) (notes []string) {
	if line == nil {
		l.seq, l.last = head.Seq, headHash
		if head.Seq > 0 {
			notes = append(notes, fmt.Sprintf("%s says that line %d was written, but there are no lines", headName, head.Seq))
		}
		return notes
	}
	e, err := DecodeLine(line)
	l.seq, l.last = e.Seq, hashOf(line)
	if head.Seq > 0 && head.Seq >= e.Seq {
		l.seq, l.last = head.Seq, headHash
	}
	switch {
	case err != nil:
		notes = append(notes, fmt.Sprintf("the last line was damaged or edited: %v", err))
	case head.Seq == 0:
		notes = append(notes, fmt.Sprintf("%s is missing; cannot tell whether there were lines after %d", headName, e.Seq))
	case head.Seq > e.Seq:
		notes = append(notes, fmt.Sprintf("%s says that line %d was written, but the last is %d: the machine crashed, or the log was cut off", headName, head.Seq, e.Seq))
	case head.Seq == e.Seq && headHash != hashOf(line):
		notes = append(notes, fmt.Sprintf("line %d is not the line that was written", e.Seq))
	}
	return notes
}

// cutTorn removes a piece of a line from the end of the current file, as a crash or a full disk may leave it.
func (l *Log) cutTorn() (cut int64, err error) {
	info, err := l.file.Stat()
	if err != nil {
		return 0, err
	}
	lines := newBackward(l.file, info.Size())
	l.size = info.Size()
	if l.size == 0 || lines.endsWhole() {
		return 0, lines.err
	}
	piece, ok := lines.next()
	if lines.err != nil && !errors.Is(lines.err, errLong) {
		return 0, lines.err
	}
	if !ok { // longer than any line: leave it as it is and go on behind a line break
		_, err := l.file.Write([]byte("\n"))
		l.size++
		return 0, err
	}
	l.size -= int64(len(piece))
	return int64(len(piece)), l.file.Truncate(l.size)
}

// lastLine is the newest line in any file, or nil.
func (l *Log) lastLine() ([]byte, error) {
	list, err := files(l.dir)
	if err != nil {
		return nil, err
	}
	for i := len(list) - 1; i >= 0; i-- {
		line, err := lastLineOf(list[i])
		if line != nil || err != nil {
			return line, err
		}
	}
	return nil, nil
}

func lastLineOf(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	lines := newBackward(f, info.Size())
	line, _ := lines.next()
	if errors.Is(lines.err, errLong) { // nothing of ours: the chain goes on behind it and is broken there
		return []byte{}, nil
	}
	return line, lines.err
}
