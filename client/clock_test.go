package client

import (
	"testing"
	"time"
)

func TestClock(t *testing.T) {
	sent := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	tests := []struct {
		name          string
		signed, round time.Duration // after sent, by the host's clock and by this one
		offset        time.Duration
		off           bool
	}{
		{"in step", 5 * time.Millisecond, 10 * time.Millisecond, 0, false},
		{"ahead", 3 * time.Second, 10 * time.Millisecond, 2995 * time.Millisecond, true},
		{"behind", -3 * time.Second, 10 * time.Millisecond, -3005 * time.Millisecond, true},
		{"a second is not beyond a second", time.Second, 0, time.Second, false},
		{"a slow answer says little", 4 * time.Second, 8 * time.Second, 0, false},
		{"and is no accusation", 8 * time.Second, 8 * time.Second, 4 * time.Second, false},
	}
	for _, tt := range tests {
		c := clockOf(sent.Add(tt.signed), sent, sent.Add(tt.round))
		if c.Offset != tt.offset || c.Within != tt.round/2+time.Millisecond || c.Off(time.Second) != tt.off {
			t.Errorf("%s: %+v, off %v", tt.name, c, c.Off(time.Second))
		}
	}
}
