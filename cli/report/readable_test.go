package report

import (
	"strings"
	"testing"
	"time"

	"fleet/client"
)

func TestReadable(t *testing.T) {
	for _, tt := range []struct {
		name string
		v    any
		want string
	}{
		{"memory.system.total_bytes", int64(25276514304), "23.54 GiB (25276514304)"},
		{"disks.vda.size_bytes", int64(274877906944), "256.00 GiB (274877906944)"},
		{"blockdevice_vda_size", int64(274877906944), "256.00 GiB (274877906944)"},
		{"mountpoints./run.used_bytes", int64(12), "12 bytes"},
		{"a.bytes", uint64(1 << 63), "8.00 EiB (9223372036854775808)"},
		{"a.bytes", 1e30, "867361737988.40 EiB (1000000000000000000000000000000)"},
		{"system_uptime.seconds", int64(273600), "3 d 4 h (273600)"},
		{"uptime_seconds", int64(1352), "22 min (1352)"},
		{"uptime_seconds", int64(18720), "5 h 12 min (18720)"},
		{"uptime_seconds", int64(45), "45 s"},
		{"seconds", 1e30, "1000000000000000000000000000000 s (1000000000000000000000000000000)"},
		{"uptime", "0:22 hours", "0:22 hours"},
		{"uptime_seconds", int64(-5), "-5"},
		{"mtu_eth0", int64(1500), "1500"},
		{"font_size", int64(2048), "2048"},
		{"total_bytes.note", int64(2048), "2048"},
	} {
		if got := readable(tt.name, tt.v); got != tt.want {
			t.Errorf("readable(%q, %v) = %q, want %q", tt.name, tt.v, got, tt.want)
		}
	}
}

func TestInventoryForEyes(t *testing.T) {
	xeon := "Intel(R) Xeon(R) Processor"
	data := map[string]any{
		"broker": true, "uptime": int64(273600), "started": "when?",
		"facts": map[string]any{
			"models":  []any{xeon, xeon, xeon},
			"options": []any{"rw", "relatime", "resuid=65534"},
			"long":    []any{strings.Repeat("a", 50), strings.Repeat("b", 50)},
			"none":    []any{},
			"binds":   []any{map[string]any{"address": "10.0.0.1", "size_bytes": int64(2048)}, "odd"},
		},
		"problems": []any{map[string]any{"file": "/etc/fleet/facts.d/a.yaml", "error": "line 3: is no fact"}},
	}
	got, err := Inventory{Outcome: client.Outcome{Name: "web1", Data: data}}.Render(Table, []Section{
		{Output: "broker", Head: "Broker", As: AsYesNo}, {Output: "uptime", Head: "Up", As: AsSpan}, {Output: "started", Head: "Started", As: AsTime},
		{Output: "facts", Head: "Facts"}, {Output: "problems", Head: "Problems", Columns: []string{"file", "error"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := `Inventory of web1:
   Broker: yes
   Up: 3 d 4 h
   Started: when?

   Facts:
      binds.0.address = 10.0.0.1
      binds.0.size_bytes = 2.00 KiB (2048)
      binds.1 = odd
      long =
         ` + strings.Repeat("a", 50) + `
         ` + strings.Repeat("b", 50) + `
      models = Intel(R) Xeon(R) Processor (3 times)
      none = (empty)
      options = rw, relatime, resuid=65534

   Problems:
      /etc/fleet/facts.d/a.yaml: line 3: is no fact
`
	if string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestLocalTime(t *testing.T) {
	at := time.Date(2026, 5, 9, 12, 0, 0, 0, time.UTC)
	if got, want := localTime("2026-05-09T12:00:00Z"), at.Local().Format(Stamp); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
