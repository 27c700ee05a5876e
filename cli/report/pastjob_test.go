package report_test

import (
	"strings"
	"testing"

	"fleet/cli/report"
	"fleet/client"
	"fleet/job"
)

// Each host names some of a job's targets; those that no host names are not passed over in silence.
func TestTargetsThatNobodyNames(t *testing.T) {
	answers := func(total uint64, targets ...any) report.Run {
		data := map[string]any{"state": "ok", "plugin": "service", "action": "restart", "targets": targets, "total": total}
		return report.Run{Results: client.Results{Outcomes: []client.Outcome{{Node: "a", Name: "web1", State: job.OK, Data: data}}}}
	}
	if title := report.PastJob("01A", answers(3, "a", "b"), nil).Title(); !strings.HasSuffix(title, "1 of its 3 targets are not known to any host that answered") {
		t.Error(title)
	}
	if title := report.PastJob("01A", answers(2, "a", "b"), nil).Title(); strings.Contains(title, "not known") {
		t.Error(title)
	}
}
