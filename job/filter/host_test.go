package filter

import (
	"context"
	"errors"
	"maps"
	"testing"
)

// testHost is a host with data functions that count how often they ran.
type testHost struct {
	InventoryHost
	data map[string]map[string]any // "function argument" -> outputs; nil outputs: it fails
	ran  map[string]int
}

func (h *testHost) HasData(function string) bool {
	for k := range maps.Keys(h.data) {
		if len(k) > len(function) && k[:len(function)+1] == function+" " {
			return true
		}
	}
	return false
}

func (h *testHost) Data(_ context.Context, function, argument string) (map[string]any, error) {
	if h.ran == nil {
		h.ran = map[string]int{}
	}
	h.ran[function]++
	if out := h.data[function+" "+argument]; out != nil {
		return out, nil
	}
	return nil, errors.New("no such thing")
}

func web1() *testHost {
	return &testHost{
		InventoryHost: InventoryHost{
			name: "web1.example.com",
			facts: map[string]any{
				"os":                     map[string]any{"family": "Debian", "release": map[string]any{"major": "12", "full": "12.11"}},
				"operatingsystem":        "Debian",
				"operatingsystemrelease": "12.11",
				"osfamily":               "Debian",
				"processors":             int64(10),
				"load":                   0.25,
				"virtual":                true,
				"hagroup":                "c",
				"interfaces":             []any{"lo", "eth0"},
				"dns":                    []any{},
				"partitions":             map[string]any{"/": map[string]any{"size": int64(5)}, "/var": nil},
				"kernelrelease":          "6.1.0-9-amd64",
				"mount":                  "/var/",
				"motd":                   "hello, (big) world",
				"quoted":                 `it's`,
				"note":                   "and",
				"nothing":                nil,
				"empty":                  "",
				"my fact":                "spaced",
				"pairs":                  "k=v",
			},
			classes: []string{"apache", "role::web", "base/ssh"},
			agents:  []string{"package", "service"},
		},
		data: map[string]map[string]any{
			"fstat /etc/hosts": {"md5": "d41d8cd98f", "size": int64(120), "present": true, "target": nil},
			"service nginx":    {"status": "running", "pid": int64(812)},
			"service broken":   nil,
		},
	}
}

// match builds and runs a filter and fails the test on an error of Build.
func match(t *testing.T, h Host, o Flags) (bool, error) {
	t.Helper()
	f, err := Build(o)
	if err != nil {
		t.Fatal(err)
	}
	m, err := Compile(f)
	if err != nil {
		t.Fatalf("Build let %q through, Compile does not: %v", f, err)
	}
	return m.Match(context.Background(), h)
}
