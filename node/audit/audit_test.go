package audit

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"fleet/internal/bubble"
)

func open(t testing.TB, dir string) *Log {
	t.Helper()
	l, err := Open(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func add(t testing.TB, l *Log, n int) {
	t.Helper()
	for i := range n {
		if err := l.Add(Entry{Event: Decided, Job: fmt.Sprintf("job%d", i), Decision: Run, Args: map[string]any{"service": "nginx"}}); err != nil {
			t.Fatal(err)
		}
	}
}

// whole fails the test unless the chain in dir holds and has n lines.
func whole(t testing.TB, dir string, n int) Report {
	t.Helper()
	r, err := Verify(dir)
	if err != nil || r.Break != nil || r.Lines != n {
		t.Fatalf("%d lines, break %+v, %v; want %d and none", r.Lines, r.Break, err, n)
	}
	return r
}

func linesOf(t testing.TB, path string) []string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(raw), "\n")
	return lines[:len(lines)-1] // each with its line break
}

func TestTheChainGoesOnAfterARestart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "audit")
	for range 3 {
		l := open(t, dir)
		add(t, l, 2)
		if err := l.AddDurable(Entry{Event: Stop}); err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	r := whole(t, dir, 9)
	if r.First != 1 || r.Head.Seq != 9 || len(r.Notes) != 0 {
		t.Errorf("%+v", r)
	}
	info, err := os.Stat(filepath.Join(dir, logName))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestTextsAndArgumentsAreBounded(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir)
	long := strings.Repeat("ä", MaxLine)
	args := map[string]any{"list": []any{1, "x"}, "n": int64(1) << 60, "b": true, "text": long, "none": nil}
	for i := range 100 {
		args[fmt.Sprint(i)] = i
	}
	bad := strings.Repeat("\x00\"\u2028", MaxLine)
	worst := Entry{
		Event: Decided, Job: bad, Hash: bad, Signer: bad, Key: bad, Plugin: bad, Action: bad, Decision: bad, Reason: bad, By: bad, Second: bad,
		State: bad, Message: bad, Args: map[string]any{},
	}
	for i := range 64 {
		worst.Args[fmt.Sprint(i)] = bad
	}
	for _, e := range []Entry{
		{Event: Dropped, Message: "\xff\x00\n\x1b" + long, By: long, Reason: long},
		{Event: Decided, Args: args},
		worst,
	} {
		if err := l.Add(e); err != nil {
			t.Error(err)
		}
	}
	whole(t, dir, 3)
	e, err := DecodeLine([]byte(strings.TrimSuffix(linesOf(t, filepath.Join(dir, logName))[0], "\n")))
	if err != nil || len(e.Message) > maxText+3 || !strings.HasSuffix(e.Message, "...") {
		t.Errorf("%q, %v", e.Message, err)
	}
}

