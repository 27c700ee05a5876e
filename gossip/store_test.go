package gossip

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"fleet/internal/atomicfile"
)

// verifyPlain takes "KIND NAME VERSION TEXT..." for a signed document, in which some words are facts.
func verifyPlain(raw []byte) (Facts, error) {
	words := strings.Fields(string(raw))
	if len(words) < 4 {
		return Facts{}, errors.New("bad signature")
	}
	version, err := strconv.ParseUint(words[2], 10, 64)
	f := Facts{Kind: words[0], Name: words[1], Version: version}
	for _, w := range words[3:] {
		name, value, _ := strings.Cut(w, ":")
		switch name {
		case "signer":
			f.Signer = value
		case "until":
			unix, _ := strconv.ParseInt(value, 10, 64)
			f.Until = time.Unix(unix, 0)
		case "ended":
			f.Ended = true
		case "lineage":
			f.Lineage, _ = hex.DecodeString(value)
		case "merged":
			f.Merged, _ = hex.DecodeString(value)
		case "says":
			f.Entries = parseEntries(value)
		}
	}
	return f, err
}

// parseEntries reads NAME=LEVEL@UNIX,...; UNIX 0 is never.
func parseEntries(text string) map[string]Entry {
	entries := map[string]Entry{}
	for e := range strings.SplitSeq(text, ",") {
		name, rest, _ := strings.Cut(e, "=")
		level, at, _ := strings.Cut(rest, "@")
		var entry Entry
		entry.Level, _ = strconv.ParseUint(level, 10, 64)
		if unix, _ := strconv.ParseInt(at, 10, 64); unix != 0 {
			entry.Until = time.Unix(unix, 0)
		}
		entries[name] = entry
	}
	return entries
}

// saying is a document of a few revocations, named after what it says.
func saying(entries map[string]Entry, more string) string {
	var words []string
	var until int64
	for _, name := range slices.Sorted(maps.Keys(entries)) {
		words = append(words, fmt.Sprintf("%s=%d@%d", name, entries[name].Level, entries[name].Until.Unix()))
		until = max(until, entries[name].Until.Unix())
	}
	body := strings.Join(words, ",")
	return fmt.Sprintf("revocation r%s 1 says:%s until:%d %s", HashOf([]byte(body)).Short(), body, until, more)
}

// next makes the version of a document that follows prev, which may be "".
func next(prev, kind, name, text string) string {
	f, _ := verifyPlain([]byte(prev))
	if prev != "" {
		h := HashOf([]byte(prev))
		f.Lineage = append(h[:LineageStep], f.Lineage...)
	}
	return fmt.Sprintf("%s %s %d %s lineage:%x merged:%x", kind, name, f.Version+1, text, f.Lineage, f.Merged)
}

// ofTwo returns two texts so that the first one counts where they are versions of one number.
func ofTwo(a, b string) (counts, lost string) {
	ha, hb := HashOf([]byte(a)), HashOf([]byte(b))
	if bytes.Compare(ha[:], hb[:]) > 0 {
		return a, b
	}
	return b, a
}

func openTestStore(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := OpenStore(dir, verifyPlain, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func putAll(t *testing.T, s *Store, docs ...string) {
	t.Helper()
	for _, d := range docs {
		if changed, err := s.Put([]byte(d)); !changed || err != nil {
			t.Fatalf("Put(%.40q) = %v, %v", d, changed, err)
		}
	}
}

func TestStorePut(t *testing.T) {
	long := strings.Repeat("x", MaxDocument)
	tests := []struct {
		name, doc string
		changed   bool
		err       string
	}{
		{"newer", "roster acme 6 b", true, ""},
		{"the same again", "roster acme 5 a", false, ""},
		{"another name", "roster other 1 a", true, ""},
		{"older", "roster acme 4 z", false, "newer version is already here"},
		{"does not verify", "garbage", false, "bad signature"},
		{"version 0", "roster x 0 a", false, "version 0"},
		{"kind with a slash", "a/b x 1 a", false, "document kind"},
		{"name out of the directory", "roster ../../etc/passwd 1 a", false, "document name"},
		{"name is hidden", "roster .x 1 a", false, "document name"},
		{"name with a comma", "roster a,b 1 a", false, "document name"},
		{"name too long", "roster " + strings.Repeat("n", maxName+1) + " 1 a", false, "document name"},
		{"just fits", ("roster big 1 " + long)[:MaxDocument], true, ""},
		{"too large", ("roster big 1 " + long)[:MaxDocument+1], false, "more than 65536 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			s := openTestStore(t, dir)
			putAll(t, s, "roster acme 5 a")
			changed, err := s.Put([]byte(tt.doc))
			if changed != tt.changed || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Fatalf("Put = %v, %v", changed, err)
			}
			// What is on disk is what is in memory.
			again := openTestStore(t, dir)
			if got, want := fmt.Sprint(again.List()), fmt.Sprint(s.List()); got != want {
				t.Errorf("reopened: %s, before: %s", got, want)
			}
			ref, _ := verifyPlain([]byte(tt.doc))
			if raw, _, ok := again.Get(ref.Kind, ref.Name); changed && (!ok || string(raw) != tt.doc) {
				t.Errorf("reopened: %.40q, %v", raw, ok)
			}
		})
	}
}

