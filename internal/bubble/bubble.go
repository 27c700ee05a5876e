// Package bubble runs tests in fake time (testing/synctest) and avoids a bug in Go's race detector.
//
// The goroutines of a bubble share one list of timers, and a timer that fires borrows that list's race detector state.
// If two processors do so at the same moment, the state is corrupted: the test binary ends with "ThreadSanitizer: CHECK
// failed" or with a SIGSEGV outside our code (go.dev/issue/78156, still present in Go 1.26.8). On one processor it cannot
// happen. The order of events that the detector knows, and so what it finds, does not depend on the number of processors.
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
