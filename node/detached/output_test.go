package detached

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestOutputIsBounded(t *testing.T) {
	var b bytes.Buffer
	c := &capped{f: &b, left: 5}
	for _, s := range []string{"abc", "def", "ghi"} {
		if n, err := c.Write([]byte(s)); n != 3 || err != nil {
			t.Error(n, err)
		}
	}
	if got := b.String(); got != "abcde\n(more than 16 MiB; the rest is not kept)\n" {
		t.Errorf("%q", got)
	}
}

func TestWhole(t *testing.T) {
	for _, test := range []struct {
		piece string
		more  bool
		want  string
	}{
		{"a\nb", true, "a\n"}, {"a\nb", false, "a\nb"}, {"ab", true, "ab"}, {"", true, ""},
		{"aä", true, "aä"}, {"a\xc3", true, "a"}, {"a\xe2\x82", false, "a"}, {"a\xff", true, "a\xff"}, {"\xf0\x9f\x98", true, "\xf0\x9f\x98"},
	} {
		if got := string(whole([]byte(test.piece), test.more)); got != test.want {
			t.Errorf("%q, %v: %q, want %q", test.piece, test.more, got, test.want)
		}
	}
}

// What an action printed is told in pieces, while it runs and later, until it is too old or all are too much.
func TestOutput(t *testing.T) {
	r := runner(t, itself{})
	write := func(id, text string, at time.Time) {
		t.Helper()
		if err := os.MkdirAll(filepath.Join(r.dir, id), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(r.file(id, outputFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(r.file(id, outputFile), at, at); err != nil {
			t.Fatal(err)
		}
	}
	now := time.Now()
	write(id, "one\ntwo\nthree\n", now)
	var all strings.Builder
	offset := int64(0)
	for range 3 {
		o, known, err := r.Output(id, offset, 6)
		if err != nil || !known || o.Size != 14 {
			t.Fatal(o, known, err)
		}
		all.WriteString(o.Text)
		offset = o.Next
	}
	if all.String() != "one\ntwo\nthree\n" || offset != 14 {
		t.Errorf("%q, %d", all.String(), offset)
	}
	for _, at := range []int64{-5, 99} {
		if o, known, err := r.Output(id, at, 100); err != nil || !known || at > 0 && o.Text != "" || at < 0 && len(o.Text) != 14 {
			t.Errorf("%d: %+v, %v, %v", at, o, known, err)
		}
	}
	for _, other := range []string{"01M8ECYHY3CMGEQK924NP89799", "../../etc", ""} {
		if _, known, err := r.Output(other, 0, 9); known || err != nil {
			t.Error(other, known, err)
		}
	}
	old, running := "01M8ECYHY3CMGEQK924NP89791", "01M8ECYHY3CMGEQK924NP89790"
	write(old, "x", now.Add(-keepOutput-time.Minute))
	write(running, "x", now.Add(-keepOutput-time.Minute))
	if err := os.WriteFile(r.file(running, jobFile), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := r.Forget(now); err != nil {
		t.Fatal(err)
	}
	for id, kept := range map[string]bool{id: true, old: false, running: true} {
		if _, known, _ := r.Output(id, 0, 9); known != kept {
			t.Errorf("%s: kept is %v", id, known)
		}
	}
	r.End(running)
	if _, known, _ := r.Output(running, 0, 9); !known {
		t.Error("the end takes the output")
	}
}
