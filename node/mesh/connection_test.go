package mesh

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"fleet/identity"
)

// Nodes spread evenly over brokers. When one goes, only those on it move, and those evenly; when it comes back, just these
// go back.
func TestRankedSpreadsNodes(t *testing.T) {
	brokers := []string{"tls://10.0.0.1:7421", "tls://10.0.0.2:7421", "tls://10.0.0.3:7421"}
	const nodes = 3000
	all, without := map[string]int{}, map[string]int{}
	for i := range nodes {
		id := identity.ID(fmt.Sprintf("node%d", i))
		first := ranked(id, slices.Clone(brokers))[0]
		second := ranked(id, slices.Clone(brokers[:2]))[0]
		all[first]++
		without[second]++
		if first != brokers[2] && first != second {
			t.Fatalf("%s moves from %s to %s, because %s is gone", id, first, second, brokers[2])
		}
	}
	for i, b := range brokers {
		if n := all[b]; n < nodes/3*9/10 || n > nodes/3*11/10 {
			t.Errorf("%d of %d are on %s", n, nodes, b)
		}
		if n := without[b]; i < 2 && (n < nodes/2*9/10 || n > nodes/2*11/10) {
			t.Errorf("%d of %d are on %s of two", n, nodes, b)
		}
	}
}

func FuzzBrokersFile(f *testing.F) {
	f.Add([]byte(`{"schema":"fleet.brokers/v1","brokers":["127.0.0.1:1","[::1]:2"]}`))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		brokers, err := decodeBrokersFile(raw)
		if err != nil {
			return
		}
		for _, b := range brokers {
			if a, err := netip.ParseAddrPort(b); err != nil || a.Port() == 0 {
				t.Errorf("%q: %v", b, err)
			}
		}
	})
}
