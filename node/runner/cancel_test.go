package runner

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"fleet/node/journal"
	"fleet/plugins/jobs"
)

// meanwhile is a journal in which something happens between two looks at a job.
type meanwhile struct {
	running bool
	barred  bool
	happens func() // before it is known whether it can be barred
	ends    func() // when it has been said that it runs
}

func (m meanwhile) Cancel(string, time.Time) (bool, error) { m.happens(); return m.barred, nil }
func (m meanwhile) Change(id string) (journal.Known, bool, error) {
	m.ends()
	return journal.Known{ID: id, Running: m.running}, true, nil
}
func (m meanwhile) Changes(int) ([]journal.Known, error) { return nil, nil }

// A job that is cancelled while it is judged stops as soon as it begins, and whatever becomes of it, nothing of the cancelling stays.
func TestCancelledWhileItIsJudged(t *testing.T) {
	for name, c := range map[string]struct {
		history meanwhile
		happens func(*Runner)
		stop    jobs.Stop
		stopped bool   // of one that begins afterwards
		ends    string // when
	}{
		"and then it begins":         {meanwhile{running: true}, func(*Runner) {}, jobs.Told, true, "later"},
		"and it has just begun":      {meanwhile{running: true}, func(r *Runner) { r.running.begin(t.Context(), "id") }, jobs.Told, false, "later"},
		"and then it is refused":     {meanwhile{running: true}, func(*Runner) {}, jobs.Told, false, "later"},
		"and it ends at that moment": {meanwhile{running: true}, func(*Runner) {}, jobs.Told, false, "then"},
		"and it has just ended":      {meanwhile{}, func(r *Runner) { r.running.begin(t.Context(), "id"); r.running.end("id") }, jobs.Ended, false, ""},
		"and it had ended":           {meanwhile{}, func(*Runner) {}, jobs.Ended, false, ""},
		"and it has never come here": {meanwhile{barred: true}, func(*Runner) {}, jobs.Barred, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := New(Config{Log: slog.New(slog.DiscardHandler)})
			c.history.happens, c.history.ends = func() { c.happens(r) }, func() {
				if c.ends == "then" {
					r.running.end("id")
				}
			}
			stop, _, err := r.Records(c.history).Cancel("id")
			if err != nil || stop != c.stop {
				t.Errorf("%v %v", stop, err)
			}
			if c.stopped {
				if ctx := r.running.begin(t.Context(), "id"); context.Cause(ctx) != errCancelled {
					t.Error("it runs")
				}
			}
			if c.ends == "later" {
				r.running.end("id")
			}
			if len(r.running.stop) != 0 {
				t.Errorf("%d entries stay", len(r.running.stop))
			}
		})
	}
}

// ofPlan is a journal in which a portion of a plan is being judged.
type ofPlan struct{ barred []string }

func (p *ofPlan) Cancel(id string, _ time.Time) (bool, error) {
	p.barred = append(p.barred, id)
	return id == "plan", nil
}
func (p *ofPlan) Change(string) (journal.Known, bool, error) {
	return journal.Known{ID: "portion", Running: true}, false, nil
}
func (p *ofPlan) Changes(int) ([]journal.Known, error) { return nil, nil }

// Cancelling a plan bars what has not come of it, and stops the portion that is here as soon as it begins.
func TestCancelledWhileAPortionIsJudged(t *testing.T) {
	r, history := New(Config{Log: slog.New(slog.DiscardHandler)}), &ofPlan{}
	stop, _, err := r.Records(history).Cancel("plan")
	if err != nil || stop != jobs.Told || len(history.barred) == 0 || history.barred[0] != "plan" {
		t.Errorf("%v, %v, barred %v", stop, err, history.barred)
	}
	if ctx := r.running.begin(t.Context(), "portion"); context.Cause(ctx) != errCancelled {
		t.Error("it runs")
	}
	if r.running.end("portion"); len(r.running.stop) != 0 {
		t.Errorf("%d entries stay", len(r.running.stop))
	}
}
