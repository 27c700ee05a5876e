//go:build lab

package e2e

import (
	"slices"
	"strings"
	"testing"

	"fleet/internal/lab"
)

// restarted restarts the node of each host in order, one after the other, as an upgrade does, and loses nothing: a host that is
// away is not expected, one that is there answers, and there is always a broker.
func restarted(s scenario, _ []string) trouble {
	for _, h := range s.nodes {
		s.l.Must(h, "systemctl", "restart", "fleet-node")
	}
	return trouble{away: s.nodes}
}

// replaced lets autoscaling replace each peer by a new machine, one after the other, until none of the first brokers is left.
// Those that were thrown away are named until an admin says that they are gone for good.
func replaced(binary string) func(scenario, []string) trouble {
	return func(s scenario, _ []string) trouble {
		first, ann := s.peers, s.admins["ann"]
		token := s.l.Must(ann, "fleet", "token", "create", "--role", "peer")
		a := admin{s.T, s.l}
		tr := gone(first...)
		tr.thrown, tr.power = first, true
		for i, old := range first {
			fresh := hosts(10+i, 10+i)
			s.l.Add(lab.Host{Name: fresh[0], Binary: binary})
			s.prepare(fresh[0])
			tr.away = append(tr.away, fresh[0], old)
			s.nodes = append(s.nodes, fresh[0])
			s.peers = append(slices.Clone(s.peers[1:]), fresh[0])
			a.join(token, fresh...)
			s.both(fresh[0]+" is there", 1, func(c call) bool { return fine(c) && slices.Contains(c.in("ok"), fresh[0]) })
			s.l.Kill(old)
			s.both(old+" is named as failed", 1, func(c call) bool {
				return without(old)(c) && strings.HasPrefix(c.run.Hosts[indexOf(c, old)].Message, "failed")
			})
			s.l.Must(ann, "fleet", "forget", old, "--yes")
			s.both(old+" is not expected any more", 2, fine)
		}
		if now := s.settled(s.T); slices.ContainsFunc(now, func(h string) bool { return slices.Contains(first, h) }) {
			s.Errorf("brokers are on %v", now)
		}
		return tr
	}
}

func indexOf(c call, host string) int {
	return slices.IndexFunc(c.run.Hosts, func(h hostDocument) bool { return h.Host == host })
}

func TestReplacedBrokers(t *testing.T) {
	binary := binary(t)
	c := newChaos(t, binary, 3, 2)
	c.run(t, "the nodes are restarted in order", restarted)
	c.run(t, "autoscaling replaces every broker", replaced(binary))
}
