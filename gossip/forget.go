package gossip

import (
	"fmt"
	"time"

	"fleet/internal/logkey"
)

// Forget drops a member that is gone, as it would be dropped in time, and remembers that, so that others who still know it
// do not bring it back. It comes back by itself once it is alive. known says whether there was anything to drop. One that is
// alive, and this node itself, is an error.
func (g *Gossip) Forget(id string) (known bool, err error) {
	m, known := g.table.bury(id, time.Now())
	if known && m.State == Alive {
		return true, fmt.Errorf("member %s (%s) is alive", m.Host, id)
	}
	return known, nil
}

// bury drops a member that is gone and returns it. One that is alive is returned and stays.
func (t *table) bury(id string, now time.Time) (m Member, known bool) {
	t.mu.Lock()
	m, known = t.members[id]
	stays := known && (m.State == Alive || id == t.self)
	if !stays {
		delete(t.members, id)
		if len(t.buried) < maxMembers {
			t.buried[id] = now
		}
	}
	t.mu.Unlock()
	if known && !stays {
		t.log.Info("forgot a member at an admin's request", logkey.Node, id, logkey.Name, m.Host, logkey.Since, m.Since)
		t.changed()
	}
	return m, known
}

// isBuried says whether what others say of a member that is gone tells of the time before it was buried. It is called with
// t.mu held.
func (t *table) isBuried(said Member) bool {
	at, buried := t.buried[said.ID]
	return buried && !said.Since.After(at.Add(hearsayDelay))
}
