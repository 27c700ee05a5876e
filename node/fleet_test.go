package node_test

import (
	"testing"
	"time"

	"fleet/client"
	"fleet/internal/fleettest"
	"fleet/job"
)

func TestEveryHostAnswersAPing(t *testing.T) {
	_, c := fleettest.Up(t, 5)
	run, err := c.Run(t.Context(), client.Request{Plugin: "rpcutil", Action: "ping", Timeout: 10 * time.Second}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(run.Outcomes) != 5 || run.Rejected != 0 {
		t.Fatalf("%+v", run)
	}
	for _, o := range run.Outcomes {
		if o.State != job.OK {
			t.Errorf("%s: %s %s", o.Name, o.State, o.Message)
		}
	}
	t.Logf("took %v", run.Took)
}
