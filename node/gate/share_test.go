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

// Who fills his share hears nothing at first, and then why; copies are answered all the time, his cancelling gets through, and others
// do not notice. What ends makes room.
func TestOneSignerHasAShare(t *testing.T) {
	w := newWorld(t)
	w.rules = append(w.rules, identity.Rule{Action: "jobs.*"})
	cancel := func(j *job.Job) { j.Plugin, j.Action, j.Args = "jobs", "cancel", nil }
	w.gate.Plugins = anything{}
	var running []Decision
	var last []byte
	for range maxShare {
		last = w.job(t, status)
		running = append(running, w.gate.Judge(t.Context(), last))
		if d := running[len(running)-1]; d.Verdict != Pass {
			t.Fatalf("number %d: %v %q", len(running), d.Verdict, d.Message)
		}
	}
	more := w.job(t, status)
	if d := w.gate.Judge(t.Context(), more); d.Verdict != Later {
		t.Errorf("one more: %v %q", d.Verdict, d.Message)
	}
	if d := w.gate.Judge(t.Context(), last); d.Verdict != Seen || !d.Claim.Running {
		t.Errorf("a copy of one that runs: %v", d.Verdict)
	}
	if d := w.gate.Judge(t.Context(), w.job(t, cancel)); d.Verdict != Refuse || d.Reason != job.ReasonArguments { // as far as this world has it
		t.Errorf("cancelling: %v %s %q", d.Verdict, d.Reason, d.Message)
	}
	d := w.gate.Judge(t.Context(), w.by(t, w.second, status))
	if d.Verdict != Pass {
		t.Errorf("another admin's: %v %q", d.Verdict, d.Message)
	}
	d.Passed.Leave()
	w.now = now.Add(patience)
	busy := w.job(t, status)
	for range 2 {
		if d := w.gate.Judge(t.Context(), busy); d.Verdict != Refuse || d.Reason != job.ReasonBusy || !strings.Contains(d.Message, "ann has 24 jobs under way on this host") {
			t.Errorf("one that comes in vain: %v %s %q", d.Verdict, d.Reason, d.Message)
		}
	}
	running[7].Passed.Leave()
	if d := w.gate.Judge(t.Context(), more); d.Verdict != Pass {
		t.Errorf("one that comes again when there is room: %v %q", d.Verdict, d.Message)
	}
	for i, r := range running {
		if i != 7 {
			r.Passed.Leave()
		}
	}
	if d := w.gate.Judge(t.Context(), busy); d.Verdict != Refuse || d.Reason != job.ReasonBusy {
		t.Errorf("what was refused runs later: %v %s", d.Verdict, d.Reason)
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
	if last.Verdict != Refuse || last.Reason != job.ReasonBusy || !strings.Contains(last.Message, "remembers 4096 reads of this admin") {
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
		h := held{asked: make(chan struct{}, maxShare), answer: make(chan struct{})}
		w.gate.Host = h
		heavy := func(j *job.Job) {
			status(j)
			j.Filter = filter.Filter{Selects: []string{"service('nginx').status=running"}}
		}
		ends := make(chan Decision, maxShare)
		judge := func(signed []byte) { ends <- w.gate.Judge(t.Context(), signed) }
		for range maxShare - 1 {
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
		for range maxShare {
			if d := <-ends; d.Verdict != Pass {
				t.Errorf("%v %q", d.Verdict, d.Message)
			}
		}
	})
}
