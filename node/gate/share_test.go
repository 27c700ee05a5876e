package gate

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"fleet/identity"
	"fleet/internal/bubble"
	"fleet/job"
	"fleet/job/filter"
)

// by signs the job that job makes as another admin.
func (w *world) by(t testing.TB, key identity.PrivateKey[identity.Admin], change func(*job.Job)) []byte {
	t.Helper()
	ann := w.admin
	defer func() { w.admin = ann }()
	w.admin = key
	return w.job(t, change)
}

func status(j *job.Job) { j.Action = "status" }

// passes is the decision on what must pass.
func (w *world) passes(t testing.TB, signed []byte) Decision {
	t.Helper()
	d := w.gate.Judge(t.Context(), signed)
	if d.Verdict != Pass {
		t.Fatalf("%v %s %q", d.Verdict, d.Reason, d.Message)
	}
	return d
}

// putOff fails the test unless a job finds no room.
func (w *world) putOff(t testing.TB, signed []byte, why string) {
	t.Helper()
	if d := w.gate.Judge(t.Context(), signed); d.Verdict != Busy || !strings.Contains(d.Message, why) || d.Claim.First || d.Claimed {
		t.Errorf("%v %s %q, want busy: %s", d.Verdict, d.Reason, d.Message, why)
	}
}

// Who fills his share of one kind of job is told so, each time; what was put off runs when there is room. Copies are answered all the
// time, and neither other kinds of his jobs nor others' jobs notice.
func TestOneSignerHasAShare(t *testing.T) {
	w := newWorld(t)
	w.rules = append(w.rules, identity.Rule{Action: "jobs.*"})
	cancelling := func(j *job.Job) { j.Plugin, j.Action, j.Args = "jobs", "cancel", nil }
	for name, c := range map[string]struct {
		fill, other func(*job.Job)
		n           int
		full        string
	}{
		"changes": {nil, status, maxChangesOfOne, "ann has 24 changes under way on this host"},
		"reads":   {status, nil, maxReadsOfOne, "ann has 24 reads under way on this host"},
	} {
		t.Run(name, func(t *testing.T) {
			var running []Decision
			var last []byte
			for range c.n {
				last = w.job(t, c.fill)
				running = append(running, w.passes(t, last))
			}
			more := w.job(t, c.fill)
			for range 3 {
				w.putOff(t, more, c.full)
			}
			if d := w.gate.Judge(t.Context(), last); d.Verdict != Seen || !d.Claim.Running {
				t.Errorf("a copy of one that runs: %v", d.Verdict)
			}
			w.passes(t, w.job(t, c.other)).Passed.Leave()
			if d := w.gate.Judge(t.Context(), w.job(t, cancelling)); d.Verdict == Busy {
				t.Errorf("cancelling: %v %q", d.Verdict, d.Message)
			}
			w.passes(t, w.by(t, w.second, c.fill)).Passed.Leave()
			running[7].Passed.Leave()
			running[7] = w.passes(t, more)
			for _, r := range running {
				r.Passed.Leave()
			}
		})
	}
	if len(w.gate.shares.of) != 0 || w.gate.shares.all != [kinds]int{} {
		t.Errorf("%v are taken of %d", w.gate.shares.all, len(w.gate.shares.of))
	}
}

// However many changes of however many admins run, the host is full of changes only. Those that an earlier process began count.
func TestAHostHasRoomOfEachKind(t *testing.T) {
	w := newWorld(t)
	leave := w.gate.Resumed(w.admin.Public().ID())
	var others []func()
	for len(others) < maxChanges-1 {
		others = append(others, w.gate.Resumed(identity.NewKey[identity.Admin]().Public().ID()))
	}
	change := w.job(t, nil)
	w.putOff(t, change, "64 changes are under way on this host, and it takes no more at a time")
	w.passes(t, w.job(t, status)).Passed.Leave()
	if d := w.gate.Judge(t.Context(), w.job(t, func(j *job.Job) { j.Mode = job.Match })); d.Verdict != WouldRun {
		t.Errorf("planning a change: %v %q", d.Verdict, d.Message)
	}
	leave()
	w.passes(t, change).Passed.Leave()
	for _, leave := range others {
		leave()
	}
}