// What admins sign can fill neither the room of the root's documents nor that of another admin; an end always has room.
func TestRoom(t *testing.T) {
	big := func(kind string, i int, words string) string {
		return fmt.Sprintf("%s d%d 1 %s %s", kind, i, words, strings.Repeat("x", MaxDocument))[:MaxDocument]
	}
	s := openTestStore(t, t.TempDir())
	s.write = func(string, []byte, os.FileMode) error { return nil }
	full := func(doc string) {
		t.Helper()
		if _, err := s.Put([]byte(doc)); !errors.Is(err, ErrFull) {
			t.Errorf("Put(%.30q) = %v, want ErrFull", doc, err)
		}
	}
	for i := range signerBytes / MaxDocument {
		putAll(t, s, big("bob", i, "signer:bob"))
	}
	full("bob more 1 signer:bob")
	for i := range (adminBytes - signerBytes) / MaxDocument {
		putAll(t, s, big("other", i, fmt.Sprintf("signer:admin%d", i/2)))
	}
	full("ann first 1 signer:ann")
	for i := range rootBytes / MaxDocument {
		putAll(t, s, big("root", i, ""))
	}
	full("roster acme 1 a")
	putAll(t, s, "bob d0 2 signer:bob ended", "bob more 1 signer:bob", "root d0 2 a", "roster acme 1 a")

	s = openTestStore(t, t.TempDir())
	s.write = func(string, []byte, os.FileMode) error { return nil }
	for i := range signerDocuments {
		putAll(t, s, fmt.Sprintf("job j%d 1 signer:bob", i))
	}
	full("job more 1 signer:bob")
	putAll(t, s, "job j0 2 signer:bob ended", "job ann 1 signer:ann")
	for i := range rootDocuments {
		putAll(t, s, fmt.Sprintf("revocation r%d 1 a", i))
	}
	full("revocation more 1 a")
	if missing, _, err := openTestStore(t, t.TempDir()).Compare(s.Digest()); err != nil || len(missing) != rootDocuments+signerDocuments+1 {
		t.Errorf("its digest: %d missing, %v", len(missing), err)
	}
}

func TestStoreTrustsNothingOnDisk(t *testing.T) {
	dir := t.TempDir()
	putAll(t, openTestStore(t, dir), "roster acme 5 a", "job x 1 a", "job y 1 a")
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("roster,acme.doc", "garbage")
	write("job,x.doc", "job y 9 a") // a good document under another's name
	write("big,z.doc", strings.Repeat("x", MaxDocument+1))
	write(".new-123", "half")
	s := openTestStore(t, dir)
	if got := fmt.Sprint(s.List()); got != "[job/y version 1]" {
		t.Errorf("kept %s", got)
	}
	var names []string
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if got, want := strings.Join(names, " "), "big,z.doc.broken job,x.doc.broken job,y.doc roster,acme.doc.broken"; got != want {
		t.Errorf("on disk %s, want %s", got, want)
	}
	putAll(t, s, "roster acme 5 a") // fetched again
}

// A job may be signed by an admin whom only the roster names; the roster sorts behind it.
func TestStoreOpensInAnyOrder(t *testing.T) {
	dir := t.TempDir()
	putAll(t, openTestStore(t, dir), "job x 1 a", "roster acme 5 a", "zjob x 1 a")
	roster := false
	s, err := OpenStore(dir, func(raw []byte) (Facts, error) {
		f, err := verifyPlain(raw)
		if f.Kind == "roster" {
			roster = true
		} else if !roster {
			return Facts{}, errors.New("unknown signer")
		}
		return f, err
	}, nil)
	if err != nil || len(s.List()) != 3 {
		t.Errorf("%v, %v", s.List(), err)
	}
}

