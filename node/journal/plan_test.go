package journal

import (
	"slices"
	"testing"
	"time"
)

// portionOf is a change that is a portion of a plan.
func portionOf(plan, id string, now time.Time) Job {
	j := signed(id, now)
	j.Plan = plan
	return j
}

// A plan that was cancelled here keeps each portion of it from running that comes later, also after a restart, and no other job.
func TestAPortionOfACancelledPlanNeverRuns(t *testing.T) {
	m := newMachine(t)
	j := m.open()
	if !m.first(j, portionOf("PLAN", "01A", now)) {
		t.Fatal("the first portion does not run")
	}
	if barred, err := j.Cancel("PLAN", now); !barred || err != nil {
		t.Fatal(barred, err)
	}
	for range 2 {
		c, err := j.Begin(portionOf("PLAN", "01B", now), now)
		if err != nil || c.First || !c.Entry.Cancelled {
			t.Errorf("the second portion: %+v, %v", c, err)
		}
		if c, known := j.Find(portionOf("PLAN", "01B", now)); !known || !c.Entry.Cancelled {
			t.Errorf("the second portion is found as %+v, %v", c, known)
		}
		if c, known := j.Find(portionOf("PLAN", "01A", now)); !known || c.Entry.Cancelled {
			t.Errorf("the first portion is found as %+v, %v", c, known)
		}
		j.Close()
		j = m.open()
	}
	if !m.first(j, portionOf("OTHER", "01C", now)) || !m.first(j, signed("01D", now)) {
		t.Error("other jobs do not run any more")
	}
}

// The id of a plan stands for the portion that came here: the newest, and not that the rest was cancelled.
func TestAPlanStandsForItsPortionHere(t *testing.T) {
	m := newMachine(t)
	j := m.open()
	if k, found, err := j.Change("PLAN"); found || err != nil || k.ID != "PLAN" || k.Running {
		t.Errorf("before: %+v, %v, %v", k, found, err)
	}
	if c, err := j.Begin(portionOf("PLAN", "01A", now), now); err != nil || !c.First {
		t.Fatal(c, err)
	}
	if k, found, err := j.Change("PLAN"); found || err != nil || k.ID != "01A" || !k.Running {
		t.Errorf("while it is judged: %+v, %v, %v", k, found, err)
	}
	if err := j.ClaimChange(portionOf("PLAN", "01A", now), now); err != nil {
		t.Fatal(err)
	}
	if err := j.Start("01A", Entry{Plugin: "service", Plan: "PLAN", Parts: 2, Total: 700}); err != nil {
		t.Fatal(err)
	}
	if _, err := j.Cancel("PLAN", now); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"PLAN", "01A"} {
		if k, found, err := j.Change(id); !found || err != nil || k.ID != "01A" || k.Total != 700 || k.Cancelled {
			t.Errorf("%s: %+v, %v, %v", id, k, found, err)
		}
	}
	list, err := j.Changes(9)
	if ids := slices.Collect(func(yield func(string) bool) {
		for _, k := range list {
			yield(k.ID)
		}
	}); err != nil || !slices.Equal(ids, []string{"01A"}) {
		t.Errorf("%v, %v", ids, err)
	}
}
