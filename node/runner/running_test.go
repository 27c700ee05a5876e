package runner

import (
	"testing"
	"time"

	"fleet/internal/bubble"
)

// When an action has ended, nobody tells any more what it printed: who waited for it goes on where that left off. Run with -race.
func TestNothingIsToldAfterTheEnd(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		for range 100 { // the tick and the end come at the same moment
			told := 0
			stop := whileRunning(func() { told++ })
			time.Sleep(2 * stillRuns)
			stop()
			if before := told; before < 1 || before > 2 {
				t.Fatalf("told %d times", before)
			}
			told = 0
			time.Sleep(3 * stillRuns)
			if told != 0 {
				t.Fatalf("told %d times after the end", told)
			}
		}
	})
}