// An admin whose reads this host remembers as many as it may is told so, and another's are answered.
func TestOneSignerHasAShareOfTheMemory(t *testing.T) {
	w := newWorld(t)
	last := Decision{Verdict: Pass}
	for n := 0; last.Verdict == Pass && n < 8192; n++ {
		last = w.gate.Judge(t.Context(), w.job(t, status))
		last.Passed.Leave()
	}
	if last.Verdict != Busy || !strings.Contains(last.Message, "remembers 4096 reads of this admin") {
		t.Errorf("ann's: %v %s %q", last.Verdict, last.Reason, last.Message)
	}
	if d := w.gate.Judge(t.Context(), w.by(t, w.second, status)); d.Verdict != Pass {
		t.Errorf("ben's: %v %q", d.Verdict, d.Message)
	}
	if d := w.gate.Judge(t.Context(), w.job(t, nil)); d.Verdict != Pass {
		t.Errorf("ann's change: %v %q", d.Verdict, d.Message)
	}
}

// Whatever the verdict, but for what runs: no place stays taken.
func TestNoVerdictKeepsAPlace(t *testing.T) {
	w := newWorld(t)
	for name, change := range map[string]func(*job.Job){
		"refused": func(j *job.Job) { j.Plugin, j.Action = "package", "purge" }, "no match": func(j *job.Job) { j.Filter.Facts = []string{"hagroup=a"} },
		"match": func(j *job.Job) { j.Mode = job.Match }, "arguments": func(j *job.Job) { j.Args = nil }, "late": func(j *job.Job) { shift(j, -time.Hour) },
	} {
		w.gate.Judge(t.Context(), w.job(t, change))
		if len(w.gate.shares.of) != 0 {
			t.Errorf("%s: a place is taken", name)
		}
	}
	d := w.gate.Judge(t.Context(), w.job(t, nil))
	if d.Passed.Leave(); d.Verdict != Pass || len(w.gate.shares.of) != 0 {
		t.Errorf("%v, and a place is taken", d.Verdict)
	}
}

// held is a host whose data function answers once it is let go, and says each time that it is asked.
type held struct {
	host
	asked, answer chan struct{}
}

func (h held) Data(ctx context.Context, function, argument string) (map[string]any, error) {
	h.asked <- struct{}{}
	select {
	case <-h.answer:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return h.host.Data(ctx, function, argument)
}

// One filter of a signer asks data functions at a time; those of others do not wait for it, nor do his own jobs that ask none.
func TestOneFilterOfASignerAsksAtATime(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		w := newWorld(t)
		h := held{asked: make(chan struct{}, maxReadsOfOne), answer: make(chan struct{})}
		w.gate.Host = h
		heavy := func(j *job.Job) {
			status(j)
			j.Filter = filter.Filter{Selects: []string{"service('nginx').status=running"}}
		}
		ends := make(chan Decision, maxReadsOfOne)
		judge := func(signed []byte) { ends <- w.gate.Judge(t.Context(), signed) }
		for range maxReadsOfOne - 1 {
			go judge(w.job(t, heavy))
		}
		synctest.Wait()
		if n := len(h.asked); n != 1 {
			t.Errorf("%d of ann's filters ask", n)
		}
		if d := w.gate.Judge(t.Context(), w.job(t, status)); d.Verdict != Pass {
			t.Errorf("a job of hers that asks nothing: %v", d.Verdict)
		}
		go judge(w.by(t, w.second, heavy))
		synctest.Wait()
		if n := len(h.asked); n != 2 {
			t.Errorf("ben's filter does not ask: %d", n)
		}
		close(h.answer)
		for range maxReadsOfOne {
			if d := <-ends; d.Verdict != Pass {
				t.Errorf("%v %q", d.Verdict, d.Message)
			}
		}
	})
}
