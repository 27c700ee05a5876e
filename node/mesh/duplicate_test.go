package mesh

import (
	"net/netip"
	"testing"
	"time"

	"fleet/gossip"
)

func TestDuplicateKeysAreConflictsThatLast(t *testing.T) {
	now := time.Now()
	for _, tt := range []struct {
		name        string
		first, last time.Duration // before now
		want        bool
	}{
		{"one that has just begun: a host with a new address", 30 * time.Second, 0, false},
		{"one that goes on", 5 * time.Minute, 20 * time.Second, true},
		{"one that is over", 10 * time.Minute, 3 * time.Minute, false},
		{"one that ended quickly", 100 * time.Second, 80 * time.Second, false},
	} {
		c := gossip.Conflict{ID: "a", Self: true, Other: netip.MustParseAddrPort("10.0.0.9:7420"), First: now.Add(-tt.first), Last: now.Add(-tt.last)}
		if got := len(lasting([]gossip.Conflict{c}, now)) == 1; got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}
