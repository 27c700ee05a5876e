package mesh

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"fleet/identity"
	"fleet/internal/bubble"
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

// The broker that a node prefers hangs: while another one serves, it is tried more and more seldom, and each node at its own time.
// When gossip names other brokers it is tried as at first.
func TestAPreferredBrokerThatHangs(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		const settle = 20 * time.Second
		at := map[time.Duration]bool{} // when the second attempt begins
		for range 20 {
			l := loop{m: &Mesh{config: Config{Settle: settle}}} // as it is after its first connection
			began, tries := time.Now(), 0
			for time.Since(began) < time.Hour {
				l.move(func() bool {
					if tries++; tries == 2 {
						at[time.Since(began)] = true
					}
					time.Sleep(connectTimeout)
					return false
				})
				time.Sleep(time.Second)
			}
			if tries < 8 || tries > 30 {
				t.Errorf("%d attempts in an hour, each blocks the loop for %s", tries, connectTimeout)
			}
			if l.moveWait != maxMoveWait {
				t.Errorf("it waits for %s", l.moveWait)
			}
		}
		if len(at) < 5 {
			t.Errorf("20 nodes try again at %d moments", len(at))
		}
	})
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
