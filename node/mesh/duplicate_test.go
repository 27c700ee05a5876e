package mesh

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"fleet/gossip"
)

func TestOnlyProvenConflictsAreDuplicateKeys(t *testing.T) {
	now := time.Now()
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	base := gossip.Conflict{
		ID: "a", Host: "web9", Self: true, First: ago(time.Hour), Last: now,
		Addr: netip.MustParseAddrPort("10.0.0.1:7420"), Other: netip.MustParseAddrPort("10.0.0.9:7420"),
	}
	for _, tt := range []struct {
		name   string
		change func(c *gossip.Conflict)
		want   bool
		says   string
	}{
		{"nobody has been asked", func(c *gossip.Conflict) {}, false, ""},
		{"a claim, however long it lasts", func(c *gossip.Conflict) { c.Asked, c.AddrProven = now, true }, false,
			"somebody at 10.0.0.9:7420, announced as web9, claims this host's node id without proof of its key: "},
		{"a claim of another's id", func(c *gossip.Conflict) { c.Self, c.Asked, c.AddrProven = false, now, true }, false,
			"somebody at 10.0.0.9:7420, announced as web9, claims the id of node a without proof of its key: "},
		{"the false one came first", func(c *gossip.Conflict) { c.Self, c.Asked, c.OtherProven = false, now, true }, false,
			"somebody at 10.0.0.1:7420 claims the id of node a without proof of its key: "},
		{"nobody proves it", func(c *gossip.Conflict) { c.Self, c.Asked = false, now }, false,
			"the id of node a is claimed from 10.0.0.1:7420 and 10.0.0.9:7420, and neither has proven to hold its key: "},
		{"both, in one round", func(c *gossip.Conflict) {
			c.Asked, c.AddrProven, c.OtherProven, c.Since, c.Proven = now, true, true, now, now
		}, false, ""},
		{"both, in two", func(c *gossip.Conflict) {
			c.Asked, c.AddrProven, c.OtherProven, c.Since, c.Proven = now, true, true, ago(10*time.Second), now
		}, true, "another machine, at 10.0.0.9:7420, has proven to hold this host's key"},
		{"both, and an answer was lost since", func(c *gossip.Conflict) {
			c.Self, c.Asked, c.AddrProven, c.Since, c.Proven = false, now, true, ago(time.Hour), ago(time.Minute)
		}, true, "two machines, at 10.0.0.1:7420 and 10.0.0.9:7420, have proven to hold the key of node a"},
		{"both, long ago", func(c *gossip.Conflict) {
			c.Asked, c.AddrProven, c.Since, c.Proven = now, true, ago(time.Hour), ago(3*time.Minute)
		}, false, "somebody at 10.0.0.9:7420, announced as web9, claims this host's node id"},
	} {
		c := base
		tt.change(&c)
		if got := len(proven([]gossip.Conflict{c}, now)) == 1; got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
		if got := claimed(c, now); !strings.HasPrefix(got, tt.says) || got != "" && tt.says == "" {
			t.Errorf("%s: it says %q", tt.name, got)
		}
	}
}
