package audit

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Kind is how a chain was broken.
type Kind string

const (
	Edit      Kind = "edit"      // a line was changed
	Cut       Kind = "cut"       // lines or files were taken out, or off an end
	Reorder   Kind = "reorder"   // lines stand in another order
	Duplicate Kind = "duplicate" // a line stands there twice
)

// Break is the first place where a chain does not hold.
type Break struct {
	File string
	Line int // from 1
	Kind Kind
	Text string // for people
}

// Report is what Verify found.
type Report struct {
	Files int
	Lines int
	First uint64   // seq of the first line; above 1 where older files are gone
	Head  Head     // seq and hash of the last line
	Notes []string // what the node wrote of itself: lines that could not be written, and the like; at most 20
	Break *Break   // nil: the chain holds
}

const maxNotes = 20

// Verify reads the directory of a node's audit, or files given oldest first, and follows the chain through them. A node may
// be writing there meanwhile. The error is about reading; what is wrong with the chain is in the report.
func Verify(paths ...string) (Report, error) {
	v := verifier{at: map[uint64]int{}}
	list, dir := paths, ""
	if len(paths) == 1 {
		info, err := os.Stat(paths[0])
		if err != nil {
			return v.report, err
		}
		if info.IsDir() {
			dir = paths[0]
		}
	}
	// The head is read before the lines, so that it cannot be newer than they are.
	headDir := dir
	if n := len(paths); dir == "" && n > 0 && filepath.Base(paths[n-1]) == logName {
		headDir = filepath.Dir(paths[n-1])
	}
	head, headErr := Head{}, error(nil)
	if headDir != "" {
		head, _, headErr = readHead(headDir)
	}
	if dir != "" {
		var err error
		if list, err = files(dir); err != nil {
			return v.report, err
		}
	}
	for _, path := range list {
		if err := v.read(path); err != nil {
			return v.report, err
		}
	}
	v.check(dir != "" && len(list) <= Keep, head, headErr)
	return v.report, nil
}

// record is what the chain needs of one line.
type record struct {
	file  string
	line  int
	event Event
	seq   uint64
	hash  hash
	prev  hash
	err   error // not a line that fleet writes
}

type verifier struct {
	report Report
	lines  []record
	at     map[uint64]int // seq -> index of the first line that has it
}

func (v *verifier) read(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	v.report.Files++
	in := bufio.NewReaderSize(f, MaxLine+1)
	for number := 1; ; number++ {
		raw, err := in.ReadSlice('\n')
		if errors.Is(err, io.EOF) && len(raw) == 0 {
			return nil
		}
		r := record{file: path, line: number}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			r.err = errLong
		case errors.Is(err, io.EOF):
			r.err = errTorn
		case err != nil:
			return err
		default:
			v.decode(&r, bytes.TrimSuffix(raw, []byte("\n")))
		}
		v.lines = append(v.lines, r)
		if r.err != nil {
			return nil // nothing behind it can be the first break
		}
	}
}

var errTorn = errors.New("the line is not terminated")

func (v *verifier) decode(r *record, line []byte) {
	e, err := DecodeLine(line)
	if err != nil {
		r.err = err
		return
	}
	r.event, r.seq, r.hash = e.Event, e.Seq, hashOf(line)
	hex.Decode(r.prev[:], []byte(e.Prev)) // DecodeLine has checked it
	if _, ok := v.at[r.seq]; !ok {
		v.at[r.seq] = len(v.lines)
	}
	v.report.Lines++
	v.report.Head = Head{r.seq, r.hash.String()}
	switch e.Event {
	case Unwritten:
		v.note("line %d: %d lines before it could not be written", e.Seq, e.Count)
	case Gap:
		v.note("line %d: the node noted: %s", e.Seq, e.Message)
	}
}

func (v *verifier) note(format string, args ...any) {
	if len(v.report.Notes) < maxNotes {
		v.report.Notes = append(v.report.Notes, fmt.Sprintf(format, args...))
	}
}

