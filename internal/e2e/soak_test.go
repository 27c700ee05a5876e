//go:build lab && soak

package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// What takes too long for CI: `scripts/test soak`.

// soakTime is how long one of these drills goes on: FLEET_SOAK_TIME, or ten minutes.
func soakTime(t *testing.T) time.Duration {
	text := os.Getenv("FLEET_SOAK_TIME")
	if text == "" {
		return 10 * time.Minute
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Hosts are cut off, healed and cut off again at random. Each command ends without waiting until its time limit for a host that gives no
// sign of life, and tells the truth.
func TestSoakFlapping(t *testing.T) {
	c := newChaos(t, binary(t), 4, 3)
	until := time.Now().Add(soakTime(t))
	waited, calls := 0, 0
	c.watch = func(one call) {
		calls++
		for _, h := range one.run.Hosts {
			if strings.Contains(h.Message, "no answer within") {
				waited++
				t.Logf("waited for %s until the time limit: %s", h.Host, one)
			}
		}
	}
	c.run(t, "hosts flap", func(s scenario, brokers []string) trouble {
		cut := map[string]bool{}
		for time.Now().Before(until) {
			h := s.nodes[rand.IntN(len(s.nodes))]
			if cut[h] {
				s.l.Heal(h)
			} else {
				s.l.Cut(h, slices.DeleteFunc(append(hosts(1, len(s.nodes)), s.admins["ann"], s.admins["bob"]), func(o string) bool { return o == h })...)
			}
			cut[h] = !cut[h]
			time.Sleep(time.Duration(rand.Int64N(int64(4 * time.Second)))) // how a network fails, not a wait for something
		}
		for h := range cut {
			s.l.Heal(h)
		}
		tr := gone(s.nodes...)
		tr.cutOff = true
		return tr
	})
	fmt.Printf("%d of %d commands waited for a host until their time limit\n", waited, calls)
}

// Every scenario of chaos again and again.
func TestSoakChaos(t *testing.T) {
	c := newChaos(t, binary(t), 4, 3)
	for began := time.Now(); time.Since(began) < soakTime(t); {
		for _, s := range slices.Concat(everyday(), rare(t)) {
			c.run(t, s.name, s.do)
		}
	}
}
