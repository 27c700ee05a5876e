package mesh

import (
	"testing"

	"fleet/gossip"
	"fleet/job"
)

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