func (v *verifier) broken(r record, kind Kind, format string, args ...any) {
	v.report.Break = &Break{File: r.file, Line: r.line, Kind: kind, Text: fmt.Sprintf(format, args...)}
}

// check finds the first break. whole says that all files that there ever were should be there.
func (v *verifier) check(whole bool, head Head, headErr error) {
	if len(v.lines) == 0 {
		if head.Seq > 0 {
			v.broken(record{file: headName, line: 1}, Cut, "it says that line %d was written, but there are no lines", head.Seq)
		}
		return
	}
	first := v.lines[0]
	v.report.First = first.seq
	if whole && first.seq > 1 && first.err == nil {
		v.broken(first, Cut, "%s missing, and files are removed only when there are more than %d", span(1, first.seq-1), Keep)
		return
	}
	for i, r := range v.lines {
		switch {
		case errors.Is(r.err, errTorn):
			v.broken(r, Cut, "the line is cut off")
		case r.err != nil:
			v.broken(r, Edit, "%v", r.err)
		case i > 0 && (r.seq != v.lines[i-1].seq+1 || r.prev != v.lines[i-1].hash):
			v.explain(i, head)
		default:
			continue
		}
		return
	}
	v.checkHead(head, headErr)
}

// explain says what happened between line i and the one before it.
func (v *verifier) explain(i int, head Head) {
	r, before := v.lines[i], v.lines[i-1]
	same, twice := v.at[r.seq]
	_, elsewhere := v.at[before.seq+1]
	switch {
	case twice && same < i && v.lines[same].hash == r.hash:
		v.broken(r, Duplicate, "the same line is at %s:%d", v.lines[same].file, v.lines[same].line)
	case r.seq > before.seq+1 && !elsewhere:
		text := span(before.seq+1, r.seq-1) + " missing before it"
		if r.file != before.file {
			text += fmt.Sprintf(", between this file and %s", before.file)
		}
		if r.event == Gap {
			text += "; the node noted it itself when it started: after a crash of the machine the newest lines may be missing"
		}
		v.broken(r, Cut, "%s", text)
	case r.seq != before.seq+1:
		v.broken(r, Reorder, "line %d comes after line %d", r.seq, before.seq)
	case v.vouched(i, head):
		v.broken(before, Edit, "the hash in the next line is for other content")
	default:
		v.broken(r, Edit, "its hash of the previous line is wrong, and no other line confirms it")
	}
}

func span(from, to uint64) string {
	if from == to {
		return fmt.Sprintf("line %d is", from)
	}
	return fmt.Sprintf("lines %d to %d are", from, to)
}

// vouched reports whether line i is the one that was written: by the line after it or, for the last, by the head. The last
// line of files that have no head is believed.
func (v *verifier) vouched(i int, head Head) bool {
	r := v.lines[i]
	if i+1 < len(v.lines) {
		return v.lines[i+1].prev == r.hash
	}
	return head.Seq != r.seq || head.Hash == r.hash.String()
}

// checkHead compares the end of a chain that holds with what the head says.
func (v *verifier) checkHead(head Head, headErr error) {
	last := v.lines[len(v.lines)-1]
	i, known := v.at[head.Seq]
	switch {
	case headErr != nil:
		v.broken(record{file: headName, line: 1}, Edit, "%v", headErr)
	case head.Seq == 0:
		v.note("without %s, a cut at the end cannot be detected; compare seq and hash with what `fleet audit HOST` shows", headName)
	case head.Seq > last.seq:
		v.broken(last, Cut, "%s missing after it: %s says that line %d was written", span(last.seq+1, head.Seq), headName, head.Seq)
	case known && v.lines[i].hash.String() != head.Hash:
		v.broken(v.lines[i], Edit, "%s says that the line was different", headName)
	}
}
