package filter

import "testing"

func TestParseNumber(t *testing.T) {
	for s, want := range map[string]string{
		"10": "10", "-5": "-5", "+5": "5", "010": "10", "9.5": "9.5", "1e3": "1000", ".5": "0.5", "5.": "5", "-.5": "-0.5",
		"9223372036854775807": "9223372036854775807", "9223372036854775808": "9223372036854776000",
		"": "", "-": "", ".": "", "--5": "", "+-5": "", "0x10": "", "1_000": "", "inf": "", "NaN": "", "1e999": "", "1 ": "", "1.2.3": "", "ten": "", "0b1": "", "0X1p4": "",
	} {
		n, ok := parseNumber(s)
		if ok != (want != "") || ok && n.String() != want {
			t.Errorf("%q: got %s, %v", s, n, ok)
		}
	}
}

// Facts come from the host's own Go code as well as from JSON, CBOR and YAML: every kind of number is one.
func TestComparisonOfGoTypes(t *testing.T) {
	tests := []struct {
		fact any
		term string
		want bool
	}{
		{int8(3), "x=3", true}, {int16(3), "x<4", true}, {int32(3), "x>=3", true}, {3, "x!=4", true}, {uint(3), "x=3.0", true}, {uint8(3), "x=3", true},
		{uint16(3), "x=3", true}, {uint32(3), "x=3", true}, {uint64(3), "x=3", true}, {float32(0.5), "x=0.5", true}, {3.0, "x=3", true},
		{uint64(1 << 63), "x>9223372036854775807", false}, // a float from here on: equal within its precision
		{uint64(1<<63 + 1<<62), "x>9223372036854775807", true},
		{int64(1<<53 + 1), "x=9007199254740992", false}, {int64(1<<53 + 1), "x=9007199254740993", true},
		{12.1, "x=12.10", true}, {"12.1", "x=12.10", false}, {"12.10", "x=12.1", false}, {"12.10", "x>12.9", true}, {12.1, "x>12.9", false},
		{6.1, "x<6.1.5", true}, {int64(6), "x<6.1.5", true}, {-6.0, "x<6.1.5", false}, {12.1, "x=/^12\\.1$/", true}, {1e21, "x=/^1000000000000000000000$/", true},
		{"10", "x=10.0", false}, {"10", "x>9.5", true}, {"10", "x>=10.0", false}, {"-5", "x>-10", true}, {"-5", "x<3", true}, {"1.5", "x>-1", true},
		{"08", "x=8", false}, {"08", "x>=8", true}, {"true", "x=true", true}, {"TRUE", "x=true", false}, {false, "x=false", true}, {false, "x!=true", true},
		{[]string{"a", "b"}, "x=b", true}, {[]string{}, "x!=b", false}, {[]any{int64(1), int64(9)}, "x>8", true}, {[]any{[]any{"deep"}}, "x=deep", true},
		{[]any{nil}, "x!=a", false}, {[]any{map[string]any{"k": 1}}, "x=k", true},
		{map[string]string{"k": "v"}, "x=k", true}, {map[string]string{"k": "v"}, "x=v", false}, {map[any]any{"k": 1, 2: 3}, "x=2", true},
		{map[string]any{}, "x!=k", false}, {struct{}{}, "x!=k", false}, {[]byte("k"), "x=k", false},
	}
	for _, tt := range tests {
		h := InventoryHost{name: "h", facts: map[string]any{"x": tt.fact}}
		if got, err := match(t, h, Flags{Fact: []string{tt.term}}); got != tt.want || err != nil {
			t.Errorf("%T(%v), %s: got %v, %v", tt.fact, tt.fact, tt.term, got, err)
		}
	}
	deep := any("x")
	for range 100 {
		deep = []any{deep}
	}
	if got, _ := match(t, InventoryHost{facts: map[string]any{"x": deep}}, Flags{Fact: []string{"x=x"}}); got {
		t.Error("a list was followed without bound")
	}
}
