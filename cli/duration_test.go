package cli

import (
	"testing"
	"time"
)

func TestParseDuration(t *testing.T) {
	const day = 24 * time.Hour
	for s, want := range map[string]time.Duration{
		"90s": 90 * time.Second, "1h30m": 90 * time.Minute, "1.5h": 90 * time.Minute, "30d": 30 * day, "2w": 14 * day, "1w2d3h": 9*day + 3*time.Hour,
		"1d12h": 36 * time.Hour, "0.5d": 12 * time.Hour, "100ms": 100 * time.Millisecond, "-1d": -day, "720h": 30 * day, "3h1d": 27 * time.Hour,
	} {
		if got, err := parseDuration(s); err != nil || got != want {
			t.Errorf("%q: %s, %v; want %s", s, got, err, want)
		}
	}
	for _, s := range []string{"", "5", "d", "1 d", "1y", "1month", "1d1", "soon", "1..5d", "9999999999999999w", "1e3d", "--1d", "-", "NaNd", "1D"} {
		if got, err := parseDuration(s); err == nil {
			t.Errorf("%q: %s", s, got)
		}
	}
}

// What Go reads is read alike, and nothing is read as something else than it says.
func FuzzParseDuration(f *testing.F) {
	for _, s := range []string{"90s", "1d12h", "2w", "-1h", "1.5d", "µs", "1d-1h"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := parseDuration(s)
		if want, goErr := time.ParseDuration(s); goErr == nil && err == nil && got != want {
			t.Errorf("%q: %s, and Go says %s", s, got, want)
		}
	})
}
