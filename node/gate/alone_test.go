package gate

import (
	"errors"
	"strings"
	"testing"
	"time"

	"fleet/identity"
	"fleet/job"
	"fleet/node/journal"
)

// limited is a host of a fleet of ten, where one key is enough for up to 40 % of them.
func limited(t *testing.T) *world {
	w := newWorld(t)
	w.rules, w.hosts = []identity.Rule{{Action: "service.*", Second: 41}}, 10
	w.gate.Fleet = func() int { return 10 }
	return w
}

// some are so many hosts.
func some(n int) (ids []identity.ID) {
	for range n {
		ids = append(ids, identity.NewKey[identity.Node]().Public().ID())
	}
	return ids
}

// on is a change of this host and others.
func (w *world) on(others ...identity.ID) func(*job.Job) {
	return func(j *job.Job) { j.Targets = append([]identity.ID{w.self.ID}, others...) }
}

// alone fails the test unless one key is enough.
func (w *world) alone(t *testing.T, what string, signed []byte) {
	t.Helper()
	d := w.gate.Judge(t.Context(), signed)
	if d.Verdict != Pass {
		t.Errorf("%s: %v %s %q", what, d.Verdict, d.Reason, d.Message)
	}
	d.Passed.Leave()
}

// waits fails the test unless a second key is asked for, because of what was counted.
func (w *world) waits(t *testing.T, what string, signed []byte, counted string) {
	t.Helper()
	d := w.gate.Judge(t.Context(), signed)
	if d.Verdict != Refuse || d.Reason != job.ReasonSecond || !strings.Contains(d.Message, counted) {
		t.Errorf("%s: %v %s %q, want %q", what, d.Verdict, d.Reason, d.Message, counted)
	}
}

// The fleet is as large as the roster says, or as this host knows, whichever is less: nobody makes it larger with invented hosts. A
// roster that does not say it makes a host ask for a second key always, and says what to do.
func TestHowLargeTheFleetIs(t *testing.T) {
	for _, tt := range []struct {
		name    string
		stated  uint32
		known   int
		targets int
		counted string // "": one key is enough
	}{
		{"as stated", 10, 10, 4, ""},
		{"more than its share", 10, 10, 5, "it is for 5 of 10 hosts"},
		{"hosts are invented", 10, 1000, 5, "it is for 5 of 10 hosts"},
		{"it has become smaller", 100, 10, 5, "it is for 5 of 10 hosts"},
		{"this host knows nobody", 10, 0, 4, ""},
		{"this host knows nobody, more than its share", 10, 0, 5, "it is for 5 of 10 hosts"},
		{"not stated", 0, 1000, 1, "the roster does not say how many hosts the fleet has, so this may be all of them; to say it: fleet root size N"},
	} {
		w := limited(t)
		w.hosts = tt.stated
		w.gate.Fleet = func() int { return tt.known }
		signed := w.job(t, w.on(some(tt.targets-1)...))
		if tt.counted == "" {
			w.alone(t, tt.name, signed)
		} else {
			w.waits(t, tt.name, signed, tt.counted)
		}
	}
}

// What one signer changes within an hour counts together, each host once, in however many jobs.
func TestWhatOneSignerChangesCountsTogether(t *testing.T) {
	w, hosts := limited(t), some(9)
	for _, others := range [][]identity.ID{hosts[:1], hosts[1:2], hosts[2:3], hosts[:3]} {
		w.alone(t, "up to four hosts", w.job(t, w.on(others...)))
	}
	w.waits(t, "a fifth host", w.job(t, w.on(hosts[4])), "it is for 5 of 10 hosts, with what ann changed within the hour")
	w.alone(t, "the same hosts again", w.job(t, w.on(hosts[1])))
	w.alone(t, "another signer", w.by(t, w.second, w.on(hosts[5:8]...)))
	w.alone(t, "a question", w.job(t, func(j *job.Job) { w.on(hosts[5:8]...)(j); j.Action = "status" }))
	w.alone(t, "signed by two", approved(w.job(t, w.on(hosts[4:]...)), w.second))
	w.waits(t, "what two signed does not count, and what was refused does not", w.job(t, w.on(hosts[8])), "it is for 5 of 10 hosts")

	w.now = w.now.Add(together - time.Second)
	late := func(change func(*job.Job)) func(*job.Job) {
		return func(j *job.Job) { change(j); shift(j, w.now.Sub(now)) }
	}
	w.waits(t, "just within the hour", w.job(t, late(w.on(hosts[8]))), "with what ann changed")
	w.now = w.now.Add(time.Second)
	w.alone(t, "an hour later", w.job(t, late(w.on(hosts[6:]...))))
}