func TestVerifyNamesTheFirstBreak(t *testing.T) {
	without := func(l []string, from, to int) []string { return append(append([]string{}, l[:from]...), l[to:]...) }
	swap := func(l []string, i, j int) []string { l[i], l[j] = l[j], l[i]; return l }
	edit := func(l []string, i int, old, new string) []string { l[i] = strings.Replace(l[i], old, new, 1); return l }
	tests := []struct {
		name   string
		change func(l []string) []string // of ten lines
		line   int                       // 0: the chain holds
		kind   Kind
		text   string
	}{
		{"untouched", func(l []string) []string { return l }, 0, "", ""},
		{"an edited value", func(l []string) []string { return edit(l, 3, "nginx", "mysql") }, 4, Edit, "hash in the next line is for other content"},
		{"an edited hash", func(l []string) []string { return edit(l, 3, `"prev":"`, `"prev":"0`) }, 4, Edit, "proper seq or prev"},
		{"another hash", func(l []string) []string {
			at := strings.Index(l[3], `"prev":"`) + 8
			l[3] = l[3][:at] + strings.Repeat("0", 64) + l[3][at+64:]
			return l
		}, 4, Edit, "no other line confirms it"},
		{"the first line edited", func(l []string) []string { return edit(l, 0, "job0", "job9") }, 1, Edit, "hash in the next line"},
		{"the last line edited", func(l []string) []string { return edit(l, 9, "job9", "job1") }, 10, Edit, "audit.head says that the line was different"},
		{"spaces put in", func(l []string) []string { return edit(l, 3, ":", ": ") }, 4, Edit, "as fleet writes it"},
		{"a field put in", func(l []string) []string { return edit(l, 3, `"seq"`, `"x":1,"seq"`) }, 4, Edit, "unknown field"},
		{"a carriage return", func(l []string) []string { return edit(l, 3, "\n", "\r\n") }, 4, Edit, "not an audit line"},
		{"a blank line", func(l []string) []string { return edit(l, 3, "\n", "\n\n") }, 5, Edit, "not an audit line"},
		{"an endless line", func(l []string) []string { return edit(l, 3, "nginx", strings.Repeat("x", 1<<20)) }, 4, Edit, "too long"},
		{"cut in the middle", func(l []string) []string { return without(l, 3, 5) }, 4, Cut, "lines 4 to 5 are missing before it"},
		{"cut at the start", func(l []string) []string { return l[2:] }, 1, Cut, "lines 1 to 2 are missing"},
		{"cut at the end", func(l []string) []string { return l[:8] }, 8, Cut, "lines 9 to 10 are missing after it"},
		{"the last line cut short", func(l []string) []string { l[9] = l[9][:20]; return l }, 10, Cut, "cut off"},
		{"two lines swapped", func(l []string) []string { return swap(l, 3, 4) }, 4, Reorder, "line 5 comes after line 3"},
		{"a line moved to the end", func(l []string) []string { return append(without(l, 3, 4), l[3]) }, 4, Reorder, "line 5 comes after line 3"},
		{"a line twice", func(l []string) []string { return append(append(l[:4:4], l[3]), l[4:]...) }, 5, Duplicate, "audit.log:4"},
		{"an old line again at the end", func(l []string) []string { return append(l, l[2]) }, 11, Duplicate, "audit.log:3"},
		{"everything removed", func([]string) []string { return nil }, 1, Cut, "there are no lines"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			l := open(t, dir)
			add(t, l, 10)
			l.Close()
			path := filepath.Join(dir, logName)
			changed := tt.change(linesOf(t, path))
			if err := os.WriteFile(path, []byte(strings.Join(changed, "")), 0o600); err != nil {
				t.Fatal(err)
			}
			r, err := Verify(dir)
			switch {
			case err != nil:
				t.Fatal(err)
			case tt.line == 0 && r.Break != nil:
				t.Errorf("%+v", *r.Break)
			case tt.line == 0:
			case r.Break == nil:
				t.Error("the chain holds")
			case r.Break.Line != tt.line || r.Break.Kind != tt.kind || !strings.Contains(r.Break.Text, tt.text):
				t.Errorf("%+v", *r.Break)
			}
			// Whatever was done to it, the node starts, and goes on behind it; nothing that it does hides the break.
			add(t, open(t, dir), 3)
			if after, err := Verify(dir); err != nil || (tt.line > 0) != (after.Break != nil) {
				t.Errorf("after a restart: %+v, %v", after.Break, err)
			}
		})
	}
}

// small makes files of a few lines each.
func small(t testing.TB, dir string) *Log {
	l := open(t, dir)
	l.maxFile = 1500
	return l
}

func TestRotationKeepsTheChain(t *testing.T) {
	dir := t.TempDir()
	l := small(t, dir)
	add(t, l, 20)
	l.Close()
	l = small(t, dir) // and across a restart
	add(t, l, 5)
	list, err := files(dir)
	if err != nil || len(list) < 4 {
		t.Fatalf("%v, %v", list, err)
	}
	for _, path := range list {
		if info, err := os.Stat(path); err != nil || info.Size() > 1500 || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", path, info.Size(), err)
		}
	}
	whole(t, dir, 25)
	if r, err := Verify(list...); err != nil || r.Break != nil || r.Lines != 25 {
		t.Errorf("as files: %+v, %v", r, err)
	}
	if r, err := Verify(list[1:3]...); err != nil || r.Break != nil || len(r.Notes) != 1 {
		t.Errorf("some files: %+v, %v", r, err)
	}
	list[0], list[1] = list[1], list[0]
	if r, err := Verify(list...); err != nil || r.Break == nil || r.Break.Kind != Reorder {
		t.Errorf("in another order: %+v, %v", r, err)
	}
}

