package client_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"fleet/job"
)

// As long as answers come in one after another, as on a slow line, few hosts are asked again: each copy is answered as well,
// and takes the line from those that wait.
func TestAskingAgainIsPacedByWhatArrives(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const hosts = 200
	var copies atomic.Int64
	for i := range hosts {
		w.host(fmt.Sprint("web", i), func(a asked) {
			if a.copy > 1 {
				copies.Add(1)
				return
			}
			time.AfterFunc(time.Duration(i)*50*time.Millisecond, func() { a.reply(job.Result, job.OK) })
		}).answersProbes()
	}
	run, err := w.run(t.Context(), request())
	if err != nil {
		t.Fatal(err)
	}
	answered := 0
	for _, state := range states(run) {
		if state == job.OK {
			answered++
		}
	}
	if answered != hosts {
		t.Errorf("%d of %d answered", answered, hosts)
	}
	if n := copies.Load(); n > hosts/3 {
		t.Errorf("%d copies were sent to %d hosts that were all at work", n, hosts)
	}
	t.Logf("%d copies to %d hosts", copies.Load(), hosts)
}
