package gossip

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// verifyPlain takes "KIND NAME VERSION REST" for a signed document.
func verifyPlain(raw []byte) (Ref, error) {
	var r Ref
	var rest string
	if _, err := fmt.Sscanf(string(raw), "%s %s %d %s", &r.Kind, &r.Name, &r.Version, &rest); err != nil {
		return Ref{}, errors.New("bad signature")
	}
	return r, nil
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
		{"same version, other bytes", "roster acme 5 b", false, "another document of the same version"},
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
			<-s.Changed()
			changed, err := s.Put([]byte(tt.doc))
			if changed != tt.changed || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Fatalf("Put = %v, %v", changed, err)
			}
			if len(s.Changed()) == 1 != changed {
				t.Errorf("told of a change: %v", !changed)
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

func TestStoreIsBounded(t *testing.T) {
	s := openTestStore(t, t.TempDir())
	full := strings.Repeat("x", MaxDocument)
	for i := range maxStore / MaxDocument {
		putAll(t, s, fmt.Sprintf("job j%d 1 %s", i, full)[:MaxDocument])
	}
	if _, err := s.Put([]byte("job more 1 a")); !errors.Is(err, ErrFull) {
		t.Errorf("one more: %v", err)
	}
	putAll(t, s, "job j0 2 a", "job more 1 a") // a shorter version makes room
}

func TestStoreBoundsTheNumberOfDocuments(t *testing.T) {
	s := openTestStore(t, t.TempDir())
	for i := range maxDocuments {
		doc, err := s.check(fmt.Appendf(nil, "job j%d 1 a", i))
		if err == nil {
			err = s.keep(doc, nil)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Put([]byte("job more 1 a")); !errors.Is(err, ErrFull) {
		t.Errorf("one more: %v", err)
	}
	if refs, err := openTestStore(t, t.TempDir()).Missing(s.Digest()); err != nil || len(refs) != maxDocuments {
		t.Errorf("its digest: %d missing, %v", len(refs), err)
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
	s, err := OpenStore(dir, func(raw []byte) (Ref, error) {
		ref, err := verifyPlain(raw)
		if ref.Kind == "roster" {
			roster = true
		} else if !roster {
			return Ref{}, errors.New("unknown signer")
		}
		return ref, err
	}, nil)
	if err != nil || len(s.List()) != 3 {
		t.Errorf("%v, %v", s.List(), err)
	}
}

func TestStoreSaysThatItCannotWrite(t *testing.T) {
	dir := t.TempDir()
	s := openTestStore(t, dir)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if changed, err := s.Put([]byte("roster acme 1 a")); changed || err == nil {
		t.Errorf("Put = %v, %v", changed, err)
	}
	if _, _, ok := s.Get("roster", "acme"); ok {
		t.Error("a document that is not on disk counts")
	}
}

func TestMissing(t *testing.T) {
	ours := []string{"a x 1 a", "b x 2 a", "c x 3 a"}
	theirs := []string{"a x 2 a", "b x 1 a", "c x 3 b", "d x 1 a"}
	s, o := openTestStore(t, t.TempDir()), openTestStore(t, t.TempDir())
	putAll(t, s, ours...)
	putAll(t, o, theirs...)
	refs, err := s.Missing(o.Digest())
	if got := fmt.Sprint(refs); err != nil || got != "[a/x version 2 d/x version 1]" {
		t.Errorf("Missing = %s, %v", got, err)
	}
}
