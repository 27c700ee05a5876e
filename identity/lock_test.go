package identity

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLockedKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "root.key")
	k := NewKey[Root]()
	if err := WriteLockedKey(path, k, "correct horse"); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", info.Mode(), err)
	}
	text, err := os.ReadFile(path)
	if err != nil || strings.Contains(string(text), k.Secret()[len(secretPrefix[Root]()):]) {
		t.Fatalf("the file shows the key, or %v", err)
	}
	say := func(words string) func() (string, error) { return func() (string, error) { return words, nil } }
	if back, err := UnlockKey[Root](path, say("correct horse")); err != nil || !back.Public().Equal(k.Public()) {
		t.Fatalf("got %v, %v", back, err)
	}
	if _, err := ReadKey[Root](path); !errors.Is(err, ErrLocked) {
		t.Errorf("nobody to ask: %v", err)
	}
	if _, err := UnlockKey[Root](path, say("correct horse ")); err == nil || !strings.Contains(err.Error(), "the passphrase is wrong") || strings.Contains(err.Error(), "horse") {
		t.Errorf("wrong passphrase: %v", err)
	}
	if _, err := UnlockKey[Admin](path, say("correct horse")); err == nil {
		t.Error("a root key was read as an admin's")
	}
	// The prefix is authenticated: renaming it does not make another kind of key.
	renamed := strings.Replace(string(text), "fleet-root-locked:", "fleet-admin-locked:", 1)
	if _, err := parseKey[Admin](renamed, say("correct horse")); err == nil {
		t.Error("a renamed root key was read as an admin's")
	}
}

func FuzzUnlock(f *testing.F) {
	good, err := lock(NewKey[Admin](), "p", 1)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:len(good)-4])
	f.Add("fleet-admin-locked:")
	f.Add("fleet-admin-secret:AAAA")
	f.Fuzz(func(t *testing.T, text string) {
		if raw, err := decodeKey(lockedPrefix[Admin](), text); err == nil && len(raw) > 0 && raw[0] > 10 && raw[0] <= maxLockWork {
			return // would be right, and slow
		}
		k, err := parseKey[Admin](text, func() (string, error) { return "p", nil })
		secret := text[strings.LastIndex(text, ":")+1:] // what follows the prefix, which errors name themselves
		shown := err != nil && len(secret) > 8 && strings.Contains(fmt.Sprint(err), secret) &&
			!strings.Contains("not this kind of key: it must begin with fleet-admin-secret: or fleet-admin-locked:", secret)
		if err == nil && k.IsZero() || shown {
			t.Errorf("%v, %v", k, err)
		}
	})
}

func FuzzParseIntroduction(f *testing.F) {
	i := Introduction{Root: testRoot().Anchor(), Fleet: "acme", Brokers: []string{"10.0.0.5:7421"}}
	f.Add(i.Text())
	f.Add(i.Text()[:40])
	f.Add(introductionPrefix)
	f.Fuzz(func(t *testing.T, text string) {
		got, err := ParseIntroduction(text)
		if err == nil && got.Text() != strings.TrimSpace(text) {
			t.Errorf("%q came back as %q", text, got.Text())
		}
	})
}

func TestIntroduction(t *testing.T) {
	i := Introduction{Root: testRoot().Anchor(), Fleet: "acme", Brokers: []string{"10.0.0.5:7421", "b:1"}}
	got, err := ParseIntroduction(" " + i.Text() + "\n")
	if err != nil || !got.Root.Same(i.Root) || got.Fleet != "acme" || len(got.Brokers) != 2 {
		t.Fatalf("got %+v, %v", got, err)
	}
	text := i.Text()
	for n := range len(text) {
		if _, err := ParseIntroduction(text[:n]); err == nil {
			t.Errorf("cut to %d bytes it was taken", n)
		}
	}
}