func TestOldFilesGo(t *testing.T) {
	dir := t.TempDir()
	l := small(t, dir)
	add(t, l, 100)
	list, err := files(dir)
	if err != nil || len(list) != Keep+1 {
		t.Fatalf("%d files, %v", len(list), err)
	}
	r, err := Verify(dir)
	if err != nil || r.Break != nil || r.First == 1 || r.Head.Seq != 100 {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestAMissingFileIsFound(t *testing.T) {
	for _, which := range []int{0, 1, -1} { // the first, one in the middle, the one being written
		dir := t.TempDir()
		l := small(t, dir)
		add(t, l, 20)
		l.Close()
		list, err := files(dir)
		if err != nil || len(list) < 3 {
			t.Fatalf("%v, %v", list, err)
		}
		os.Remove(list[(which+len(list))%len(list)])
		r, err := Verify(dir)
		if err != nil || r.Break == nil || r.Break.Kind != Cut {
			t.Errorf("file %d: %+v, %v", which, r.Break, err)
		}
	}
}

func TestAFullDisk(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir)
	add(t, l, 2)
	l.write = func(f *os.File, b []byte) (int, error) { // room for half a line
		n, _ := f.Write(b[:len(b)/2])
		return n, syscall.ENOSPC
	}
	for range 3 {
		if err := l.AddDurable(Entry{Event: Decided}); !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("got %v", err)
		}
	}
	whole(t, dir, 2)
	l.write = (*os.File).Write
	add(t, l, 1)
	r := whole(t, dir, 4)
	if len(r.Notes) != 1 || r.Notes[0] != "line 3: 3 lines before it could not be written" {
		t.Errorf("%q", r.Notes)
	}
}

func TestAClosedLogTakesNothing(t *testing.T) {
	l := open(t, t.TempDir())
	l.Close()
	if err := l.Add(Entry{Event: Decided}); !errors.Is(err, errClosed) {
		t.Errorf("got %v", err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

// The node died in the middle of a write, or between the write of a line and that of the head.
func TestACrashLeavesAChainThatHolds(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir)
	add(t, l, 3)
	before, err := os.ReadFile(filepath.Join(dir, headName))
	if err != nil {
		t.Fatal(err)
	}
	add(t, l, 1)
	l.Close()
	f, err := os.OpenFile(filepath.Join(dir, logName), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(f, `{"v":1,"seq":5,"ti`)
	f.Close()
	os.WriteFile(filepath.Join(dir, headName), before, 0o600)
	add(t, open(t, dir), 1)
	r := whole(t, dir, 6)
	if len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "cut off; its 18 bytes are removed") {
		t.Errorf("%q", r.Notes)
	}
}

func TestAFloodIsCounted(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		l := open(t, dir)
		for range 1000 {
			if err := l.AddLimited(Entry{Event: Dropped, Message: "not a job"}); err != nil {
				t.Fatal(err)
			}
		}
		if err := l.AddLimited(Entry{Event: Repeated}); err != nil { // another event has its own limit
			t.Fatal(err)
		}
		whole(t, dir, limitPerMinute+1)
		time.Sleep(floodWindow)
		add(t, l, 1)
		whole(t, dir, limitPerMinute+3)
		lines := linesOf(t, filepath.Join(dir, logName))
		e, err := DecodeLine([]byte(strings.TrimSuffix(lines[limitPerMinute+1], "\n")))
		if err != nil || e.Event != Suppressed || e.Count != 1000-limitPerMinute || !strings.HasPrefix(e.Message, "dropped, since") {
			t.Errorf("%+v, %v", e, err)
		}
		for range limitPerMinute + 7 {
			l.AddLimited(Entry{Event: Dropped})
		}
		l.Close() // tells what is counted
		whole(t, dir, 2*limitPerMinute+4)
	})
}

