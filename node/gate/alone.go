package gate

import (
	"encoding/hex"
	"fmt"
	"sync"
	"time"

	"fleet/identity"
	"fleet/job"
	"fleet/node/journal"
	"fleet/policy"
)

// A rule that asks for a second key above a share of the fleet says how many hosts one person may change alone, and not in how many
// jobs. So each host adds up for which hosts a signer's changes were, of those that named this host, that such a rule let through with
// one key, and that are no older than an hour. It knows nothing of changes that went past it (docs/SECURITY.md).

const (
	together = time.Hour
	// maxAlone bounds the hosts and plans that are remembered, of all signers, some 100 bytes each. A rule keeps one signer to a share
	// of his fleet.
	maxAlone = identity.MaxHosts
)

// alone is what each signer changed with one key. The zero value is ready.
type alone struct {
	mu     sync.Mutex
	loaded bool // what an earlier process counted
	of     map[identity.ID]*changed
}

// changed is for which hosts the changes of one signer were, and when the last one came that was for them.
type changed struct {
	hosts map[identity.ID]time.Time // those that this host saw listed
	plans map[job.Hash]part         // of which it saw no more than a part, by the hash of all their hosts
}

type part struct {
	total, listed int
	last          time.Time
}

func (p part) unseen() int { return max(0, p.total-p.listed) }

// with is the part once a job has come that lists some hosts of it.
func (p part) with(total, listed int, now time.Time) part {
	return part{max(p.total, total), max(p.listed, listed), now}
}

// planOf is the hash of all hosts of a job's plan.
func planOf(j job.Job) job.Hash {
	if !j.Plan.IsZero() {
		return j.Plan.Hash
	}
	return job.HashOfPlan(j.Targets)
}

// forget drops what is older than an hour.
func (c *changed) forget(now time.Time) {
	for id, at := range c.hosts {
		if now.Sub(at) >= together {
			delete(c.hosts, id)
		}
	}
	for plan, p := range c.plans {
		if now.Sub(p.last) >= together {
			delete(c.plans, plan)
		}
	}
}

// count is how many hosts the changes were for, together with a further one. It may be too many, where plans overlap of which this
// host saw a part, and never too few.
func (c *changed) count(j job.Job, now time.Time) int {
	plan := planOf(j)
	n := len(c.hosts) + c.plans[plan].with(j.Hosts(), len(j.Targets), now).unseen()
	for _, id := range j.Targets {
		if _, twice := c.hosts[id]; !twice {
			n++
		}
	}
	for other, p := range c.plans {
		if other != plan {
			n += p.unseen()
		}
	}
	return n
}

func (c *changed) add(plan job.Hash, total int, targets []identity.ID, at time.Time) {
	for _, id := range targets {
		c.hosts[id] = at
	}
	p, known := c.plans[plan]
	if p = p.with(total, len(targets), at); known || p.unseen() > 0 {
		c.plans[plan] = p
	}
}

// signer is what a signer changed. Call it, and use what it returns, with mu held.
func (a *alone) signer(id identity.ID) *changed {
	c := a.of[id]
	if c == nil {
		c = &changed{map[identity.ID]time.Time{}, map[job.Hash]part{}}
		if a.of == nil {
			a.of = map[identity.ID]*changed{}
		}
		a.of[id] = c
	}
	return c
}

// load adds what an earlier process counted. Of a long list the journal has some hosts, and how many there are.
func (a *alone) load(j Journal, now time.Time) error {
	if a.loaded {
		return nil
	}
	list, err := j.Alone(now.Add(-together))
	if err != nil {
		return err
	}
	for _, e := range list {
		var plan job.Hash
		hex.Decode(plan[:], []byte(e.Alone.Plan)[:min(len(e.Alone.Plan), 2*len(plan))])
		targets := make([]identity.ID, len(e.Targets))
		for i, id := range e.Targets {
			targets[i] = identity.ID(id)
		}
		a.signer(identity.ID(e.Alone.Key)).add(plan, e.Alone.Hosts, targets, e.Came)
	}
	a.loaded = true
	return nil
}

// full forgets what is old, and reports whether there is no room for so many more.
func (a *alone) full(more int, now time.Time) bool {
	for id, c := range a.of {
		if c.forget(now); len(c.hosts)+len(c.plans) == 0 {
			delete(a.of, id)
		}
		more += len(c.hosts) + len(c.plans)
	}
	return more > maxAlone
}

// share is how much of the fleet a job is for, with what its signer changed alone within the hour if it is a change.
func (g *Gate) share(roster identity.Roster, signer identity.AdminEntry, j job.Job, change bool) func() (percent float64, counted string) {
	return sync.OnceValues(func() (float64, string) { // to count the fleet takes as long as it is large
		g.alone.mu.Lock()
		defer g.alone.mu.Unlock()
		return g.counted(roster, signer, j, change)
	})
}

// counted is share with alone.mu held.
func (g *Gate) counted(roster identity.Roster, signer identity.AdminEntry, j job.Job, change bool) (percent float64, text string) {
	const all = 100
	if len(j.Targets) == 0 {
		return all, ""
	}
	fleet := int(roster.Hosts)
	if fleet == 0 {
		return all, "the roster does not say how many hosts the fleet has, so this may be all of them; to say it: fleet root size N"
	}
	if known := g.Fleet(); known > 0 {
		fleet = min(fleet, known)
	}
	n, now, also := j.Hosts(), g.Now(), ""
	if change {
		if err := g.alone.load(g.Journal, now); err != nil {
			return all, fmt.Sprintf("this host cannot read what %s changed within the hour: %v", signer.Name, err)
		}
		if g.alone.full(len(j.Targets)+1, now) {
			return all, "this host remembers no more changes of the last hour"
		}
		if c := g.alone.of[signer.Key.ID()]; c != nil {
			n, also = c.count(j, now), fmt.Sprintf(", with what %s changed within the hour", signer.Name)
		}
	}
	return all * float64(n) / float64(fleet), fmt.Sprintf("it is for %d of %d hosts%s", n, fleet, also)
}

// countAlone counts a change that one key was enough for, or says why it is not any more: another one may have passed meanwhile.
// A change that is refused after this stays counted.
func (g *Gate) countAlone(roster identity.Roster, d *Decision, answer policy.Answer) (over string) {
	if answer.UpTo == 0 {
		return ""
	}
	g.alone.mu.Lock()
	defer g.alone.mu.Unlock()
	percent, counted := g.counted(roster, d.Signer, d.Job, true)
	if percent > answer.UpTo {
		return counted
	}
	j, plan := d.Job, planOf(d.Job)
	g.alone.signer(d.Signer.Key.ID()).add(plan, j.Hosts(), j.Targets, g.Now())
	d.known.Alone = &journal.Alone{Key: string(d.Signer.Key.ID()), Plan: hex.EncodeToString(plan[:]), Hosts: j.Hosts()}
	d.known.Targets = journal.Nearest(j.Targets, g.Self().ID)
	return ""
}
