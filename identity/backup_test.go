package identity

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
)

func TestBackup(t *testing.T) {
	key := NewKey[Root]()
	b := Backup{Fleet: key.Public().ID(), Name: "acme", Made: now.UTC(), Files: map[string][]byte{"root.key": []byte(key.Secret()), "roster": {0, 1, 2}}}
	text, err := b.lock("correct horse", 1)
	if err != nil {
		t.Fatal(err)
	}
	got, err := OpenBackup(" "+text+"\n", "correct horse")
	if got.Made = got.Made.UTC(); err != nil || !reflect.DeepEqual(got, b) {
		t.Fatalf("%+v, %v", got, err)
	}
	if strings.Contains(text, key.Secret()[20:]) || bytes.Contains([]byte(text), b.Files["roster"]) {
		t.Error("the backup shows what is in it")
	}
	for name, tt := range map[string]struct{ text, words, want string }{
		"another passphrase": {text, "correct house", "passphrase is wrong"},
		"cut off":            {text[:len(text)-9], "correct horse", ""},
		"one letter changed": {text[:60] + swapped(text[60:61]) + text[61:], "correct horse", "passphrase is wrong"},
		"a locked key":       {strings.Replace(text, backupPrefix, lockedPrefix[Root](), 1), "correct horse", "must begin with"},
		"nothing":            {"", "correct horse", "must begin with"},
	} {
		if _, err := OpenBackup(tt.text, tt.words); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func swapped(letter string) string {
	if letter == "A" {
		return "B"
	}
	return "A"
}

// FuzzBackup feeds bytes that were locked with the passphrase, since no others get as far.
func FuzzBackup(f *testing.F) {
	f.Add([]byte{0xa2, 1, 0x61, 'x', 4, 0xa0})
	f.Fuzz(func(t *testing.T, plain []byte) {
		sealed, err := lockBytes(backupPrefix, plain, "x", 1)
		if err != nil {
			t.Fatal(err)
		}
		b, err := OpenBackup(backupText(sealed), "x")
		if err != nil {
			return
		}
		if _, err := b.lock("x", 1); err != nil {
			t.Errorf("it opens, and cannot be locked again: %v", err)
		}
	})
}
