package wire

import (
	"bytes"
	"strings"
	"testing"
)

type pair struct {
	A int    `cbor:"1,keyasint"`
	B string `cbor:"2,keyasint,omitempty"`
}

func TestUnmarshalIsStrict(t *testing.T) {
	tests := []struct {
		name string
		data string
		ok   bool
	}{
		{"good", "\xa2\x01\x05\x02\x61x", true},
		{"duplicate key", "\xa2\x01\x05\x01\x06", false},
		{"unknown field", "\xa2\x01\x05\x03\x06", false},
		{"trailing bytes", "\xa1\x01\x05\x00", false},
		{"truncated", "\xa2\x01\x05\x02", false},
		{"invalid UTF-8", "\xa2\x01\x05\x02\x61\xff", false},
		{"indefinite length", "\xbf\x01\x05\xff", false},
		{"tag", "\xa2\x01\x05\x02\xc0\x61x", false},
		{"deeply nested", strings.Repeat("\x81", 64) + "\x01", false},
		{"array bomb", "\x9b\x00\x00\x00\xff\xff\xff\xff\xff", false},
		{"empty", "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var p pair
			if err := Unmarshal([]byte(tt.data), &p); (err == nil) != tt.ok {
				t.Errorf("Unmarshal: %v", err)
			}
		})
	}
}

// What decodes encodes again, and what was encoded decodes to the same bytes: there is one form of each value.
func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte("\xa2\x01\x05\x02\x61x"))
	f.Add([]byte("\xa1\x61a\x82\x01\xf9\x3c\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var v any
		if Unmarshal(data, &v) != nil {
			return
		}
		once, err := Marshal(v)
		if err != nil {
			t.Fatalf("what decodes does not encode: %v", err)
		}
		var again any
		if err := Unmarshal(once, &again); err != nil {
			t.Fatalf("our own encoding does not decode: %v", err)
		}
		twice, err := Marshal(again)
		if err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("two encodings of one value: %x and %x (%v)", once, twice, err)
		}
	})
}
