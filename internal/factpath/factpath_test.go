package factpath

import (
	"strings"
	"testing"
)

func TestFind(t *testing.T) {
	f := map[string]any{
		"os":       map[string]any{"release": map[string]any{"major": "12"}, "none": nil},
		"disks":    []any{map[string]any{"size": int64(5)}, "b"},
		"my.fact":  "flat",
		"os.name":  "exact wins",
		"net":      map[string]any{"eth0": map[string]any{"ip": "a"}, "eth0.100": map[string]any{"ip": "b"}},
		"Upper":    true,
		"":         "nobody asks",
		"a":        map[string]any{"b": "no map"},
		"a.b":      map[string]any{"c": "through a flat key"},
		"notanint": []any{"x"},
	}
	tests := []struct {
		path string
		want any
		ok   bool
	}{
		{"os.release.major", "12", true},
		{"OS.release.major", "12", true},
		{"os.Release.major", nil, false},
		{"os.none", nil, true},
		{"os.name", "exact wins", true},
		{"disks.0.size", int64(5), true},
		{"disks.1", "b", true},
		{"disks.2", nil, false},
		{"disks.-1", nil, false},
		{"disks.01", nil, false},
		{"disks.99999999999999999999", nil, false},
		{"my.fact", "flat", true},
		{"net.eth0.ip", "a", true},
		{"net.eth0.100.ip", "b", true},
		{"Upper", true, true},
		{"upper", nil, false},
		{"a.b.c", "through a flat key", true},
		{"os.release.major.more", nil, false},
		{"", nil, false},
		{".", nil, false},
		{"os.", nil, false},
		{strings.Repeat("os.", 1000), nil, false},
	}
	for _, tt := range tests {
		if got, ok := Find(f, tt.path); ok != tt.ok || got != tt.want {
			t.Errorf("Find(%.40q) = %v, %v; want %v, %v", tt.path, got, ok, tt.want, tt.ok)
		}
	}
}
