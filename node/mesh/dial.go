package mesh

import (
	"context"
	"log/slog"
	"math/bits"
	"math/rand/v2"
	"slices"
	"time"

	"fleet/internal/logkey"
)

// dialer brings this node to one of the brokers that the loop wishes for. It dials beside the loop, one broker at a time, each of those
// wished for once in a round, and waits between two rounds: not for as long at each node. A dial ends as soon as its broker is not
// wished for any more. Its methods are the loop's and never block, but for stop.
type dialer struct {
	open func(ctx context.Context, url string) (*line, error) // blocks
	look func()                                               // has the loop look again
	log  *slog.Logger

	under  *dial            // nil: none is under way
	tried  map[string]error // in this round
	rounds int              // that ended in vain since there was a connection last
	resume time.Time        // when the next round begins; zero: this one is not over
}

// dial is one attempt.
type dial struct {
	url    string
	cancel context.CancelFunc
	done   chan struct{} // closed when the rest is known
	line   *line
	err    error
}

// turn returns a connection to one of the brokers in wish, the preferred first, once there is one; until then it is to be called
// again, and has the loop look when it is time. failed says that a round has just ended in vain.
func (d *dialer) turn(wish []string) (got *line, failed bool) {
	if got := d.outcome(wish); got != nil {
		d.tried, d.rounds, d.resume = nil, 0, time.Time{}
		return got, false
	}
	if d.under != nil || len(wish) == 0 {
		return nil, false
	}
	if !d.resume.IsZero() && !time.Now().Before(d.resume) {
		d.tried, d.resume = nil, time.Time{}
	}
	for _, url := range wish { // also while it waits, if it is a new one
		if _, before := d.tried[url]; !before {
			d.begin(url)
			return nil, false
		}
	}
	if !d.resume.IsZero() {
		return nil, false
	}
	d.rounds++
	d.tell(wish)
	wait := redialWait + rand.N(redialJitter)
	d.resume = time.Now().Add(wait)
	time.AfterFunc(wait, d.look)
	return nil, true
}

// outcome takes in what became of the dial that is under way, and ends it if nobody wishes for its broker any more.
func (d *dialer) outcome(wish []string) *line {
	u := d.under
	if u == nil {
		return nil
	}
	if !slices.Contains(wish, u.url) {
		d.abandon()
		return nil
	}
	select {
	case <-u.done:
	default:
		return nil
	}
	d.under = nil
	if u.err != nil {
		if d.tried == nil {
			d.tried = map[string]error{}
		}
		d.tried[u.url] = u.err
	}
	return u.line
}

func (d *dialer) begin(url string) {
	ctx, cancel := context.WithCancel(context.Background())
	u := &dial{url: url, cancel: cancel, done: make(chan struct{})}
	d.under = u
	go func() {
		defer d.look()
		defer close(u.done)
		if u.line, u.err = d.open(ctx, url); u.err != nil {
			cancel()
		}
	}()
}

// abandon ends the dial that is under way. What it may have opened is closed; the channel says when.
func (d *dialer) abandon() <-chan struct{} {
	u, ended := d.under, make(chan struct{})
	if d.under = nil; u == nil {
		close(ended)
		return ended
	}
	u.cancel()
	go func() {
		defer close(ended)
		if <-u.done; u.line != nil {
			u.line.close()
		}
	}()
	return ended
}

// stop ends the dialing for good, and waits for it.
func (d *dialer) stop() { <-d.abandon() }

// inVain reports whether enough was tried to say that no broker takes this node: all of them, or where there are many, a good number.
func (d *dialer) inVain() bool { return d.rounds > 0 || len(d.tried) >= enoughTried }

// tell says that no broker took the connection: the first time, and then more and more seldom.
func (d *dialer) tell(wish []string) {
	level := slog.LevelDebug
	if bits.OnesCount(uint(d.rounds)) == 1 {
		level = slog.LevelWarn
	}
	err := d.tried[wish[0]]
	for _, url := range wish {
		if refused(d.tried[url]) { // says more than that one is not there
			err = d.tried[url]
		}
	}
	d.log.Log(context.Background(), level, "no broker reached yet", logkey.Brokers, wish, logkey.Error, meaning(err))
}
