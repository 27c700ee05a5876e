package cli

import (
	"os"
	"path/filepath"
	"strings"
	"time"

	"fleet/cli/report"
	"fleet/client"
	"fleet/identity"
	"fleet/job"
)

// standing puts together what was asked.
func standing(s seen) *statusReport {
	st := &statusReport{report.Status{Name: s.roster.Fleet, Roster: report.RosterStatus(s.roster), Members: s.members, Rejected: s.run.Rejected, Took: s.run.Took, Now: time.Now(), Admissions: s.let}}
	for _, o := range s.run.Outcomes {
		if o.State == job.OK {
			st.ID = string(o.Identity.Fleet)
		}
		st.Answered(o)
	}
	st.Judge()
	return st
}

// statusReport is the report with the exit code that follows from it.
type statusReport struct{ report.Status }

// worst is the ending: what hosts refused goes before what is wrong, which goes before silence, as everywhere.
func (s *statusReport) worst() ending {
	end := endFine
	if len(s.Hosts) == 0 && len(s.Others) == 0 {
		return endNothing
	}
	if len(s.Others) > 0 {
		end = endingOf(client.Results{Outcomes: s.Others})
		if end == endNothing { // skipped by all: no host does that
			end = endFailed
		}
	}
	if s.Wrong() {
		end = max(end, endFailed)
	}
	return end
}

// Representatives is one host of each view, the most common view first, none if all agree; at most limit.
func (s *statusReport) Representatives(limit int) []client.Target {
	var list []client.Target
	for _, v := range s.Views[:min(len(s.Views), limit)] {
		list = append(list, client.Target{Node: v.Node, Name: v.Name})
	}
	return list
}

// fleetID is the pinned fleet's, where it can be read; the report does without it too.
func (o connection) fleetID() identity.ID {
	text, err := os.ReadFile(filepath.Join(o.home, rootFile))
	var root identity.Anchor
	if err != nil || root.UnmarshalText([]byte(strings.TrimSpace(string(text)))) != nil {
		return ""
	}
	return root.ID()
}
