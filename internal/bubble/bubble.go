// Package bubble runs tests in fake time (testing/synctest) without stumbling over Go's race detector.
//
// The goroutines of a bubble share one list of timers, and a timer that fires borrows that list's state of the race
// detector. Two processors that do so in the same moment corrupt it: the test binary ends with "ThreadSanitizer: CHECK
// failed" or with a SIGSEGV in no code of ours (go.dev/issue/78156, still so in Go 1.26.8). On one processor it cannot happen;
// what the detector knows of who comes before whom, and so what it finds, does not depend on their number.
package bubble

import (
	"runtime"
	"testing"
	"testing/synctest"
)

// Test is synctest.Test on one processor. The number of processors is the whole process's: a test that uses this, and each
// test above it, must not be parallel, and is failed if it is.
func Test(t *testing.T, f func(*testing.T)) {
	t.Helper()
	t.Setenv("FLEET_IN_BUBBLE", "1") // it fails in a parallel test, which is what it is for; nobody reads the variable
	before := runtime.GOMAXPROCS(1)
	defer runtime.GOMAXPROCS(before)
	synctest.Test(t, f)
}
