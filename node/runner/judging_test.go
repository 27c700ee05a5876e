package runner

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"fleet/internal/bubble"
	"fleet/node/gate"
)

// What cannot even be judged is dropped, and counted.
func TestJudgingIsBounded(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		r := New(Config{
			Judge: func(context.Context, []byte) gate.Decision {
				<-release
				return gate.Decision{Verdict: gate.Drop, Dropped: gate.Forged}
			},
			Log: slog.New(slog.DiscardHandler),
		})
		for range maxJudged + 3 {
			r.Receive([]byte("a job"))
		}
		synctest.Wait()
		if n, busy := r.Count(Dropped, TooMany), r.Busy(); n != 3 || busy != maxJudged {
			t.Errorf("%d were dropped, %d are judged", n, busy)
		}
		close(release)
		r.Stop(time.Minute)
		if all := r.Totals(); all["jobs_overrun"] != 3 || all["jobs_dropped"] != maxJudged || r.Busy() != 0 {
			t.Errorf("%v, %d are under way", all, r.Busy())
		}
	})
}
