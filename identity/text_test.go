package identity

import (
	"strings"
	"testing"
	"time"
)

// What is pasted has one text: a line break in its middle is damage, though Go's base64 would not mind.
func TestOneText(t *testing.T) {
	token, err := NewToken(testRoot().Anchor(), NewKey[Admin](), Record{Role: Member, Created: time.Now(), Expires: time.Now().Add(time.Hour)}, []string{"10.0.0.5:7421"})
	if err != nil {
		t.Fatal(err)
	}
	key, i := NewKey[Admin]().Public(), Introduction{Root: testRoot().Anchor(), Fleet: "acme", Brokers: []string{"10.0.0.5:7421"}}
	for name, text := range map[string]struct {
		text  string
		parse func(string) error
	}{
		"token":        {token.Text(), func(s string) error { _, err := ParseToken(s); return err }},
		"key":          {key.String(), func(s string) error { _, err := ParsePublic[Admin](s); return err }},
		"introduction": {i.Text(), func(s string) error { _, err := ParseIntroduction(s); return err }},
	} {
		if err := text.parse(text.text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, brk := range []string{"\n", "\r", "\r\n"} {
			at := strings.IndexAny(text.text, ".:") + 9
			if err := text.parse(text.text[:at] + brk + text.text[at:]); err == nil {
				t.Errorf("%s: taken with %q in it", name, brk)
			}
		}
	}
}