// Of two versions with one number the same one counts everywhere, in whatever order they come, and the other is named.
func TestTwoVersionsOfOneNumber(t *testing.T) {
	first := next("", "roster", "acme", "a")
	counts, lost := ofTwo(next(first, "roster", "acme", "b"), next(first, "roster", "acme", "c"))
	for name, order := range map[string][]string{"the one that counts first": {first, counts, lost}, "last": {first, lost, counts}} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := openTestStore(t, dir)
			for _, d := range order {
				if _, err := s.Put([]byte(d)); err != nil && !(d == lost && errors.Is(err, ErrLost)) {
					t.Errorf("Put(%.20q): %v", d, err)
				}
			}
			for _, s := range []*Store{s, openTestStore(t, dir)} {
				if raw, _, _ := s.Get("roster", "acme"); string(raw) != counts {
					t.Errorf("kept %q", raw)
				}
				if l := s.Lost(); len(l) != 1 || string(l[0].Raw) != lost || l[0].To.Hash != HashOf([]byte(counts)) {
					t.Errorf("lost: %+v", l)
				}
			}
		})
	}
}

// A version that was made without knowing of the one that is here drops it, however many versions later, and that is
// noticed; it is not named any more once it was made again.
func TestADroppedBranchIsNoticed(t *testing.T) {
	first := next("", "roster", "acme", "a")
	ours := next(first, "roster", "acme", "ours")
	theirs := next(next(next(first, "roster", "acme", "b"), "roster", "acme", "c"), "roster", "acme", "d")
	dir := t.TempDir()
	s := openTestStore(t, dir)
	putAll(t, s, first, ours, theirs)
	if l := s.Lost(); len(l) != 1 || string(l[0].Raw) != ours {
		t.Errorf("lost: %+v", l)
	}
	if _, err := s.Put([]byte(ours)); !errors.Is(err, ErrLost) {
		t.Errorf("the lost one again: %v", err)
	}
	if _, err := s.Put([]byte(first)); !errors.Is(err, ErrOlder) {
		t.Errorf("a version before: %v", err)
	}
	h := HashOf([]byte(ours))
	again := next(theirs, "roster", "acme", fmt.Sprintf("ours merged:%x", h[:LineageStep]))
	putAll(t, s, strings.TrimSuffix(again, " merged:"))
	if l := s.Lost(); len(l) != 0 {
		t.Errorf("made again, and still lost: %+v", l)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*"+lostSuffix)); len(left) != 0 {
		t.Errorf("left on disk: %q", left)
	}

	other := openTestStore(t, t.TempDir())
	putAll(t, other, first, next(first, "roster", "acme", "b"), theirs)
	if l := other.Lost(); len(l) != 0 {
		t.Errorf("a host that was away for a version lost %+v", l)
	}
}

// What was put counts at once, whatever the disk does, and gets there as soon as the disk takes it.
func TestAFullDisk(t *testing.T) {
	dir := t.TempDir()
	s := openTestStore(t, dir)
	putAll(t, s, "roster acme 1 a")
	s.write = func(string, []byte, os.FileMode) error { return syscall.ENOSPC }
	changed, err := s.Put([]byte("roster acme 2 b"))
	if raw, _, _ := s.Get("roster", "acme"); !changed || !errors.Is(err, ErrUnsaved) || !errors.Is(err, syscall.ENOSPC) || string(raw) != "roster acme 2 b" {
		t.Fatalf("Put = %v, %v; in force: %q", changed, err, raw)
	}
	if changed, err := s.Put([]byte("roster acme 2 b")); changed || !errors.Is(err, ErrUnsaved) {
		t.Errorf("the same again = %v, %v", changed, err)
	}
	if err := s.Mend(); !errors.Is(err, ErrUnsaved) || fmt.Sprint(s.Unsaved()) != "[roster/acme version 2]" {
		t.Errorf("Mend: %v; unsaved: %v", err, s.Unsaved())
	}
	s.write = atomicfile.Write
	if err := s.Mend(); err != nil || len(s.Unsaved()) != 0 {
		t.Errorf("Mend: %v; unsaved: %v", err, s.Unsaved())
	}
	if raw, _, _ := openTestStore(t, dir).Get("roster", "acme"); string(raw) != "roster acme 2 b" {
		t.Errorf("on disk: %q", raw)
	}
}