func TestReadTellsTheNewest(t *testing.T) {
	dir := t.TempDir()
	l := small(t, dir)
	add(t, l, 20)
	tests := []struct {
		name string
		q    Query
		want string // jobs, oldest first
		more bool
	}{
		{"limit", Query{Limit: 3, Bytes: 1 << 20}, "job17 job18 job19", true},
		{"one job", Query{Job: "job1", Limit: 3, Bytes: 1 << 20}, "job1", false},
		{"no such job", Query{Job: "job99", Limit: 3, Bytes: 1 << 20}, "", false},
		{"bytes", Query{Limit: 30, Bytes: 600}, "job18 job19", true},
		{"since", Query{Since: time.Now().Add(time.Hour), Limit: 30, Bytes: 1 << 20}, "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := l.Read(t.Context(), tt.q)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, line := range p.Lines {
				e, err := DecodeLine([]byte(line))
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, e.Job)
			}
			if s := strings.Join(got, " "); s != tt.want || p.More != tt.more || p.Head.Seq != 20 {
				t.Errorf("%s, more %v, head %+v; want %s, %v", s, p.More, p.Head, tt.want, tt.more)
			}
		})
	}
	all, err := l.Read(t.Context(), Query{Limit: 100, Bytes: 1 << 20})
	if err != nil || len(all.Lines) != 20 {
		t.Errorf("%d lines, %v", len(all.Lines), err)
	}
}

func TestManyWritersOneChain(t *testing.T) {
	dir := t.TempDir()
	l := small(t, dir)
	l.maxFile = 64 << 10
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 50 {
				switch i {
				case 0:
					l.AddLimited(Entry{Event: Dropped})
				case 1:
					l.AddDurable(Entry{Event: Ended})
				case 2:
					if _, err := l.Read(t.Context(), Query{Limit: 5, Bytes: 1 << 20}); err != nil {
						t.Error(err)
					}
				default:
					l.Add(Entry{Event: Decided})
				}
			}
		})
	}
	wg.Wait()
	whole(t, dir, 350)
}

func FuzzDecodeLine(f *testing.F) {
	dir := f.TempDir()
	l := open(f, dir)
	add(f, l, 2)
	l.Add(Entry{Event: Decided, Args: map[string]any{"n": int64(1) << 60, "b": true}, Message: "\x1b<>&\u2028"})
	for _, line := range linesOf(f, filepath.Join(dir, logName)) {
		f.Add([]byte(strings.TrimSuffix(line, "\n")))
	}
	f.Add([]byte("{}"))
	f.Fuzz(func(t *testing.T, line []byte) {
		e, err := DecodeLine(line)
		if err != nil {
			return
		}
		again, err := e.bytes()
		if err != nil || string(again) != string(line) {
			t.Fatalf("%q is read and written as %q, %v", line, again, err)
		}
	})
}

func BenchmarkAdd(b *testing.B) {
	l := open(b, b.TempDir())
	e := Entry{Event: Ended, Job: "01ARZ3NDEKTSV4RRFFQ69G5FAV", Signer: "ann", Plugin: "rpcutil", Action: "ping", Decision: Run, State: "ok"}
	for b.Loop() {
		if err := l.Add(e); err != nil {
			b.Fatal(err)
		}
	}
}

// On a disk that is read-only when the agent starts no line can be written, and that is said; when it can be written again the chain goes
// on where it was left, with how many are missing.
func TestAReadOnlyDisk(t *testing.T) {
	dir := t.TempDir()
	l, err := Open(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	l.Add(Entry{Event: Decided})
	l.Close()

	l = &Log{dir: dir, log: slog.New(slog.DiscardHandler), maxFile: MaxFile, write: (*os.File).Write, floods: map[Event]*flood{}}
	l.create = func(name string, flag int, _ os.FileMode) (*os.File, error) {
		return nil, &os.PathError{Op: "open", Path: name, Err: syscall.EROFS}
	}
	if err := l.begin(); !errors.Is(err, syscall.EROFS) {
		t.Fatal(err)
	}
	for range 3 {
		if err := l.AddDurable(Entry{Event: Decided}); !errors.Is(err, syscall.EROFS) {
			t.Error(err)
		}
	}
	if l.Lost() != 3 {
		t.Error(l.Lost())
	}
	l.create = os.OpenFile
	if err := l.AddDurable(Entry{Event: Decided}); err != nil || l.Lost() != 0 {
		t.Error(err, l.Lost())
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	raw, err := os.ReadFile(filepath.Join(dir, logName))
	if lines := strings.Count(string(raw), "\n"); err != nil || lines != 3 || !strings.Contains(string(raw), `"count":3`) {
		t.Errorf("%s %v", raw, err)
	}
}
