package runner

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"fleet/node/gate"
)

// A job whose signer has too many here is counted and gets no answer: it will be sent again.
func TestLaterIsNotAnswered(t *testing.T) {
	r := New(Config{
		Judge:   func(context.Context, []byte) gate.Decision { return gate.Decision{Verdict: gate.Later} },
		Publish: func(string, []byte) error { t.Error("it was answered"); return nil },
		Log:     slog.New(slog.DiscardHandler),
	})
	for range 3 {
		r.Receive([]byte("a job"))
	}
	r.Stop(time.Minute)
	if n, all := r.Count(Dropped, TooManyOfOne), r.Totals(); n != 3 || all["jobs_overrun"] != 3 || all["jobs_dropped"] != 0 {
		t.Errorf("%d, %v", n, all)
	}
}