// A document ends everywhere by itself, leaves nothing behind, and does not come back from a node whose clock is behind.
func TestDocumentsEnd(t *testing.T) {
	dir := t.TempDir()
	s, behind := openTestStore(t, dir), openTestStore(t, t.TempDir())
	start := time.Now()
	doc := fmt.Sprintf("job x 1 signer:bob until:%d", start.Add(time.Hour).Unix())
	putAll(t, s, doc)
	putAll(t, behind, doc)
	s.now = func() time.Time { return start.Add(time.Hour - clockMargin) }
	if missing, ahead, err := behind.Compare(s.Digest()); len(missing) != 0 || len(ahead) != 1 || err != nil {
		t.Errorf("shortly before its end it is handed on: %v, %v, %v", missing, ahead, err)
	}
	if _, _, ok := s.Get("job", "x"); !ok {
		t.Error("it ends too early")
	}
	s.now = func() time.Time { return start.Add(time.Hour) }
	if err := s.Mend(); err != nil || len(s.List()) != 0 {
		t.Errorf("Mend: %v; left: %v", err, s.List())
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("left on disk: %v", left)
	}
	for range 2 {
		missing, _, _ := s.Compare(behind.Digest())
		for range missing {
			if _, err := s.Put([]byte(doc)); !errors.Is(err, ErrEnded) {
				t.Errorf("it comes back: %v", err)
			}
		}
	}
	if missing, _, _ := s.Compare(behind.Digest()); len(missing) != 0 {
		t.Errorf("it is asked for again and again: %v", missing)
	}
}

// What was refused is not asked for again, until another document may vouch for it, or an hour is over.
func TestRefusedIsNotAskedForAgain(t *testing.T) {
	known := false
	s, err := OpenStore(t.TempDir(), func(raw []byte) (Facts, error) {
		f, err := verifyPlain(raw)
		if f.Signer == "bob" && !known {
			return f, errors.New("signed by nobody who is known")
		}
		return f, err
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	other := openTestStore(t, t.TempDir())
	putAll(t, other, "job x 1 signer:bob")
	wanted := func(want int) {
		t.Helper()
		if missing, _, err := s.Compare(other.Digest()); len(missing) != want || err != nil {
			t.Errorf("asked for: %v, %v", missing, err)
		}
	}
	wanted(1)
	s.Put([]byte("job x 1 signer:bob"))
	wanted(0)
	s.now = func() time.Time { return time.Now().Add(refusedFor) }
	wanted(1)
	s.Put([]byte("job x 1 signer:bob"))
	wanted(0)
	known = true
	putAll(t, s, "roster acme 1 bob")
	wanted(1)
	putAll(t, s, "job x 1 signer:bob")
}

// A disk that refuses even to move a damaged file aside keeps nobody from starting.
func TestDamagedAndReadOnly(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "roster,acme.doc"), []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "roster,acme.doc"+brokenSuffix), 0o700); err != nil { // so that the rename fails, also for root
		t.Fatal(err)
	}
	s := openTestStore(t, dir)
	putAll(t, s, "roster acme 5 a")
	if got := fmt.Sprint(openTestStore(t, dir).List()); got != "[roster/acme version 5]" {
		t.Errorf("on disk: %s", got)
	}
}

func TestCompare(t *testing.T) {
	counts, lost := ofTwo("c x 3 a", "c x 3 b")
	s, o := openTestStore(t, t.TempDir()), openTestStore(t, t.TempDir())
	putAll(t, s, "a x 1 a", "b x 2 a", lost, "e x 1 a", "f x 1 a")
	putAll(t, o, "a x 2 a", "b x 1 a", counts, "d x 1 a", "f x 1 a")
	missing, ahead, err := s.Compare(o.Digest())
	if got := fmt.Sprint(missing, ahead, err); got != "[a/x version 2 c/x version 3 d/x version 1] [b/x version 2 e/x version 1] <nil>" {
		t.Errorf("Compare = %s", got)
	}
	missing, ahead, err = o.Compare(s.Digest())
	if got := fmt.Sprint(missing, ahead, err); got != "[b/x version 2 e/x version 1] [a/x version 2 c/x version 3 d/x version 1] <nil>" {
		t.Errorf("the other way = %s", got)
	}
}
