package gossip

import (
	"net"
	"sync"
	"time"
)

// A member is asked reachTries times before it counts as silent, reachAgain apart: packets get lost, and an answer takes less.
const (
	reachTries = 3
	reachAgain = 100 * time.Millisecond
)

// Reach sends each of these members encrypted packets by UDP, all at once, and says who has answered and who has not:
// whether its process runs at this moment, which the table knows only seconds later. Members that count as failed or left
// are not asked, and ids that nobody here knows are in neither list. This node itself answers. Those asked learn that they are missed
// (Config.OnMissed). It blocks until all have
// answered, for a probe timeout and twice reachAgain at most: 0.7 s.
func (g *Gossip) Reach(ids []string) (answered, silent []string) {
	var mu sync.Mutex
	var asked sync.WaitGroup
	note := func(id string, answers bool) {
		mu.Lock()
		defer mu.Unlock()
		if answers {
			answered = append(answered, id)
		} else {
			silent = append(silent, id)
		}
	}
	for _, id := range ids {
		m, known := g.table.get(id)
		switch {
		case id == g.cfg.Self.ID:
			note(id, true)
		case known && m.State != Alive:
			note(id, false)
		case known:
			asked.Go(func() { note(id, g.reach(m)) })
		}
	}
	asked.Wait()
	return answered, silent
}

// reach reports whether a member answers one of several packets.
func (g *Gossip) reach(m Member) bool {
	g.send(m.Addr, []byte{kindMissed})
	answers := make(chan bool, reachTries)
	for range reachTries {
		go func() {
			_, err := g.list.Ping(m.ID, net.UDPAddrFromAddrPort(m.Addr))
			answers <- err == nil
		}()
		select {
		case yes := <-answers:
			if yes {
				return true
			}
			answers <- false // still to be counted below
		case <-time.After(reachAgain):
		}
	}
	for range reachTries {
		if <-answers {
			return true
		}
	}
	return false
}
