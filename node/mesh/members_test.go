package mesh

import (
	"testing"
	"time"

	"fleet/gossip"
	"fleet/job"
	"fleet/node/presence"
)

// What a broker knows of a connection, and what gossip says of the host.
func TestWhetherAConnectionCountsForMoreThanGossip(t *testing.T) {
	now := time.Now()
	for _, tt := range []struct {
		name  string
		state presence.State
		came  time.Duration // ago
		says  job.Presence
		since time.Duration // ago
		want  bool
	}{
		{"it connected later", presence.Connected, time.Second, job.MemberFailed, 2 * time.Second, true},
		{"it was connected before it failed", presence.Connected, time.Hour, job.MemberFailed, 10 * time.Second, false},
		{"it would have been noticed", presence.Connected, time.Hour, job.MemberFailed, 2 * outlives, true},
		{"it was back before gossip said that it left", presence.Connected, 11 * time.Second, job.Left, 10 * time.Second, true},
		{"it left, and so says its broker", presence.Left, time.Hour, job.Left, 10 * time.Second, false},
	} {
		h := presence.Host{State: tt.state, Came: now.Add(-tt.came)}
		if got := connectionCounts(h, job.Member{Presence: tt.says, Since: now.Add(-tt.since).UnixMilli()}, now); got != tt.want {
			t.Errorf("%s: %t", tt.name, got)
		}
	}
}

// A holder of the gossip key can announce a node whose id or name no host can have.
func TestWhatCannotBeAHostIsNotListed(t *testing.T) {
	const id = "gr2q7gf5lh6pzfdnurnkvputhm"
	list := job.Members{From: id, Members: listed([]gossip.Member{
		{ID: id, Host: "web1"}, {ID: "phantom", Host: "web2"}, {ID: id[:25] + "1", Host: "web3"}, {ID: id, Host: "-"},
		{ID: id, Host: "web4", State: gossip.Failed},
	})}
	raw, err := list.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := job.DecodeMembers(raw)
	if err != nil {
		t.Fatalf("a client refuses the list: %v", err)
	}
	if len(got.Members) != 2 || got.Members[0].Name != "web1" || got.Members[1].Name != "web4" {
		t.Errorf("listed %+v", got.Members)
	}
}