// A job may be a portion of a plan, of which this host sees no more. Its other hosts count, once for each set of hosts.
func TestWhatIsUnseenOfAPlanCounts(t *testing.T) {
	w, hosts := limited(t), some(9)
	portion := func(of, total int, listed ...identity.ID) func(*job.Job) {
		return func(j *job.Job) {
			w.on(listed...)(j)
			plan := job.HashOfPlan(hosts[of : of+total])
			j.Plan = job.Plan{ID: job.NewID(now), Hash: plan, Total: uint32(total), Parts: uint32(total - len(listed))}
		}
	}
	w.alone(t, "three", w.job(t, portion(0, 3)))
	w.alone(t, "the same three", w.job(t, portion(0, 3)))
	w.alone(t, "the same three, with one more of them in the portion", w.job(t, portion(0, 3, hosts[1])))
	w.waits(t, "other three", w.job(t, portion(3, 3)), "it is for 5 of 10 hosts")
	w.alone(t, "one more host", w.job(t, w.on(hosts[5])))
	w.waits(t, "and one more", w.job(t, w.on(hosts[6])), "it is for 5 of 10 hosts")
}

// What an earlier process of the agent let through counts; of a long list the journal has some hosts and their number.
func TestWhatWasChangedBeforeARestartCounts(t *testing.T) {
	w, hosts := limited(t), some(60)
	w.hosts = 100
	w.gate.Fleet = func() int { return 100 }
	w.alone(t, "38 hosts", w.job(t, w.on(hosts[:37]...)))
	w.restart()
	w.gate.alone = alone{}
	w.alone(t, "two more", w.job(t, w.on(hosts[40:42]...)))
	w.waits(t, "a third", w.job(t, w.on(hosts[42])), "it is for 41 of 100 hosts")
	w.alone(t, "the same 38", w.job(t, w.on(hosts[:37]...)))
	w.restart()
	w.gate.alone = alone{}
	w.waits(t, "a third, after another restart", w.job(t, w.on(hosts[42])), "it is for 41 of 100 hosts")
	w.now = w.now.Add(together)
	w.gate.alone = alone{}
	w.alone(t, "an hour later", w.job(t, func(j *job.Job) { w.on(hosts[42])(j); shift(j, together) }))
}

// unreadable is a journal that cannot be read.
type unreadable struct{ Journal }

func (unreadable) Alone(time.Time) ([]journal.Entry, error) {
	return nil, errors.New("the disk is gone")
}

func TestWhatCannotBeCountedIsTooMuch(t *testing.T) {
	w := limited(t)
	w.gate.Journal = unreadable{w.gate.Journal}
	w.waits(t, "a journal that cannot be read", w.job(t, w.on()), "cannot read what ann changed within the hour: the disk is gone")
	w.gate.Journal = w.journal
	w.alone(t, "one that can", w.job(t, w.on()))

	c := w.gate.alone.signer(w.second.Public().ID())
	for _, id := range some(1) {
		c.hosts[id] = now
	}
	for n := range maxAlone - 3 {
		c.plans[job.HashOf([]byte{byte(n), byte(n >> 8), byte(n >> 16)})] = part{2, 1, now}
	}
	w.waits(t, "no room", w.job(t, w.on(some(2)...)), "remembers no more changes of the last hour")
	w.now = w.now.Add(together)
	w.alone(t, "an hour later", w.job(t, func(j *job.Job) { w.on(some(2)...)(j); shift(j, together) }))
	if n := len(w.gate.alone.of); n != 1 {
		t.Errorf("%d signers are remembered", n)
	}
}

// Jobs that are judged at the same time do not pass each other.
func TestChangesAtTheSameTimeCountTogether(t *testing.T) {
	w, hosts := limited(t), some(9)
	const jobs = 8
	verdicts := make(chan Decision, jobs)
	for i := range jobs {
		signed := w.job(t, w.on(hosts[i]))
		go func() { verdicts <- w.gate.Judge(t.Context(), signed) }()
	}
	passed := 0
	for range jobs {
		if d := <-verdicts; d.Verdict == Pass {
			passed++
			d.Passed.Leave()
		} else if d.Reason != job.ReasonSecond {
			t.Errorf("%v %s %q", d.Verdict, d.Reason, d.Message)
		}
	}
	if passed != 3 {
		t.Errorf("%d of %d pass", passed, jobs)
	}
}
