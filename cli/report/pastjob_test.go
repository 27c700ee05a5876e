package report_test

import (
	"strings"
	"testing"

	"fleet/cli/report"
	"fleet/client"
	"fleet/job"
	"fleet/plugins/answers"
)

// Each host names some of a job's targets; those that no host names are not passed over in silence.
func TestTargetsThatNobodyNames(t *testing.T) {
	title := func(total int64, targets ...string) string {
		j := answers.Job{State: "ok", Plugin: "service", Action: "restart", Targets: targets, Total: total}
		run := report.Run{Results: client.Results{Outcomes: []client.Outcome{{Node: "a", Name: "web1", State: job.OK}}}}
		return report.PastJob("01A", run, []answers.Job{j}, nil).Title()
	}
	if title := title(3, "a", "b"); !strings.HasSuffix(title, "1 of its 3 targets are not known to any host that answered") {
		t.Error(title)
	}
	if title := title(2, "a", "b"); strings.Contains(title, "not known") {
		t.Error(title)
	}
}
